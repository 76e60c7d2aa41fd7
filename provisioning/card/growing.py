"""The data partition, grown to the end of its card: at the first start, and after copying to a larger one.

The table changes first (the extended partition, then data in it), then the kernel's view of it, then the file
system, which the kernel grows while it is mounted. Interrupted anywhere, it goes on there at the next start.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from provisioning.card import partitions
from provisioning.card.partitions import DATA_PARTITION
from provisioning.card.tools import run

EXTENDED: Final = 4
SLACK: Final = 16 * 2**20
"""Bytes that are not worth it: sfdisk leaves a little for alignment."""

Run = Callable[..., bytes]


def missing(disk: Path) -> int:
    """Bytes between the end of the data partition and that of the disk. Raises CardError, OSError."""
    with disk.open("rb") as file:
        size = file.seek(0, 2)
        _, data = partitions.ours(partitions.at(file.fileno()), str(disk))
    return size - data.start - data.size


def grow_table(disk: Path, *, tool: Run = run) -> None:
    """Both partitions to the end of the disk, on the disk alone. Raises CardError."""
    for number in (EXTENDED, DATA_PARTITION):
        tool(
            ["sfdisk", "--no-reread", "--no-tell-kernel", "--quiet", "-N", str(number), str(disk)],
            given=b",+\n",
        )


def commands(disk: Path, data: Path) -> Sequence[Sequence[str]]:
    """What follows on a disk in use: the kernel learns of it, and the file system grows."""
    update = ["partx", "--update", "--nr", str(DATA_PARTITION), str(disk)]
    return (update, ["resize2fs", str(data)])


def grow(disk: Path, data: Path, *, tool: Run = run) -> bool:
    """The data partition of a disk, in use as it is; whether there was anything to do.

    Raises CardError, OSError.
    """
    grown = missing(disk) > SLACK
    if grown:
        grow_table(disk, tool=tool)
    update, resize = commands(disk, data)
    if grown:
        tool(update)
    tool(resize)  # does nothing to one that fills its partition: a start before may have ended here
    return grown
