"""Creates the disk of an image in one file, with a partition table and file systems.

Nothing is mounted. The tools run in a separate root with the image's own Debian suite, so the versions on the
building machine do not matter.
"""

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from provisioning.image.bootfiles import Files
from provisioning.image.layout import MIB, SECTOR, ImagePartition, Layout, sfdisk_script
from provisioning.image.tools import in_root

IMAGE: Final = "work/disk.img"
_BLOCK: Final = 4096
_LARGEST: Final = 2**41
"""Maximum size in bytes that the data partition can grow to.

Space for the descriptors of its block groups is reserved from the start.
"""
_NAMES: Final = uuid.UUID("7a8f0e7c-2c6b-5a0e-9d3b-6c6f67626f61")


def make(tools: Path, layout: Layout, *, epoch: int) -> Path:
    """Create an empty disk with its partition table, and return its path. Raises ToolError or OSError."""
    path = tools / IMAGE
    with path.open("wb") as file:
        file.truncate(layout.size)
    script = sfdisk_script(layout).encode()
    in_root(tools, ["sfdisk", "--quiet", "--no-tell-kernel", f"/{IMAGE}"], stdin=script, epoch=epoch)
    return path


def fat(tools: Path, partition: ImagePartition, files: Files, *, epoch: int) -> None:
    """Create a FAT32 file system with `files`, in order of their names; raises ToolError, OSError."""
    identity = f"{uuid.uuid5(_NAMES, f'{partition.name} {epoch}').fields[0]:08x}"
    in_root(
        tools,
        [
            *(
                "mkfs.vfat",
                "--invariant",
                "-F",
                "32",
                "-s",
                "4",
                "--mbr=n",
                "-i",
                identity,
                "-n",
                partition.label,
            ),
            *("-h", str(partition.start // SECTOR), f"--offset={partition.start // SECTOR}"),
            *(f"/{IMAGE}", str(partition.size // 1024)),
        ],
        epoch=epoch,
    )
    tree = tools / "work/fat"
    tree.mkdir(exist_ok=True)
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    drive = f"/{IMAGE}@@{partition.start}"
    folders = sorted({str(Path(name).parent) for name in files} - {"."})
    for folder in folders:
        in_root(tools, ["mmd", "-i", drive, f"::{folder}"], epoch=epoch)
    for folder in (".", *folders):
        inside = sorted(name for name in files if str(Path(name).parent) == folder)
        for name in inside:
            os.utime(tree / name, (epoch, epoch))
        if inside:
            to = "::" if folder == "." else f"::{folder}/"
            paths = [f"/work/fat/{name}" for name in inside]
            in_root(tools, ["mcopy", "-m", "-i", drive, *paths, to], epoch=epoch)
    for path in sorted(tree.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def root(tools: Path, partition: ImagePartition, tree: Path, *, epoch: int) -> None:
    """Create a root file system from a folder tree. Raises ToolError if that fails.

    No blocks are reserved for root, because the file system is read-only except during maintenance.
    """
    _ext4(tools, partition, tree, ["-m", "0"], [], epoch=epoch)


def data(tools: Path, partition: ImagePartition, tree: Path, *, epoch: int) -> None:
    """Create the file system of the data partition, which is small at first and can grow; raises ToolError.

    The journal has 16 MiB from the start, because growing the file system does not enlarge the journal. One
    percent is reserved for root, so that the appliance starts even if the card is full.
    """
    more = [f"resize={_LARGEST // _BLOCK}"]
    _ext4(tools, partition, tree, ["-m", "1", "-J", "size=16", "-T", "default"], more, epoch=epoch)


def _ext4(
    tools: Path,
    partition: ImagePartition,
    tree: Path,
    options: Sequence[str],
    extended: Sequence[str],
    *,
    epoch: int,
) -> None:
    identity = uuid.uuid5(_NAMES, f"{partition.name} {epoch}")
    words = [
        f"offset={partition.start}",
        f"hash_seed={uuid.uuid5(_NAMES, f'hash {identity}')}",
        *("nodiscard", "root_owner=0:0", "lazy_itable_init=0", "lazy_journal_init=0"),
        *extended,
    ]
    in_root(
        tools,
        [
            *("mke2fs", "-q", "-F", "-t", "ext4", "-b", str(_BLOCK), "-I", "256", *options),
            *("-L", partition.label, "-U", str(identity), "-E", ",".join(words)),
            *("-d", f"/{tree.relative_to(tools)}", f"/{IMAGE}", str(partition.size // _BLOCK)),
        ],
        epoch=epoch,
    )


def used(path: Path) -> int:
    """Return the number of bytes that a file or tree occupies on this machine's disk."""
    if path.is_file():
        return path.stat().st_blocks * 512
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            total += os.lstat(Path(folder) / name).st_blocks * 512
    return total


def mebibytes(size: int) -> str:
    """Format a size in bytes as MiB, such as `1,536 MiB`."""
    return f"{size / MIB:,.0f} MiB"
