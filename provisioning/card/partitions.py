"""Finds the partitions of a card or an image in its MBR, which every supported board can boot from.

Partition 1 is FAT, for files that people edit. Partitions 2 and 3 boot the two systems, whose root file
systems are partitions 5 and 6. Partition 7 contains the data and reaches to the end of the card.
"""

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from provisioning.errors import CardError

SECTOR: Final = 512
FAT_PARTITION: Final = 1
DATA_PARTITION: Final = 7
_TABLE, _ENTRY, _MAGIC = 446, struct.Struct("<B3xB3xII"), b"\x55\xaa"
_EXTENDED: Final = (0x05, 0x0F, 0x85)
_FAT: Final = (0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E)
_LINUX: Final = 0x83
_MOST_LOGICAL: Final = 32

ReadAt = Callable[[int, int], bytes]
"""Function that returns `length` bytes at an offset; its arguments are (offset, length)."""


@dataclass(frozen=True, slots=True)
class CardPartition:
    """Partition with its start and size in bytes."""

    number: int
    type: int
    start: int
    size: int


def at(descriptor: int) -> ReadAt:
    """Return a function that reads from an open file or device."""
    return lambda offset, length: os.pread(descriptor, length, offset)


def read(read_at: ReadAt) -> Mapping[int, CardPartition]:
    """Return all partitions in a partition table, by number. Raises CardError if there is no table."""
    partitions: dict[int, CardPartition] = {}
    table = _table(read_at, 0)
    if table is None:
        text = "the partition table (MBR) is missing"
        raise CardError(text)
    extended = 0
    for number, (_, kind, start, size) in enumerate(table, start=1):
        if kind and size:
            partitions[number] = CardPartition(number, kind, start * SECTOR, size * SECTOR)
        if kind in _EXTENDED:
            extended = start
    link, number = extended, 5
    while link and number < 5 + _MOST_LOGICAL:
        table = _table(read_at, link * SECTOR)
        if table is None:
            break
        (_, kind, start, size), (_, next_kind, next_start, _) = table[:2]
        if kind and size:
            partitions[number] = CardPartition(number, kind, (link + start) * SECTOR, size * SECTOR)
            number += 1
        link = extended + next_start if next_kind in _EXTENDED else 0
    return partitions


def ours(read_at: ReadAt, what: str) -> tuple[CardPartition, CardPartition]:
    """Return the FAT partition and the data partition of a Logboat card or image.

    `what` is the name of the card or image, for use in messages. Raises CardError if a partition is missing.
    """
    try:
        partitions = read(read_at)
    except CardError as error:
        text = f"{what}: {error}; is this a Logboat image?"
        raise CardError(text) from error
    fat, data = partitions.get(FAT_PARTITION), partitions.get(DATA_PARTITION)
    if fat is None or fat.type not in _FAT:
        text = f"{what}: the first partition is not FAT; is this a Logboat image?"
        raise CardError(text)
    if data is None or data.type != _LINUX:
        text = f"{what}: there is no data partition ({DATA_PARTITION}); is this a Logboat image?"
        raise CardError(text)
    return fat, data


def _table(read_at: ReadAt, offset: int) -> list[tuple[int, int, int, int]] | None:
    sector = read_at(offset, SECTOR)
    if len(sector) < SECTOR or sector[510:] != _MAGIC:
        return None
    return [_ENTRY.unpack_from(sector, _TABLE + 16 * each) for each in range(4)]
