"""Copies of an image for guests. Their FAT partitions are read and written with mtools, without mounting."""

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
    """Return the partition layout, which is the same for every image."""
    return recipe.read(REPOSITORY / "image", board="virt", base="debian", native=native()).layout


@dataclass(frozen=True, slots=True)
class Card:
    """Copy of an image that a guest may write to."""

    disk: Path
    kernel: Path
    initramfs: Path
    command_line: str

    def put(self, files: Mapping[str, str]) -> None:
        """Write files to `logboat/` on the first partition, as a user with a laptop would."""
        drive = f"{self.disk}@@{layout().partition('selector').start}"
        for name, content in files.items():
            command = ["mcopy", "-o", "-i", drive, "-", f"::logboat/{name}"]
            subprocess.run(command, input=content.encode(), check=True)


def copy(image: Path, place: Path, *, size: int = 6 * 2**30) -> Card:
    """Create a card of the given size from an image.

    Kernel and initramfs are copied from the first boot partition.
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
    """Return another copy of a card."""
    place.mkdir(parents=True)
    shutil.copy(card.disk, place / "disk.img")
    return Card(place / "disk.img", card.kernel, card.initramfs, card.command_line)
