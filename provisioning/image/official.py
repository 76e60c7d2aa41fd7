"""Converts the root of an official Raspberry Pi OS image to a tar archive, for use as a base.

The archive has the same form as one from mmdebstrap. This is the only module that mounts a file system: the
image's root, read-only, while it is copied.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from provisioning.image.errors import BaseError, ToolError
from provisioning.image.layout import SECTOR
from provisioning.image.lock import installed
from provisioning.image.recipe import PYTHON, Recipe
from provisioning.image.tools import run

UNPACKERS: Final[Mapping[str, Sequence[str]]] = {".xz": ("xz",), ".zst": ("zstd",), ".gz": ("gzip",)}
_FAT: Final = ("b", "c", "e", "6")
_FIRMWARE: Final = "boot/firmware"


def make_base(recipe: Recipe, image: Path, path: Path, *, cache: Path, log: Path) -> None:
    """Create a tar archive of an official image's root, after installing the packages that it lacks.

    Raises BaseError, ToolError, OSError.
    """
    scratch = cache / ".official"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        disk, root = unpacked(image, scratch / "disk.img", log=log), scratch / "root"
        fat, linux = partitions(disk, image, log=log)
        with _mounted(disk, linux, scratch / "mount", log=log) as mounted:
            run(["cp", "-a", str(mounted), str(root)], log=log)
        if not (root / f"usr/bin/python{PYTHON}").exists():
            text = f"{image} has no Python {PYTHON}; is it Raspberry Pi OS {recipe.suite}?"
            raise BaseError(text)
        (root / _FIRMWARE).mkdir(parents=True, exist_ok=True)
        run(["mcopy", "-s", "-n", "-m", "-i", f"{disk}@@{fat[0]}", "::*", str(root / _FIRMWARE)], log=log)
        _install(recipe, root, log=log)
        for name in ("etc/machine-id", "etc/fstab"):
            (root / name).write_text("")
        for key in root.glob("etc/ssh/ssh_host_*"):
            key.unlink()
        command = ["tar", "--create", "--numeric-owner", "--xattrs", "--sort=name", "--file", str(path)]
        run([*command, "--directory", str(root), "."], log=log)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def unpacked(image: Path, disk: Path, *, log: Path) -> Path:
    """Unpack the image to a sparse raw file and return its path; raises BaseError if it is damaged."""
    if not image.is_file():
        text = f"the file {image} does not exist"
        raise BaseError(text)
    tool = UNPACKERS.get(image.suffix)
    try:
        if tool is None:
            run(["cp", "--sparse=always", str(image), str(disk)], log=log)
        else:
            script = (
                'set -o pipefail; "$1" -dc "$2" | dd of="$3" bs=1M conv=sparse iflag=fullblock status=none'
            )
            run(["bash", "-c", script, "unpack", *tool, str(image), str(disk)], log=log)
    except ToolError as error:
        text = f"{image} is damaged: {error}"
        raise BaseError(text) from error
    return disk


def partitions(disk: Path, image: Path, *, log: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the start and size, in bytes, of the image's FAT partition and of its root partition.

    Raises BaseError if the image does not have exactly these two partitions, or is too short for them.
    """
    try:
        table: Any = json.loads(run(["sfdisk", "--json", str(disk)], log=log))["partitiontable"]
    except ToolError as error:
        text = f"{image} is not a card image: {error}"
        raise BaseError(text) from error
    parts = table["partitions"]
    if table["label"] != "dos" or len(parts) != 2 or parts[0]["type"] not in _FAT or parts[1]["type"] != "83":
        text = f"{image} is not an official Raspberry Pi OS image, which has one FAT and one Linux partition"
        raise BaseError(text)
    size = disk.stat().st_size
    fat, linux = ((each["start"] * SECTOR, each["size"] * SECTOR) for each in parts)
    if linux[0] + linux[1] > size:
        text = (
            f"{image} is damaged: its root partition ends at byte {linux[0] + linux[1]}, but the file ends"
            f" at byte {size}"
        )
        raise BaseError(text)
    return fat, linux


@contextmanager
def _mounted(disk: Path, place: tuple[int, int], where: Path, *, log: Path) -> Iterator[Path]:
    where.mkdir()
    options = f"ro,noload,loop,offset={place[0]},sizelimit={place[1]}"
    try:
        run(["mount", "-t", "ext4", "-o", options, str(disk), str(where)], log=log)
    except ToolError as error:
        text = f"the root of the image cannot be read: {error}"
        raise BaseError(text) from error
    try:
        yield where
    finally:
        run(["umount", str(where)], log=log)


def missing(recipe: Recipe, status: str) -> list[str]:
    """Return the packages that the recipe requires and the image lacks."""
    there = {each.name for each in installed(status)}
    return [name for name in recipe.packages if name not in there]


def _install(recipe: Recipe, root: Path, *, log: Path) -> None:
    """Install missing packages with the image's own apt, from the sources that are configured in it."""
    wanted = missing(recipe, (root / "var/lib/dpkg/status").read_text())
    if not wanted:
        return
    names = root / "etc/resolv.conf"
    names.unlink(missing_ok=True)
    shutil.copy("/etc/resolv.conf", names)
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")  # no service is started during the installation
    policy.chmod(0o755)
    env = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    inside = ["chroot", str(root)]
    try:
        run([*inside, "apt-get", "-qq", "update"], env=env, log=log)
        install = ["apt-get", "-qq", "-y", "--no-install-recommends", "install", *wanted]
        run([*inside, *install], env=env, log=log)
        run([*inside, "apt-get", "clean"], env=env, log=log)
    except ToolError as error:
        text = f"{', '.join(wanted)} could not be installed into the image: {error}"
        raise BaseError(text) from error
    finally:
        policy.unlink()
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
