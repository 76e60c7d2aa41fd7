"""Copies of an SD card image for virtual machines. mtools accesses their FAT partitions without mounting."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioning.image import recipe
from provisioning.image.build import native
from provisioning.image.layout import Layout

REPOSITORY = Path(__file__).resolve().parents[2]


def layout() -> Layout:
    """Return the partition layout of the `virt` board's image. All images have the same layout."""
    return recipe.read(REPOSITORY / "image", board="virt", base="debian", native=native()).layout


@dataclass(frozen=True, slots=True)
class Card:
    """Copy of an SD card image that a virtual machine may write to, and the files that QEMU boots."""

    disk: Path
    kernel: Path
    initramfs: Path
    command_line: str

    def put(self, files: Mapping[str, str]) -> None:
        """Write files to `logboat/` on the card's first partition, as a user with a laptop would."""
        drive = f"{self.disk}@@{layout().partition('selector').start}"
        for name, content in files.items():
            command = ["mcopy", "-o", "-i", drive, "-", f"::logboat/{name}"]
            subprocess.run(command, input=content.encode(), check=True)


def copy(image: Path, place: Path, *, size: int = 6 * 2**30) -> Card:
    """Copy an image to a card of `size` bytes.

    The kernel, the initramfs and the kernel's command line come from the first boot partition.
    """
    place.mkdir(parents=True, exist_ok=True)
    disk = place / "disk.img"
    subprocess.run(["cp", "--sparse=always", str(image), str(disk)], check=True)
    with disk.open("r+b") as file:
        file.truncate(size)
    drive = f"{disk}@@{layout().partition('boot-a').start}"
    names = ("vmlinuz", "initrd.img", "cmdline.txt")
    subprocess.run(["mcopy", "-n", "-i", drive, *(f"::{name}" for name in names), str(place)], check=True)
    return Card(disk, place / "vmlinuz", place / "initrd.img", (place / "cmdline.txt").read_text().strip())


def another(card: Card, place: Path) -> Card:
    """Copy a card, including all changes to it, and return the copy."""
    place.mkdir(parents=True)
    shutil.copy(card.disk, place / "disk.img")
    return Card(place / "disk.img", card.kernel, card.initramfs, card.command_line)
