"""Grows the data partition to the end of its card, at the first start or after copying to a larger card.

The partition table changes first: the extended partition, and then the data partition in it. The kernel's
view of the table is updated next. Finally, the kernel grows the file system while it is mounted. If this is
interrupted at any point, the next start continues from there.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from provisioning.card import partitions
from provisioning.card.partitions import DATA_PARTITION
from provisioning.card.tools import run

EXTENDED: Final = 4
SLACK: Final = 16 * 2**20
"""Unused space at the end of a disk that is ignored, in bytes.

sfdisk aligns partitions, so they may not reach the end.
"""

Run = Callable[..., bytes]


def missing(disk: Path) -> int:
    """Return the number of bytes between the end of the data partition and the end of the disk.

    Raises CardError, OSError.
    """
    with disk.open("rb") as file:
        size = file.seek(0, 2)
        _, data = partitions.ours(partitions.at(file.fileno()), str(disk))
    return size - data.start - data.size


def grow_table(disk: Path, *, tool: Run = run) -> None:
    """Change the partition table so that the extended and the data partition reach the end of the disk.

    Raises CardError.
    """
    for number in (EXTENDED, DATA_PARTITION):
        tool(
            ["sfdisk", "--no-reread", "--no-tell-kernel", "--quiet", "-N", str(number), str(disk)],
            stdin=b",+\n",
        )


def commands(disk: Path, data: Path) -> Sequence[Sequence[str]]:
    """Return the commands that update the kernel's view of a disk in use and grow the file system."""
    update = ["partx", "--update", "--nr", str(DATA_PARTITION), str(disk)]
    return (update, ["resize2fs", str(data)])


def grow(disk: Path, data: Path, *, tool: Run = run) -> bool:
    """Grow the data partition of a disk in use. Return True if the partition table had to change.

    Raises CardError, OSError.
    """
    grown = missing(disk) > SLACK
    if grown:
        grow_table(disk, tool=tool)
    update, resize = commands(disk, data)
    if grown:
        tool(update)
    tool(resize)  # has no effect without free space, which an interrupted start may have left
    return grown
