"""The number witness: a small file beside the journal that records which sample numbers have been assigned.

A journal that has lost its most recent part, or was replaced with an older copy, looks valid. Nothing in the
file shows that it once contained more samples. The samples in open windows are in no document yet. The file
`given-numbers` therefore repeats the number of the last committed batch, and the last number assigned to each
sensor. If, at startup, the journal is older than the witness, a new log begins
(`services.recovery.rollback`). The new log takes the totals of counting sensors from the witness
(`services.recovery.carryover`).

After each commit, one of two slots is overwritten, without fsync. The write survives if the process is
killed. It survives a power cut once the system has written it to the card, at most half a minute later. Only
the *reservation* is written with fsync: the witness contains a durable limit for each sensor's numbers, and
no higher numbers are assigned. A thread that is not time-critical raises the limit some minutes in advance
(`work`). So a commit waits for the card only if a sensor has suddenly become much faster. After a power cut,
it is unknown whether the numbers between the last known number and the limit were assigned.

If the file cannot be written, recording is not delayed: the fault is reported, and the write is retried.
"""

import logging
import os
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from sensors.sample import Totals
from sync.durable_files import rename

log = logging.getLogger(__name__)

NAME: Final = "given-numbers"
AHEAD_S: Final = 600.0
"""Period for which sample numbers are reserved, in seconds, at the sensor's rate since the last reservation.
"""
AHEAD_LEAST: Final = 64
AHEAD_FIRST: Final = 1_000
"""Number of sample numbers to reserve for a sensor whose rate is not known yet."""
AHEAD_MOST: Final = 1_000_000
RETRY_MS: Final = 60_000
_MAGIC: Final = b"LbW1"
_HEAD: Final = 12
"""Length, in bytes, of a slot's header, which contains the magic number, length and CRC-32 of the record."""
_PAGE: Final = 4_096
_SENSOR_BYTES: Final = 80
"""Maximum size of a sensor's numbers, in bytes: 32-character name, two 12-digit numbers, punctuation, margin.
"""
_TOTALS_BYTES: Final = 80
"""Maximum size of a sensor's totals, in bytes: its name, a 16-digit count, 18-digit seconds and a margin."""


class GivenNumbers(msgspec.Struct, frozen=True):
    """Contents of the number witness, the file that records which sample numbers were assigned."""

    turn: int
    """Number of this record. Of the file's two records, the one with the higher number is newer."""
    vessel: str
    log: str
    start: str
    """Id of the boot in which this record was written."""
    batch: int
    """Number of the last committed batch; 0 if there is none."""
    numbers: dict[str, tuple[int, int]]
    """Last assigned sample number and last reserved sample number, by sensor id."""
    utc: float = 0.0
    """Time of the last commit in seconds since 1970, by the system clock.

    The value is 0 if an earlier version wrote the record.
    """
    totals: dict[str, tuple[int, float]] = {}
    """Count and seconds of each counting sensor, by sensor id; empty if an earlier version wrote the record.
    """

    def last(self, sensor: str) -> int:
        """Return the last sample number known to have been assigned to a sensor; 0 if there is none."""
        return self.numbers.get(sensor, (0, 0))[0]

    def reserved(self, sensor: str) -> int:
        """Return the highest sample number that can have been assigned to a sensor; 0 if there is none."""
        return self.numbers.get(sensor, (0, 0))[1]


def path_in(data: Path) -> Path:
    """Return the path of the number witness in a data folder."""
    return data / NAME


def read(path: Path) -> GivenNumbers | None:
    """Return the contents of a number witness; None if the file is missing or invalid."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return _newest(content)


def _newest(content: bytes) -> GivenNumbers | None:
    half = len(content) // 2
    records = [record for at in (0, half) if (record := _record(content[at : at + half])) is not None]
    return max(records, key=lambda record: record.turn, default=None)


def _record(slot: bytes) -> GivenNumbers | None:
    length, checksum = int.from_bytes(slot[4:8]), int.from_bytes(slot[8:12])
    packed = slot[_HEAD : _HEAD + length]
    if slot[:4] != _MAGIC or len(packed) != length or zlib.crc32(packed) != checksum:
        return None
    try:
        return msgspec.json.decode(packed, type=GivenNumbers)
    except msgspec.DecodeError:
        return None


class NumberWitness:
    """Writer of the number witness, the file that records which sample numbers were assigned.

    `work` may be called from another thread. No method raises an exception.
    """

    def __init__(self, path: Path, *, sync: Callable[[int], None] = os.fdatasync) -> None:
        """Read the existing file.

        `sync` is a function that takes a file descriptor and makes the file durable.
        """
        self.fault: str | None = None
        """The reason why the file cannot be written now; None if there is no fault."""
        self.found = read(path)
        """Contents of the file when it was opened."""
        self._path, self._sync = path, sync
        self._lock = threading.Lock()
        self._handle = -1
        self._slot_bytes = 0
        self._turn = 0 if self.found is None else self.found.turn
        self._vessel = self._log = self._start = ""
        self._batch = 0
        self._utc = 0.0
        self._totals: dict[str, Totals] = {}
        self._last: dict[str, int] = {}
        self._reserved: dict[str, int] = {}
        """Highest reserved number of each sensor, as last written.

        Those known to be durable are in `_durable`.
        """
        self._durable: dict[str, int] = {}
        self._since: tuple[int, dict[str, int]] | None = None
        """Boot clock time of the last reservation, in ms, and the last assigned numbers at that time."""
        self._now_ms = 0
        self._failed_ms: int | None = None

    def close(self) -> None:
        """Close the file. This method may be called twice."""
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1

    def begin(
        self,
        *,
        vessel: str,
        log: str,
        start: str,
        batch: int,
        last: Mapping[str, int],
        totals: Mapping[str, Totals] = MappingProxyType({}),
        utc: float = 0.0,
    ) -> None:
        """Start to record numbers for a log. The record is durable on return, unless `fault` is set."""
        before = self.found
        with self._lock:
            self._vessel, self._log, self._start, self._batch = vessel, log, start, batch
            self._last, self._totals, self._utc = dict(last), dict(totals), utc
            goes_on = before is not None and (before.vessel, before.log) == (vessel, log)
            self._durable = (
                {name: before.reserved(name) for name in last} if goes_on and before is not None else {}
            )
            self._reserved = dict(self._durable)
            self._since = None
        self._raise()

    def register(self, names: Iterable[str]) -> None:
        """Record that sample numbers may be assigned to these sensors."""
        with self._lock:
            new = [name for name in names if name not in self._last]
            self._last |= dict.fromkeys(new, 0)
        if new:
            self._raise()

    def cover(self, last: Mapping[str, int]) -> None:
        """Ensure that a commit's sample numbers are reserved. This must be called before the commit.

        The call waits for the card only if `work` was called too late.
        """
        if self._log and any(number > self._durable.get(name, 0) for name, number in last.items()):
            self._raise(last)

    def note(
        self,
        batch: int,
        last: Mapping[str, int],
        now_ms: int,
        *,
        totals: Mapping[str, Totals] = MappingProxyType({}),
        utc: float = 0.0,
    ) -> None:
        """Record the last sample numbers that a commit made durable.

        Args:
            batch: number of the committed batch.
            last: last sample number of each sensor in the batch.
            now_ms: boot clock time of the commit, in milliseconds.
            totals: totals that the commit has changed, by sensor.
            utc: time of the commit, in seconds since 1970.
        """
        if not self._log:
            return
        with self._lock:
            self._batch, self._now_ms = batch, now_ms
            self._last.update(last)
            self._totals.update(totals)
            self._utc = utc
            if self._since is None:
                self._since = (now_ms, dict(self._last))
            if not self._is_failing():
                self._write()

    def work(self) -> None:
        """Reserve more sample numbers if any sensor has used more than half of its reserved numbers."""
        if not self._log or self._is_failing():
            return
        with self._lock:
            before = {} if self._since is None else self._since[1]
            due = self.fault is not None or any(
                number - before.get(name, 0) > self._durable.get(name, 0) - number
                for name, number in self._last.items()
            )
        if due:
            self._raise()

    def _is_failing(self) -> bool:
        return self._failed_ms is not None and self._now_ms - self._failed_ms < RETRY_MS

    def _raise(self, needed: Mapping[str, int] = MappingProxyType({})) -> None:
        """Reserve more sample numbers durably.

        `needed` contains the numbers that the next commit will assign, by sensor id.
        """
        if not self._log or self._is_failing():
            return
        with self._lock:
            since, now = self._since, self._now_ms
            for name, last in self._last.items():
                number = max(last, needed.get(name, 0))
                self._reserved[name] = max(
                    self._reserved.get(name, 0), number + _ahead(name, number, since, now)
                )
            self._since = None if since is None else (now, dict(self._last))
            wanted = dict(self._reserved)
            written, handle = self._write(), self._handle
        if not written:
            return
        try:
            self._sync(handle)
        except OSError as error:
            self._fail(error)
            return
        with self._lock:
            self._durable.update(wanted)

    def _write(self) -> bool:
        """Overwrite the older of the file's two slots. Return True if that succeeded.

        The caller holds the lock.
        """
        self._turn += 1
        packed = msgspec.json.encode(
            GivenNumbers(
                self._turn,
                self._vessel,
                self._log,
                self._start,
                self._batch,
                {name: (number, self._reserved.get(name, 0)) for name, number in self._last.items()},
                self._utc,
                {name: (total.count, total.seconds) for name, total in self._totals.items()},
            )
        )
        slot = _MAGIC + len(packed).to_bytes(4) + zlib.crc32(packed).to_bytes(4) + packed
        try:
            if self._handle < 0 or len(slot) > self._slot_bytes:
                self._make(slot)
            else:
                os.pwrite(self._handle, slot, self._turn % 2 * self._slot_bytes)
        except OSError as error:
            self._fail(error)
            return False
        if self.fault is not None:
            log.warning("%s can be written again", self._path)
        self.fault = self._failed_ms = None
        return True

    def _make(self, slot: bytes) -> None:
        """Create a file whose slots are long enough for the record, and replace the existing file with it."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        room = _HEAD + 200 + _SENSOR_BYTES * len(self._last) + _TOTALS_BYTES * len(self._totals)
        needed = max(len(slot), room)
        size = -(-needed // _PAGE) * _PAGE
        fresh = self._path.with_name(f".{self._path.name}.new")
        handle = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o660)
        try:
            os.pwrite(handle, slot.ljust(size, b"\0") + slot.ljust(size, b"\0"), 0)
            self._sync(handle)
            rename(fresh, self._path)
        except OSError:
            os.close(handle)
            raise
        self._handle, self._slot_bytes = handle, size

    def _fail(self, error: OSError) -> None:
        words = f"{self._path} cannot be written: {error.strerror or error}"
        if words != self.fault:
            log.error("%s", words)
        self.fault, self._failed_ms = words, self._now_ms


def _ahead(name: str, number: int, since: tuple[int, dict[str, int]] | None, now_ms: int) -> int:
    """Return how many sample numbers to reserve for a sensor whose last assigned number is `number`."""
    if since is None or now_ms - since[0] < 1_000 or name not in since[1]:
        return AHEAD_FIRST
    rate = (number - since[1][name]) / (now_ms - since[0]) * 1_000
    return min(max(int(rate * AHEAD_S), AHEAD_LEAST), AHEAD_MOST)
