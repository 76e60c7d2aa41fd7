"""Small images with the partitions of an SD card, which are created without mounting file systems.

An image has an MBR, a FAT partition for the user's files, two partitions for each of two systems, and a data
partition.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from provisioning.card import partitions

TOOLS = ("sfdisk", "mkfs.vfat", "mke2fs", "debugfs", "mcopy", "e2fsck", "resize2fs")
MIB = 2**20
LAYOUT = """\
label: dos
label-id: 0x10b0a7
start=2048, size=16384, type=c
start=18432, size=8192, type=c
start=26624, size=8192, type=c
start=34816, type=5
start=36864, size=8192, type=83
start=47104, size=8192, type=83
start=57344, type=83
"""
SIZE = 64 * MIB


def need_tools() -> None:
    """Skip the test if tools for creating images are missing. In CI, fail the test instead."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} missing: Debian's mtools, dosfstools, e2fsprogs, fdisk")
    if missing:
        pytest.skip(f"{', '.join(missing)} not here (Debian's mtools, dosfstools, e2fsprogs, fdisk)")


def run(*command: str, given: str = "") -> str:
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "MTOOLS_SKIP_CHECK": "1"}
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, check=True, env=environment, errors="replace"
    )
    return done.stdout


@cache
def image() -> Path:
    """Return the path of a small SD card image, which all tests share and must not modify."""
    need_tools()
    path = Path(mkdtemp(prefix="logboat-image-")) / "logboat.img"
    with path.open("wb") as file:
        file.truncate(SIZE)
    run("sfdisk", "--quiet", str(path), given=LAYOUT)
    with path.open("rb") as file:
        found = partitions.read(partitions.at(file.fileno()))
    fat, data = found[1], found[7]
    # Create each file system in a separate file, because options for an offset differ between versions.
    for partition, command in (
        (fat, ["mkfs.vfat", "-n", "LOGBOAT"]),
        (data, ["mke2fs", "-q", "-t", "ext4", "-L", "logboat-data"]),
    ):
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.truncate(partition.size)
        run(*command, str(part))
        if partition is fat:
            run("mmd", "-i", str(part), "::logboat")
            run("mcopy", "-i", str(part), "-", "::autoboot.txt", given="[all]\n")
        with path.open("r+b") as file:
            file.seek(partition.start)
            file.write(part.read_bytes())
        part.unlink()
    return path


def on_fat(path: Path, name: str) -> str:
    """Return the text of a file on the FAT partition of an image."""
    return run("mcopy", "-n", "-i", f"{path}@@{MIB}", f"::{name}", "-")


def in_data(path: Path, command: str) -> str:
    """Run a debugfs command on the data partition of an image, and return the output."""
    with path.open("rb") as file:
        data = partitions.read(partitions.at(file.fileno()))[7]
    return run("debugfs", "-R", command, f"{path}?offset={data.start}")


def into_data(path: Path, source: Path, name: str) -> None:
    """Copy a file to the data partition of an image, creating folders as necessary."""
    with path.open("rb") as file:
        data = partitions.read(partitions.at(file.fileno()))[7]
    folders = [f"mkdir {each}" for each in reversed(Path(name).parents) if each != Path("/")]
    lines = [*folders, f"cd {Path(name).parent}", f"write {source} {Path(name).name}", ""]
    run("debugfs", "-w", "-f", "/dev/stdin", f"{path}?offset={data.start}", given="\n".join(lines))
