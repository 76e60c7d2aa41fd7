"""The journal, `samples.db`: the recorder's own file, in which samples are first made durable.

The journal contains every accepted sample until the sample's document is durable in the document store. It
also contains data about each sensor that must never be lost: the last sequence number, totals and active
alarm.

Durability: once `commit` has returned, the batch survives SIGKILL and a power cut (SQLite's WAL with
`synchronous=FULL`: one fsync). A batch is always either complete or absent.

Wear: a commit writes only three rows: it appends one to each of two tables, and replaces one in a third.
Committing a batch of 100 samples writes three or four pages. Numbers and totals are not updated in place; at
startup they are computed from the batches. The sensors' rows are updated at most every 30 s.

Damage: no batch ever depends on a single page. When `commit` returns, the tables `batch`, `echo` and `newest`
all contain the batch, on three different pages. The next batch replaces it in `newest`. The other two copies
remain, and a checkpoint moves both to the database file. In the write-ahead log, a bad 4 kB block destroys at
most two neighbouring pages, so one copy of each batch remains. Batches whose documents are durable are kept
in a 16 MB ring buffer before they are dropped. The table `spare` repeats the content of `meta` and `sensor`.
So if a page becomes unreadable, in the journal or in the document store, its content can be restored from
another copy (`services.recovery.store_check`). Even if more than one page is lost, later batches still repeat
the sample numbers that earlier batches assigned.

Checksums are seeded with the log's name, so that rows of an older log that remain on a page are not mistaken
for rows of this log. A lock file ensures that only one process writes the journal. A second connection in the
same process reads the file (`JournalReader`).
"""

import dataclasses
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, cast

import apsw
import msgspec

from sensors.sample import Totals
from sync.durable_files import sync_folder

from . import number_witness, settled_rows, totals
from .batch import AlarmRecord, Batch, Identity, pack
from .schema import (
    FROM_VERSION_1,
    SCHEMA,
    SCHEMA_VERSION,
    JournalError,
    JournalUnavailableError,
    connect,
    drop,
    insert,
    lock,
    move_database,
    read_batches,
    seed,
    translated,
    translating,
)

TELL_FOR: Final = 64
"""Number of subsequent commits that repeat the number of a sensor's most recent sample."""
RING_BYTES: Final = 16_000_000
LEAST_PATIENCE: Final = 1_000_000
"""Minimum excess size of the journal's ring buffer, in bytes, while copies of documents cannot be written.

The ring buffer contains batches whose documents are durable. If its normal size is larger than this number,
it may instead grow to twice its normal size.
"""
LOG_PAGES: Final = 1_000
"""Length of the journal's write-ahead log, in pages, at which it is checkpointed: SQLite's default (4 MB)."""
ROW_BYTES: Final = 400
"""Overhead in bytes that is counted for each batch in the journal's ring buffer, in addition to its content.

This limits the ring buffer to 40,000 batches, and the memory used for bookkeeping to 5 MB.
"""
SETTLE_EVERY: Final = 30
"""Number of commits between updates of the rows that contain each sensor's numbers and totals."""


@dataclass(slots=True)
class SensorRecord:
    """The journal's data about one sensor."""

    number: int
    path: str
    unit: str
    last: int = 0
    """Last sequence number that was assigned to a sample of the sensor."""
    closed: int = 0
    """Number of the sensor's last sample that was in a document when the journal was opened."""
    totals: Totals = field(default_factory=Totals)
    episode: AlarmRecord | None = None


class Journal:
    """The writing side of the journal.

    The class is not thread-safe, except for `release` and `release_copies`, which only set attributes.
    """

    def __init__(
        self,
        path: Path,
        *,
        vfs: str | None = None,
        ring: int | None = None,
        log_pages: int = LOG_PAGES,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        """Open the journal, or create it.

        `ring` is the number of bytes reserved for batches that are already in documents (`RING_BYTES`).
        `log_pages` is the length of the write-ahead log, in pages, at which it is checkpointed. `sync` is a
        function that makes the number witness, a file in the same folder, durable. Raise JournalDamagedError
        if the file is damaged, or another JournalError if it cannot be opened.
        """
        self.path = path
        self._ring_most = ring
        self._log_pages = log_pages
        self._vfs = vfs
        self._lock = lock(path)
        self.sensors: dict[str, SensorRecord] = {}
        self.last_batch: Batch | None = None
        """The newest batch. This batch is never dropped, because it shows the next run when this run ended.
        """
        self.through = 0
        """Number of the last batch whose samples are all in documents, as recorded in the journal."""
        self.wants_copies = False
        """True if the ring buffer is full of batches whose documents have not been copied yet."""
        self._copied: int | None = None
        self._noted: tuple[int, dict[str, int]] = (0, {})
        self._ring: deque[tuple[int, int]] = deque()
        self._ring_bytes = 0
        self._told: dict[str, int] = {}
        self._carried: dict[str, Totals] = {}
        self._seed = 0
        self._ids: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        try:
            self._connection = connect(path, vfs=vfs)
            self._connection.wal_autocheckpoint(log_pages)
            self._prepare()
            self._load()
        except (apsw.Error, UnicodeDecodeError) as error:
            self._lock.close()
            raise translated(error, path) from error
        except JournalError:
            self._lock.close()
            raise
        sync_folder(path.parent)
        self.witness = number_witness.NumberWitness(number_witness.path_in(path.parent), sync=sync)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and release the lock."""
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
            raise JournalError(
                f"{self.path} was written by a newer Logboat (schema {version}); update Logboat"
            )

    def _load(self) -> None:
        self._seed = seed(self.get_meta("log"))
        self._carried = self._began_with()
        for number, name, closed, path, unit, kept in self._connection.execute(
            "SELECT number, id, closed, path, unit, kept FROM sensor"
        ):
            record = SensorRecord(number=number, path=path, unit=unit, last=closed, closed=closed)
            if kept is not None:
                stored = msgspec.msgpack.decode(kept, type=settled_rows.KeptColumn)
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
        for name, total in batch.totals.items():
            self.sensors[name].totals = total
        for name, episode in batch.episodes:
            self.sensors[name].episode = episode
        self.last_batch = batch

    def get_meta(self, key: str) -> Any:
        """Return the value stored under a key, such as `log`, `vessel` or `boot`; None if it is not set.

        Raise JournalError if the file cannot be read.
        """
        with translating(self.path):
            row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def set_meta(self, values: Mapping[str, str | int | float]) -> None:
        """Store values durably. Either all of them are stored or none."""
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", values.items())
                self._spare()
        except apsw.Error as error:
            raise translated(error, self.path) from error
        self._seed = seed(self.get_meta("log"))

    def _began_with(self) -> dict[str, Totals]:
        return {
            name: total.value()
            for name, total in totals.decode(self.get_meta(totals.KEY), self.get_meta("vessel")).items()
        }

    @property
    def totals(self) -> dict[str, Totals]:
        """The totals of all sensors, including those that have not been registered since the log began."""
        return self._carried | {name: record.totals for name, record in self.sensors.items()}

    def register(self, sensors: Iterable[tuple[str, str, str]]) -> None:
        """Assign a number to each new sensor, and record changed paths and units.

        Each sensor is given as (id, path, unit). If a sensor is new to the log, its totals continue from
        those stored when the log began.
        """
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
                        record = SensorRecord(number=number, path=path, unit=unit)
                        self.sensors[name] = record
                        if name in self._carried:
                            record.totals = self._carried[name]
                            self._settle_sensor(name, record, closed=0, through=self.through)
                        self._ids[number], self._numbers[name] = name, number
                    else:
                        record.path, record.unit = path, unit
                self._spare()
        except apsw.Error as error:
            raise translated(error, self.path) from error
        self.witness.register(self.sensors)

    def begin_file(self, keep: Path) -> None:
        """Move the journal's file unchanged to `keep`, and start an empty one in its place.

        Raise JournalError if that fails.
        """
        try:
            self._connection.close(force=True)
            move_database(self.path, keep)
            self._connection = connect(self.path, vfs=self._vfs)
            self._connection.wal_autocheckpoint(self._log_pages)
            self._prepare()
        except OSError as error:
            raise JournalUnavailableError(f"{self.path}: {error.strerror}") from error
        except apsw.Error as error:
            raise translated(error, self.path) from error

    def begin_log(self, values: Mapping[str, str | int | float]) -> None:
        """Start a new log: delete all samples and numbers, and store `values`.

        The samples of all batches must be in documents before this method is called.
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
        self._carried = self._began_with()

    def release(self, through: int, closed: Mapping[str, int]) -> None:
        """Record that batches up to `through`, and each sensor's samples up to `closed`, are in documents.

        This method may be called from any thread. A later commit stores the arguments, and drops the batches
        for which the ring buffer has no space.
        """
        self._noted = (through, dict(closed))

    def release_copies(self, through: int) -> None:
        """Record that the second copies of documents from batches up to `through` are durable.

        This method may be called from any thread. After the first call, batches without a second copy are not
        dropped, unless the ring buffer far exceeds its size.
        """
        self._copied = through
        self.wants_copies = False

    def commit(self, batch: Batch) -> Batch:
        """Make a batch durable, and return it with its number.

        After a JournalError it is unknown whether the batch is durable: call `reopen`, then commit again.
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
        self.witness.note(number, given, batch.clock_ms, totals=batch.totals, utc=batch.utc)
        return batch

    def _given_before(self, batch: Batch, number: int) -> dict[str, int]:
        """Return the last sample numbers, from earlier batches, of sensors without samples in this batch."""
        here = batch.last_numbers()
        return {
            name: self.sensors[name].last
            for name, told_at in self._told.items()
            if number - told_at <= TELL_FOR and name not in here
        }

    def settle(self) -> None:
        """Store the most recent arguments of `release` now. Raise JournalError if that fails."""
        through, closed = self._noted
        try:
            with self._connection:
                self._settle(through, closed)
        except apsw.Error as error:
            raise translated(error, self.path) from error
        self.through = through

    def reopen(self) -> list[Batch]:
        """Open a new connection after an input/output error. Raise JournalError if that fails.

        Return the batches that are in the file even though `commit` raised an error.
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
            self.witness.note(
                batch.number,
                batch.last_numbers(),
                batch.clock_ms,
                totals=batch.totals,
                utc=batch.utc,
            )
        return landed

    @property
    def waiting(self) -> int:
        """Number of batches whose samples are not all in documents yet."""
        return 0 if self.last_batch is None else self.last_batch.number - self._noted[0]

    def bytes_on_disk(self) -> int:
        """Return the size of the database and its write-ahead log, in bytes."""
        return sum(file.stat().st_size for file in (self.path, Path(f"{self.path}-wal")) if file.exists())

    def _to_drop(self, through: int) -> int:
        """Return the number of the last batch to drop from the ring buffer; 0 to drop none."""
        most = RING_BYTES if self._ring_most is None else self._ring_most
        if self._copied is None:
            return self._outgrown(through, most)
        # Batches must not fill the card, even if second copies cannot be written.
        beyond = self._outgrown(through, most + max(most, LEAST_PATIENCE))
        copied = self._outgrown(min(through, self._copied), most)
        self.wants_copies = copied < self._outgrown(through, most)
        return max(beyond, copied)

    def _outgrown(self, through: int, most: int) -> int:
        """Return the number of the last batch to drop so that at most `most` bytes remain; 0 if all fit.

        The newest batch is never dropped.
        """
        last, excess = 0, self._ring_bytes - most
        for number, size in self._ring:
            if excess <= 0 or number > through or number == self._ring[-1][0]:
                break
            last, excess = number, excess - size
        return last

    def _spare(self) -> None:
        """Write a second copy of the data needed to interpret batches, on a different page.

        The caller must have begun a transaction.
        """
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
            self._settle_sensor(name, record, closed=closed.get(name, record.closed), through=through)

    def _settle_sensor(self, name: str, record: SensorRecord, *, closed: int, through: int) -> None:
        kept = settled_rows.KeptColumn(record.totals.count, record.totals.seconds, record.episode)
        kept.crc = settled_rows.checksum(record.number, name, closed, through, msgspec.msgpack.encode(kept))
        self._connection.execute(
            "UPDATE sensor SET closed = ?, kept = ? WHERE number = ?",
            (closed, msgspec.msgpack.encode(kept), record.number),
        )


class JournalReader:
    """A read-only connection to the journal, for the thread that writes documents, and for commands.

    Every method may raise JournalError.
    """

    def __init__(self, path: Path, *, vfs: str | None = None, read_only: bool = False) -> None:
        self.path = path
        self._connection = connect(path, vfs=vfs, read_only=read_only)
        self._ids: dict[int, str] = {}
        try:
            log = self._meta().get("log")
        except JournalError:
            self._connection.close()
            raise
        self._seed = seed(log)

    def batches(self, *, after: int, limit: int) -> list[Batch]:
        """Return up to `limit` batches with numbers above `after`, in order."""
        with translating(self.path):
            return list(read_batches(self._connection, self._ids, after=after, limit=limit, seed=self._seed))

    def all_batches(self, *, after: int = 0) -> Iterator[Batch]:
        """Yield all stored batches with numbers above `after`, in order."""
        while page := self.batches(after=after, limit=100):
            yield from page
            after = page[-1].number

    def last_of_earlier_boot(self, boot: int) -> Batch | None:
        """Return the last batch of the boots before `boot`; None if the journal contains none."""
        with translating(self.path):
            row = self._connection.execute("SELECT min(number), max(number) FROM batch").fetchone()
        first, last = cast("tuple[int | None, int | None]", row)
        found = None
        while first is not None and last is not None and first <= last:
            middle = (first + last) // 2
            (batch,) = self.batches(after=middle - 1, limit=1)
            if batch.boot < boot:
                found, first = batch, batch.number + 1
            else:
                last = middle - 1
        return found

    def closed(self) -> dict[str, int]:
        """Return the last sequence number known to be in documents, by sensor id."""
        with translating(self.path):
            return dict(self._connection.execute("SELECT id, closed FROM sensor"))

    def registered(self) -> dict[str, tuple[str, str]]:
        """Return the path and unit of every sensor that batches may refer to, by sensor id."""
        with translating(self.path):
            return {
                name: (path, unit)
                for name, path, unit in self._connection.execute("SELECT id, path, unit FROM sensor")
            }

    def identity(self) -> Identity | None:
        """Return the identity stored when the recorder last started; None if it has never started."""
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
        """Return the number of the last batch whose samples are all known to be in documents."""
        return int(self._meta().get("through", 0))

    def close(self) -> None:
        """Close the connection to the journal's file."""
        self._connection.close()

    def _meta(self) -> dict[str, Any]:
        with translating(self.path):
            return dict(self._connection.execute("SELECT key, value FROM meta"))
