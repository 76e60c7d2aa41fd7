"""The journal: `samples.db`, the recorder's own file, where a sample becomes durable.

It holds every accepted sample until the document that carries it is durable in the document store, and what
must never be forgotten of each sensor: the last sequence number, totals, an alarm in progress.

What a commit promises: when `commit` returns, the batch survives SIGKILL and a power cut (SQLite's WAL with
`synchronous=FULL`: one fsync). A batch is whole or absent.

Wear: one commit appends one row to each of two tables and replaces one in a third, and touches nothing else:
a batch of 100 samples costs three or four pages. Numbers and totals are not updated in place:
they are read back from the batches at start. Sensors' rows are brought up to date every 30 s at most.

Rot: no batch ever depends on one page. When `commit` returns, a batch is in `batch`, in `echo` and in
`newest`, that is on three pages; the next one takes its place in `newest`. A checkpoint moves both copies
that stay. In the write-ahead log a bad 4 kB block spoils two neighbouring pages at most, so it leaves one
copy of each. Batches whose documents are durable are kept in a ring of 16 MB before they are dropped; and
`spare` holds what `meta` and `sensor` say once more. So what a page held that goes bad, here or in the
document store, is made good from elsewhere (`services.storecheck`). If more is lost than one page, batches
tell the numbers that those before them gave.

Checksums are seeded with the log's name: what a page still holds of an older log is not taken for this one's.

One process writes it (a lock file says so); a second connection of the same process reads (`JournalReader`).
"""

import dataclasses
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import apsw
import msgspec

from sensors.sample import Totals
from sync.store.schema import sync_directory

from . import settled, witness
from .batch import Batch, Episode, Identity, pack
from .journalfile import (
    FROM_VERSION_1,
    SCHEMA,
    SCHEMA_VERSION,
    JournalError,
    connect,
    drop,
    insert,
    lock,
    read_batches,
    seed,
    translated,
    translating,
)

TELL_FOR: Final = 64
"""Commits that tell a number once more, of a sensor that gives none in them."""
RING_BYTES: Final = 16_000_000
LEAST_PATIENCE: Final = 1_000_000
"""Bytes beyond its size, or as much again, that the ring grows by while second copies cannot be written."""
LOG_PAGES: Final = 1_000
"""4 MB, SQLite's own choice."""
ROW_BYTES: Final = 400
"""Counted for each batch besides its content, so that the ring has at most 40,000: what a start
reads and memory holds of them stays below 5 MB."""
SETTLE_EVERY: Final = 30
"""Commits between updates of sensors' rows."""


@dataclass(slots=True)
class SensorRecord:
    """What the journal knows of a sensor."""

    number: int
    path: str
    unit: str
    last: int = 0
    """The last sequence number given."""
    closed: int = 0
    """Documents hold the samples up to this one, as of the start."""
    totals: Totals = field(default_factory=Totals)
    episode: Episode | None = None


class Journal:
    """The writer's side. Not thread-safe but for `release`, which only takes a note."""

    def __init__(
        self,
        path: Path,
        *,
        vfs: str | None = None,
        ring: int | None = None,
        log_pages: int = LOG_PAGES,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        """Open, or create. `ring`: bytes for documented batches (`RING_BYTES`); `log_pages`: a write-ahead
        log so long is moved into the file; `sync`: makes the witness, which is in the same folder, durable.

        Raises a JournalError; a damaged file raises JournalDamagedError.
        """
        self.path = path
        self._ring_most = ring
        self._log_pages = log_pages
        self._vfs = vfs
        self._lock = lock(path)
        self.sensors: dict[str, SensorRecord] = {}
        self.last_batch: Batch | None = None
        """The newest one there is; never dropped, so that a start knows when the last one ended."""
        self.through = 0
        """Everything in batches up to this number is in documents, says the file."""
        self.wants_copies = False
        """Whether the ring has no room for batches whose documents have no second copy yet."""
        self._copied: int | None = None
        self._noted: tuple[int, dict[str, int]] = (0, {})
        self._ring: deque[tuple[int, int]] = deque()
        self._ring_bytes = 0
        self._told: dict[str, int] = {}
        self._seed = 0
        self._ids: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        try:
            self._connection = connect(path, vfs=vfs)
            self._connection.wal_autocheckpoint(log_pages)
            self._prepare()
            self._load()
        except apsw.Error as error:
            self._lock.close()
            raise translated(error, path) from error
        except JournalError:
            self._lock.close()
            raise
        sync_directory(path.parent)
        self.witness = witness.Witness(witness.path_in(path.parent), sync=sync)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._connection.close()
        self.witness.close()
        self._lock.close()

    def _prepare(self) -> None:
        version = self._connection.pragma("user_version")
        if version in {0, 1}:
            with self._connection:
                self._connection.execute(FROM_VERSION_1 if version else SCHEMA)
                self._connection.pragma("user_version", SCHEMA_VERSION)
        elif version != SCHEMA_VERSION:
            raise JournalError(f"{self.path} was made by a newer Logboat (schema {version}); update this one")

    def _load(self) -> None:
        self._seed = seed(self.get_meta("log"))
        for number, name, closed, path, unit, kept in self._connection.execute(
            "SELECT number, id, closed, path, unit, kept FROM sensor"
        ):
            record = SensorRecord(number=number, path=path, unit=unit, last=closed, closed=closed)
            if kept is not None:
                stored = msgspec.msgpack.decode(kept, type=settled.Kept)
                record.totals, record.episode = Totals(stored.count, stored.seconds), stored.episode
            self.sensors[name] = record
            self._ids[number], self._numbers[name] = name, number
        self.through = int(self.get_meta("through") or 0)
        self._noted = (self.through, {})
        for number, size in self._connection.execute(
            "SELECT number, 2 * length(data) FROM batch ORDER BY number"
        ):
            self._count(number, size)
        newest = self._ring[-1][0] if self._ring else 0
        first = min(self.through, newest - 1)
        for batch in read_batches(
            self._connection, self._ids, after=min(first, newest - TELL_FOR), seed=self._seed
        ):
            if batch.number > first:
                self._remember(batch)
            else:
                self._told.update(dict.fromkeys(batch.last_numbers(), batch.number))

    def _count(self, number: int, size: int) -> None:
        size += ROW_BYTES
        self._ring.append((number, size))
        self._ring_bytes += size

    def _remember(self, batch: Batch) -> None:
        for name, last in batch.last_numbers().items():
            self.sensors[name].last = max(self.sensors[name].last, last)
            self._told[name] = batch.number
        for name, totals in batch.totals.items():
            self.sensors[name].totals = totals
        for name, episode in batch.episodes:
            self.sensors[name].episode = episode
        self.last_batch = batch

    def get_meta(self, key: str) -> Any:
        """A remembered fact (`log`, `vessel`, `board`, `boot`, …), or None. Raises a JournalError."""
        with translating(self.path):
            row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def set_meta(self, values: Mapping[str, str | int | float]) -> None:
        """Remember facts durably, all or none."""
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", values.items())
                self._spare()
        except apsw.Error as error:
            raise translated(error, self.path) from error
        self._seed = seed(self.get_meta("log"))

    def register(self, sensors: Iterable[tuple[str, str, str]]) -> None:
        """Give each (id, path, unit) its number, or note that path or unit have changed."""
        try:
            with self._connection:
                for name, path, unit in sensors:
                    record = self.sensors.get(name)
                    if record is not None and (record.path, record.unit) == (path, unit):
                        continue
                    self._connection.execute(
                        "INSERT INTO sensor(id, path, unit) VALUES(?, ?, ?) "
                        "ON CONFLICT(id) DO UPDATE SET path = excluded.path, unit = excluded.unit",
                        (name, path, unit),
                    )
                    if record is None:
                        number = self._connection.last_insert_rowid()
                        self.sensors[name] = SensorRecord(number=number, path=path, unit=unit)
                        self._ids[number], self._numbers[name] = name, number
                    else:
                        record.path, record.unit = path, unit
                self._spare()
        except apsw.Error as error:
            raise translated(error, self.path) from error
        self.witness.register(self.sensors)

    def begin_log(self, values: Mapping[str, str | int | float]) -> None:
        """Forget all samples and numbers and remember `values`: a new log begins.

        What is still in batches must be in documents by then.
        """
        try:
            with self._connection:
                self._connection.execute(
                    "DELETE FROM batch; DELETE FROM echo; DELETE FROM newest; DELETE FROM sensor"
                )
                self._connection.execute("DELETE FROM meta WHERE key = 'through'")
                self._connection.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", values.items())
                self._spare()
        except apsw.Error as error:
            raise translated(error, self.path) from error
        self.sensors.clear()
        self._ids.clear()
        self._numbers.clear()
        self._ring.clear()
        self._told.clear()
        self._ring_bytes, self.through, self._noted = 0, 0, (0, {})
        self._copied = None if self._copied is None else 0
        self.last_batch = None
        self._seed = seed(self.get_meta("log"))

    def release(self, through: int, closed: Mapping[str, int]) -> None:
        """From any thread: documents hold all of batches up to `through`, and each sensor's samples up to
        `closed`. A later commit takes note of it and drops what the ring has no room for."""
        self._noted = (through, dict(closed))

    def release_copies(self, through: int) -> None:
        """From any thread: documents of batches up to `through` are durable in their second copy, too. Once
        it was called, no other batch is dropped, unless the ring has grown far beyond its size."""
        self._copied = through
        self.wants_copies = False

    def commit(self, batch: Batch) -> Batch:
        """Make a batch durable; returns it with its number.

        Raises a JournalError; then it is open whether it happened: `reopen`, then commit again.
        """
        number = 1 if self.last_batch is None else self.last_batch.number + 1
        batch = dataclasses.replace(batch, number=number, given=self._given_before(batch, number))
        data = pack(batch, self._numbers)
        crc = zlib.crc32(data, self._seed)
        through, closed = self._noted
        settle = number % SETTLE_EVERY == 0 and through > self.through
        outgrown = self._to_drop(through) if settle else 0
        given = batch.last_numbers()
        self.witness.cover(given)
        try:
            with self._connection:
                insert(self._connection, number, crc, data)
                if settle:
                    self._settle(through, closed)
                if outgrown:
                    drop(self._connection, outgrown)
        except apsw.Error as error:
            raise translated(error, self.path) from error
        if settle:
            self.through = through
        while outgrown and self._ring[0][0] <= outgrown:
            self._ring_bytes -= self._ring.popleft()[1]
        self._count(number, 2 * len(data))
        self._remember(batch)
        self.witness.note(number, given, batch.clock_ms)
        return batch

    def _given_before(self, batch: Batch, number: int) -> dict[str, int]:
        """The last numbers in the batches before, of sensors that have none in this one."""
        here = batch.last_numbers()
        return {
            name: self.sensors[name].last
            for name, told in self._told.items()
            if number - told <= TELL_FOR and name not in here
        }

    def settle(self) -> None:
        """Take note now of what documents hold. Raises JournalError."""
        through, closed = self._noted
        try:
            with self._connection:
                self._settle(through, closed)
        except apsw.Error as error:
            raise translated(error, self.path) from error
        self.through = through

    def reopen(self) -> list[Batch]:
        """After an input/output error: a fresh connection. Raises a JournalError.

        Returns the batches that reached the file although their commit seemed to fail.
        """
        known = 0 if self.last_batch is None else self.last_batch.number
        try:
            self._connection.close(force=True)
            self._connection = connect(self.path, vfs=self._vfs)
            self._connection.wal_autocheckpoint(self._log_pages)
            landed = list(read_batches(self._connection, self._ids, after=known, seed=self._seed))
        except apsw.Error as error:
            raise translated(error, self.path) from error
        for batch in landed:
            self._remember(batch)
            self._count(batch.number, 0)
            self.witness.note(batch.number, batch.last_numbers(), batch.clock_ms)
        return landed

    @property
    def waiting(self) -> int:
        """Batches that documents do not yet hold."""
        return 0 if self.last_batch is None else self.last_batch.number - self._noted[0]

    def bytes_on_disk(self) -> int:
        """Size of the database and its write-ahead log."""
        return sum(file.stat().st_size for file in (self.path, Path(f"{self.path}-wal")) if file.exists())

    def _to_drop(self, through: int) -> int:
        """The last batch that the ring is to let go of; 0 for none."""
        most = RING_BYTES if self._ring_most is None else self._ring_most
        if self._copied is None:
            return self._outgrown(through, most)
        # Copies that cannot be written, for whatever reason, must not fill the card with batches.
        beyond = self._outgrown(through, most + max(most, LEAST_PATIENCE))
        copied = self._outgrown(min(through, self._copied), most)
        self.wants_copies = copied < self._outgrown(through, most)
        return max(beyond, copied)

    def _outgrown(self, through: int, most: int) -> int:
        """The last documented batch that a ring of `most` bytes has no room for; 0 for none. The newest
        always stays."""
        last, excess = 0, self._ring_bytes - most
        for number, size in self._ring:
            if excess <= 0 or number > through or number == self._ring[-1][0]:
                break
            last, excess = number, excess - size
        return last

    def _spare(self) -> None:
        """Write once more, on another page, what makes sense of batches. Within the caller's transaction."""
        execute = self._connection.execute
        data = msgspec.msgpack.encode(
            [
                execute("SELECT key, value FROM meta").fetchall(),
                execute("SELECT number, id, closed, path, unit FROM sensor").fetchall(),
            ]
        )
        execute("INSERT OR REPLACE INTO spare VALUES(1, ?, ?)", (zlib.crc32(data), data))

    def _settle(self, through: int, closed: Mapping[str, int]) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES('through', ?)", (through,))
        for name, record in self.sensors.items():
            upto = closed.get(name, record.closed)
            kept = settled.Kept(record.totals.count, record.totals.seconds, record.episode)
            kept.crc = settled.checksum(record.number, name, upto, through, msgspec.msgpack.encode(kept))
            self._connection.execute(
                "UPDATE sensor SET closed = ?, kept = ? WHERE number = ?",
                (upto, msgspec.msgpack.encode(kept), record.number),
            )


class JournalReader:
    """A second connection, for the thread that makes documents. Everything here raises a JournalError."""

    def __init__(self, path: Path, *, vfs: str | None = None) -> None:
        self.path = path
        self._connection = connect(path, vfs=vfs)
        self._ids: dict[int, str] = {}
        try:
            found = self._meta().get("log")
        except JournalError:
            self._connection.close()
            raise
        self._seed = seed(found)

    def batches(self, *, after: int, limit: int) -> list[Batch]:
        """Up to `limit` batches with a number above `after`, in order."""
        with translating(self.path):
            return list(read_batches(self._connection, self._ids, after=after, limit=limit, seed=self._seed))

    def all_batches(self) -> Iterator[Batch]:
        """Every batch there is, in order."""
        after = 0
        while found := self.batches(after=after, limit=100):
            yield from found
            after = found[-1].number

    def closed(self) -> dict[str, int]:
        """Per sensor, the last sequence number known to be in documents."""
        with translating(self.path):
            return dict(self._connection.execute("SELECT id, closed FROM sensor"))

    def registered(self) -> dict[str, tuple[str, str]]:
        """Path and unit of every sensor that batches may name."""
        with translating(self.path):
            return {
                name: (path, unit)
                for name, path, unit in self._connection.execute("SELECT id, path, unit FROM sensor")
            }

    def identity(self) -> Identity | None:
        """Whose log this is, as of its last start; None before the first."""
        meta = self._meta()
        if "log" not in meta:
            return None
        return Identity(
            vessel=str(meta["vessel"]),
            log=str(meta["log"]),
            boot=int(meta.get("boot", 0)),
            run=int(meta.get("run", 0)),
        )

    def through(self) -> int:
        """The last batch of which everything is known to be in documents."""
        return int(self._meta().get("through", 0))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _meta(self) -> dict[str, Any]:
        with translating(self.path):
            return dict(self._connection.execute("SELECT key, value FROM meta"))
