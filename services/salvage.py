"""Salvage of a damaged journal: every batch that can still be read, from its row or from its echo.

Reads the file page by page, past the damage over which SQLite stumbles; what is taken is what matches its
checksum.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from sync.store.pages import Pages

from .batch import Batch, BatchError, Identity, unpack
from .journal import ECHO_AFTER
from .journalfile import seed as seed_of


class _Spare(msgspec.Struct, array_like=True):
    """The journal's second copy of what makes sense of batches."""

    meta: list[tuple[str, str | int | float]]
    sensors: list[tuple[int, str, int, str, str]]


@dataclass(slots=True)
class Salvaged:
    """What could be read of a journal."""

    meta: dict[str, Any] = field(default_factory=dict)
    sensors: list[tuple[int, str, int, str, str]] = field(default_factory=list)
    """(number, id, closed, path, unit)"""
    batches: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Number to (crc, data), each whole."""
    from_echoes: int = 0
    """How many of them only the echo still held."""

    @property
    def identity(self) -> Identity | None:
        """Whose log it was; None if that cannot be read any more."""
        if not {"vessel", "log"} <= self.meta.keys():
            return None
        return Identity(
            vessel=str(self.meta["vessel"]),
            log=str(self.meta["log"]),
            boot=int(self.meta.get("boot", 0)),
            run=int(self.meta.get("run", 0)),
        )


def salvage(path: Path) -> Salvaged:
    """Read what can be read. Damage never raises: in the worst case the result is empty."""
    found = Salvaged()
    rows: dict[int, tuple[int, bytes]] = {}
    echoes: dict[int, tuple[int, bytes]] = {}
    spare: _Spare | None = None
    with Pages(path) as pages:
        for record in pages.rows():
            match record.values:
                case (str(key), str() | int() | float() as value):
                    found.meta[key] = value
                case (None, str(name), int(closed), str(where), str(unit), bytes() | None):
                    found.sensors.append((record.rowid or 0, name, closed, where, unit))
                case (None, int(crc), bytes(data), int() | None as echo_crc, bytes() | None as echo):
                    rows[record.rowid or 0] = (crc, data)
                    if echo is not None and echo_crc is not None:
                        echoes[(record.rowid or 0) - ECHO_AFTER] = (echo_crc, echo)
                case (None, int(crc), bytes(data)) if zlib.crc32(data) == crc:
                    spare = msgspec.msgpack.decode(data, type=_Spare)
                case _:
                    pass  # not one of ours, or not whole
    if spare is not None:
        found.meta = dict(spare.meta) | found.meta
        known = {number for number, *_ in found.sensors}
        found.sensors += [row for row in spare.sensors if row[0] not in known]
    seed = seed_of(found.meta.get("log"))
    for number, (crc, data) in rows.items():
        if zlib.crc32(data, seed) == crc:
            found.batches[number] = (crc, data)
    for number, (crc, data) in echoes.items():
        if number not in found.batches and zlib.crc32(data, seed) == crc:
            found.batches[number] = (crc, data)
            found.from_echoes += 1
    return found


def batches(found: Salvaged) -> Iterator[Batch]:
    """The salvaged batches, in order; those that name sensors nobody knows any more are left out."""
    ids = {number: name for number, name, *_ in found.sensors}
    for number, (_, data) in sorted(found.batches.items()):
        try:
            yield unpack(number, data, ids)
        except BatchError:
            continue
