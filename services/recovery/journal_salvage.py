"""Salvages a damaged journal: recovers every batch that can still be read, from its row or from a copy.

The database file is read page by page, so damage that stops SQLite is skipped. Invalid frames in the
write-ahead log are also skipped. Only data that matches its checksum is used.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from sensors.sample import Totals
from services.journal.batch import Batch, BatchError, Identity, unpack
from services.journal.schema import ECHO_AFTER
from services.journal.schema import seed as seed_of
from services.journal.settled_rows import KeptColumn, checksum
from sync.store.sqlite_pages import PageRecord, Pages


class _Spare(msgspec.Struct, array_like=True):
    """The journal's second copy of the data needed to interpret batches."""

    meta: list[tuple[str, str | int | float]]
    sensors: list[tuple[int, str, int, str, str]]


@dataclass(slots=True)
class SalvagedJournal:
    """Data that was read from a damaged journal."""

    meta: dict[str, Any] = field(default_factory=dict)
    sensors: list[tuple[int, str, int, str, str]] = field(default_factory=list)
    """The sensors, as tuples (number, id, closed, path, unit)."""
    batches: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Complete batches, as tuples (crc, data), by batch number."""
    from_echoes: int = 0
    """Number of batches that were recovered from a copy because their own row was damaged or missing."""
    totals: dict[str, Totals] = field(default_factory=dict)
    """Totals of each sensor up to its last stored batch, by sensor id, from rows with valid checksums."""

    @property
    def identity(self) -> Identity | None:
        """Identity of the log; None if it cannot be read."""
        if not {"vessel", "log"} <= self.meta.keys():
            return None
        return Identity(
            vessel=str(self.meta["vessel"]),
            log=str(self.meta["log"]),
            boot=_whole_number(self.meta.get("boot")),
            run=_whole_number(self.meta.get("run")),
        )


def salvage(path: Path, *, progress: Callable[[], None] = lambda: None) -> SalvagedJournal:
    """Return all data that can be read from a journal. Damage raises no exception; the result may be empty.

    `progress` is called often.
    """
    reading = _Reading()
    with Pages(path) as pages:
        for record in pages.rows():
            progress()
            reading.take(record)
        reading.settle()
        for record in pages.rows_beyond():
            reading.take(record)
            reading.settle()
    return reading.result()


class _Reading:
    """Rows read from all tables of the journal. The columns of a row identify its table.

    Rows that are added later are newer.
    """

    def __init__(self) -> None:
        self._meta: dict[str, Any] = {}
        self._sensors: dict[int, tuple[int, str, int, str, str]] = {}
        self._spare: _Spare | None = None
        self._kept: dict[int, tuple[str, int, bytes]] = {}
        self._rows: dict[int, set[tuple[int, bytes]]] = defaultdict(set)
        self._copies: dict[int, set[tuple[int, bytes]]] = defaultdict(set)

    def take(self, record: PageRecord) -> None:
        number = record.rowid or 0
        match record.values:
            case (str(key), str() | int() | float() as value):
                self._meta[key] = value
            case (None, str(name), int(closed), str(where), str(unit), bytes() | None as kept):
                self._sensors[number] = (number, name, closed, where, unit)
                if kept is not None:
                    self._kept[number] = (name, closed, kept)
            case (None, int(crc), bytes(data), int() | None as echo_crc, bytes() | None as echo):
                self._rows[number].add((crc, data))
                if echo is not None and echo_crc is not None:
                    self._copies[number - ECHO_AFTER].add((echo_crc, echo))
            case (None, bytes(data), int(crc)):
                self._copies[number].add((crc, data))
            case (None, int(crc), bytes(data)) if zlib.crc32(data) == crc:
                self._spare = msgspec.msgpack.decode(data, type=_Spare)
            case _:
                pass  # not a row of the journal, or incomplete

    def settle(self) -> None:
        """Prefer data in `spare` to other rows, because those may come from pages freed long ago."""
        if self._spare is None:
            return
        self._meta |= dict(self._spare.meta)
        known, self._sensors = self._sensors, {}
        for number, name, closed, where, unit in self._spare.sensors:
            row = known.get(number)
            newer = row[2] if row is not None and row[1] == name else 0
            self._sensors[number] = (number, name, max(closed, newer), where, unit)
        self._spare = None

    def result(self) -> SalvagedJournal:
        salvaged = SalvagedJournal(meta=self._meta, sensors=list(self._sensors.values()))
        salvaged.totals = self._totals()
        seed = seed_of(self._meta.get("log"))
        rows, copies = _sound(self._rows, seed), _sound(self._copies, seed)
        agreed = {data for number in rows for _, data in rows[number] & copies.get(number, set())}
        for number in rows | copies:
            found, copied = rows.get(number, set()), copies.get(number, set())
            # The checksum does not cover the number. If damage has changed the number of a row, the copy
            # under its true number has the same data.
            candidates = found & copied or {each for each in found | copied if each[1] not in agreed}
            if candidates:
                salvaged.batches[number] = min(candidates & found or candidates)
                salvaged.from_echoes += not candidates & found
        return salvaged

    def _totals(self) -> dict[str, Totals]:
        totals = {}
        through = _whole_number(self._meta.get("through"))
        for number, (name, closed, kept) in self._kept.items():
            try:
                column = msgspec.msgpack.decode(kept, type=KeptColumn)
                is_sound = column.crc == checksum(number, name, closed, through, kept)
            except msgspec.DecodeError:
                continue
            if is_sound:
                totals[name] = Totals(column.count, column.seconds)
        return totals


def _sound(candidates: dict[int, set[tuple[int, bytes]]], seed: int) -> dict[int, set[tuple[int, bytes]]]:
    """Return the candidates whose data matches their checksum, by batch number."""
    return {
        number: {(crc, data) for crc, data in some if zlib.crc32(data, seed) == crc}
        for number, some in candidates.items()
    }


def _whole_number(value: object) -> int:
    """Return an integer from `meta`; 0 if the value is missing, or if damage has changed its type."""
    return value if isinstance(value, int) else 0


def batches(salvaged: SalvagedJournal) -> Iterator[Batch]:
    """Yield the salvaged batches in order, leaving out those that refer to unknown sensors."""
    ids = {number: name for number, name, *_ in salvaged.sensors}
    for number, (_, data) in sorted(salvaged.batches.items()):
        try:
            yield unpack(number, data, ids)
        except BatchError:
            continue
