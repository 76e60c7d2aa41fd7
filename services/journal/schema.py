"""The journal's file: its tables, how it is opened and read, and its errors."""

import contextlib
import fcntl
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, cast

import apsw

from sync.store import UnsupportedError
from sync.store.errors import lacks_names
from sync.store.schema import check_sqlite, sync_directory

from .batch import Batch, BatchError, check, unpack

SCHEMA_VERSION: Final = 2
"""A new version must change a table: a number that does not go with the tables counts as damage."""
ECHO_AFTER: Final = 64
"""Number of batches from one to that whose row contained its echo, in version 1."""
_ECHOES: Final = """
CREATE TABLE echo(number INTEGER PRIMARY KEY, data BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE newest(number INTEGER PRIMARY KEY, data BLOB NOT NULL, crc INTEGER NOT NULL);
"""
_VERSION_1: Final = f"""
CREATE TABLE meta(key TEXT UNIQUE NOT NULL, value);
CREATE TABLE sensor(
    number INTEGER PRIMARY KEY,         -- what batches call it
    id TEXT UNIQUE NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0,  -- samples up to this one are in documents
    path TEXT NOT NULL, unit TEXT NOT NULL,
    kept BLOB                           -- totals and episode, as of batch meta.through or later
);
CREATE TABLE batch(
    number INTEGER PRIMARY KEY,
    crc INTEGER NOT NULL, data BLOB NOT NULL,
    echo_crc INTEGER, echo BLOB         -- of rows from version 1: batch number - {ECHO_AFTER} once more
);
CREATE TABLE spare(number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, data BLOB NOT NULL);
"""
SCHEMA: Final = _VERSION_1 + _ECHOES
SCHEMA_OF_VERSION: Final = {1: _VERSION_1, 2: SCHEMA}
"""Tables by the version of the file. Never change a released entry: other tables count as damage."""
FROM_VERSION_1: Final = f"""
{_ECHOES}
INSERT INTO echo
    SELECT number, data, crc FROM batch AS made WHERE NOT EXISTS (
        SELECT 1 FROM batch WHERE number = made.number + {ECHO_AFTER} AND echo IS made.data
    );
"""  # noqa: S608 - constants alone
"""Statements that migrate a file of version 1.

Batches that have an echo keep it where it is. The migration writes as much as a minute of recording does.
"""


class JournalError(Exception):
    """Base class of the journal's errors.

    JournalError
    ├── JournalDamagedError   the file is broken: `logboat store check` repairs it
    ├── JournalFullError      no space on the card: the batch stays with the caller
    ├── JournalBusyError      another recorder uses it
    └── JournalUnavailableError   any other input/output error, which may be temporary
    """


class JournalDamagedError(JournalError):
    """Damage of the file: it is not a sound database, or a batch does not match its checksum."""


class JournalFullError(JournalError):
    """Lack of space in the file system."""


class JournalBusyError(JournalError):
    """Use of the journal by another process, which has it open for writing."""


class JournalUnavailableError(JournalError):
    """Input/output error, read-only file system or missing permission, which may be temporary."""


def translated(error: apsw.Error, path: Path) -> JournalError:
    """Return SQLite's error as one of the journal's."""
    what = f"{path}: {error}"
    if isinstance(error, apsw.CorruptError | apsw.NotADBError | apsw.FormatError) or lacks_names(error):
        return JournalDamagedError(what)
    if isinstance(error, apsw.FullError):
        return JournalFullError(what)
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return JournalBusyError(what)
    return JournalUnavailableError(what)


@contextlib.contextmanager
def translating(path: Path) -> Iterator[None]:
    """Raise SQLite's errors in the block as the journal's."""
    try:
        yield
    except apsw.Error as error:
        raise translated(error, path) from error


def connect(path: Path, *, vfs: str | None = None) -> apsw.Connection:
    """Open a connection with the journal's settings. Raise a JournalError if that fails."""
    try:
        check_sqlite(apsw.sqlite_lib_version())
    except UnsupportedError as error:
        raise JournalError(str(error)) from error
    try:
        connection = apsw.Connection(str(path), vfs=vfs)
        connection.set_busy_timeout(10_000)
        # Fetch all rows: apsw runs the statements after the first one only then.
        connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA mmap_size=0").fetchall()
    except apsw.Error as error:
        raise translated(error, path) from error
    return connection


def insert(connection: apsw.Connection, number: int, crc: int, data: bytes) -> None:
    """Insert a batch with its copies, within the caller's transaction. Raise apsw.Error if that fails."""
    connection.execute("INSERT INTO batch(number, crc, data) VALUES(?, ?, ?)", (number, crc, data))
    connection.execute("INSERT INTO echo(number, data, crc) VALUES(?, ?, ?)", (number, data, crc))
    connection.execute("DELETE FROM newest")
    connection.execute("INSERT INTO newest(number, data, crc) VALUES(?, ?, ?)", (number, data, crc))


def drop(connection: apsw.Connection, through: int) -> None:
    """Delete batches up to `through` with their echoes, within the caller's transaction."""
    connection.execute("DELETE FROM batch WHERE number <= ?", (through,))
    connection.execute("DELETE FROM echo WHERE number <= ?", (through,))


def unechoed(connection: apsw.Connection) -> list[int]:
    """Return the numbers of batches without an identical copy. Raise apsw.Error if reading fails."""
    version = connection.pragma("user_version")
    if version < SCHEMA_VERSION:
        return []
    return [
        number
        for (number,) in connection.execute(
            "SELECT made.number FROM batch AS made LEFT JOIN echo USING(number) "
            "LEFT JOIN batch AS later ON later.number = made.number + ? "
            "WHERE made.data IS NOT coalesce(echo.data, later.echo) ORDER BY made.number",
            (ECHO_AFTER,),
        )
    ]


def seed(log: object) -> int:
    """Return the initial value of the checksums of a log's batches."""
    return zlib.crc32(str(log or "").encode())


def read_batches(
    connection: apsw.Connection, ids: dict[int, str], *, after: int, seed: int, limit: int = -1
) -> Iterator[Batch]:
    """Yield the batches with a number above `after`; `ids` maps numbers to sensors, and is filled as needed.

    Raise JournalDamagedError for a batch that does not match its checksum.
    """
    for number, data in _sound_batches(connection, after=after, seed=seed, limit=limit):
        try:
            yield unpack(number, data, _Names(connection, ids))
        except BatchError as error:
            raise JournalDamagedError(str(error)) from error


def check_batches(connection: apsw.Connection, *, seed: int) -> Iterator[int]:
    """Yield the numbers of all batches, in order. Raises JournalDamagedError where `read_batches` would."""
    names = _Names(connection, {})
    for number, data in _sound_batches(connection, after=0, seed=seed, limit=-1):
        try:
            check(number, data, names)
        except BatchError as error:
            raise JournalDamagedError(str(error)) from error
        yield number


def _sound_batches(
    connection: apsw.Connection, *, after: int, seed: int, limit: int
) -> Iterator[tuple[int, bytes]]:
    for row in connection.execute(
        "SELECT number, crc, data FROM batch WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
    ).fetchall():
        number, crc, data = cast("tuple[int, int, bytes]", row)
        if zlib.crc32(data, seed) != crc:
            raise JournalDamagedError(f"batch {number} does not match its checksum")
        yield number, data


class _Names(Mapping[int, str]):
    """Mapping of sensor numbers to ids, which reads the table again for a new number."""

    def __init__(self, connection: apsw.Connection, known: dict[int, str]) -> None:
        self._connection, self._known = connection, known

    def __getitem__(self, number: int) -> str:
        if number not in self._known:
            self._known.update(dict(self._connection.execute("SELECT number, id FROM sensor")))
        return self._known[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def move_database(path: Path, target: Path) -> None:
    """Move a database with its write-ahead log, durably. Raises OSError.

    A power cut may leave the log alone at its new place. If there is an empty one at the old place by then,
    the one that was moved stays.
    """
    for suffix in ("-wal", "-shm", ""):  # a log without its database is never taken for another's
        source, place = Path(f"{path}{suffix}"), Path(f"{target}{suffix}")
        if not source.exists():
            continue
        if suffix == "-wal" and not source.stat().st_size and place.exists() and place.stat().st_size:
            source.unlink()
        else:
            source.replace(place)
    sync_directory(target.parent)
    sync_directory(path.parent)


class Lock:
    """Lock of the journal: while it is open, no other process writes the file."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def close(self) -> None:
        """Release the lock; safe to call twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def lock(path: Path) -> Lock:
    """Lock the journal for writing. Raise JournalBusyError or JournalUnavailableError if that fails."""
    try:
        handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise JournalUnavailableError(f"{path}.lock: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise JournalBusyError(f"{path} is in use: another recorder is running") from error
    return Lock(handle)
