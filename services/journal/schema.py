"""The journal's file: its tables, the functions that open and read it, and their errors."""

import contextlib
import fcntl
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, cast

import apsw

from sync.durable_files import sync_folder
from sync.store import UnsupportedError
from sync.store.errors import lacks_names
from sync.store.schema import check_sqlite

from .batch import Batch, BatchError, check, unpack

SCHEMA_VERSION: Final = 2
"""Version of the journal's tables.

Each new version must change at least one table definition. A file's version is checked by comparing its
tables with those of that version.
"""
ECHO_AFTER: Final = 64
"""Number of batches, in version 1, between a batch and the row that contains its second copy (echo)."""
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
"""Table definitions, by version of the file.

Never change a released entry: a file with other tables counts as damaged.
"""
FROM_VERSION_1: Final = f"""
{_ECHOES}
INSERT INTO echo
    SELECT number, data, crc FROM batch AS made WHERE NOT EXISTS (
        SELECT 1 FROM batch WHERE number = made.number + {ECHO_AFTER} AND echo IS made.data
    );
"""  # noqa: S608 - constants alone
"""Statements that migrate a file from version 1.

Existing echoes stay where they are. The migration writes about as much data as one minute of recording.
"""


class JournalError(Exception):
    """Base class of the journal's errors.

    JournalError
    ├── JournalDamagedError      the file is damaged: `logboat store check` repairs it
    ├── JournalFullError         the card is full: the caller keeps the batch
    ├── JournalBusyError         another recorder uses the file
    └── JournalUnavailableError  any other input/output error, which may be temporary
    """


class JournalDamagedError(JournalError):
    """The file is damaged: it is not a valid database, or a batch does not match its checksum."""


class JournalFullError(JournalError):
    """The journal cannot be written, because the file system is full."""


class JournalBusyError(JournalError):
    """Another process has the journal open for writing."""


class JournalUnavailableError(JournalError):
    """The journal cannot be used: input/output error, read-only file system or missing permission.

    The error may be temporary.
    """


SqliteError = apsw.Error | UnicodeDecodeError
"""Types of errors that apsw raises while a file is read. UnicodeDecodeError means that text is not UTF-8."""


def translated(error: SqliteError, path: Path) -> JournalError:
    """Return the JournalError that corresponds to an error from SQLite."""
    what = f"{path}: {error}"
    if isinstance(error, UnicodeDecodeError) or lacks_names(error):
        return JournalDamagedError(what)
    if isinstance(error, apsw.CorruptError | apsw.NotADBError | apsw.FormatError):
        return JournalDamagedError(what)
    if isinstance(error, apsw.FullError):
        return JournalFullError(what)
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return JournalBusyError(what)
    return JournalUnavailableError(what)


@contextlib.contextmanager
def translating(path: Path) -> Iterator[None]:
    """Convert SQLite errors raised in the `with` block to the corresponding JournalError."""
    try:
        yield
    except (apsw.Error, UnicodeDecodeError) as error:
        raise translated(error, path) from error


def connect(path: Path, *, vfs: str | None = None, read_only: bool = False) -> apsw.Connection:
    """Open a connection with the journal's settings. Raise JournalError if that fails.

    With `read_only`, the file must exist. It is never changed, not even by a checkpoint when the connection
    is closed.
    """
    try:
        check_sqlite(apsw.sqlite_lib_version())
    except UnsupportedError as error:
        raise JournalError(str(error)) from error
    try:
        if read_only:
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs)
            connection.set_busy_timeout(10_000)
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            return connection
        connection = apsw.Connection(str(path), vfs=vfs)
        connection.set_busy_timeout(10_000)
        # Fetch all rows, because only then does apsw run the statements after the first.
        connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA mmap_size=0").fetchall()
    except apsw.Error as error:
        raise translated(error, path) from error
    return connection


def insert(connection: apsw.Connection, number: int, crc: int, data: bytes) -> None:
    """Insert a batch and its copies, within the caller's transaction. Raise apsw.Error if that fails."""
    connection.execute("INSERT INTO batch(number, crc, data) VALUES(?, ?, ?)", (number, crc, data))
    connection.execute("INSERT INTO echo(number, data, crc) VALUES(?, ?, ?)", (number, data, crc))
    connection.execute("DELETE FROM newest")
    connection.execute("INSERT INTO newest(number, data, crc) VALUES(?, ?, ?)", (number, data, crc))


def drop(connection: apsw.Connection, through: int) -> None:
    """Delete batches up to `through`, and their second copies, within the caller's transaction."""
    connection.execute("DELETE FROM batch WHERE number <= ?", (through,))
    connection.execute("DELETE FROM echo WHERE number <= ?", (through,))


def unechoed(connection: apsw.Connection) -> list[int]:
    """Return the numbers of batches without an identical second copy. Raise apsw.Error if reading fails."""
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
    """Return the initial value for the checksums of a log's batches."""
    return zlib.crc32(str(log or "").encode())


def read_batches(
    connection: apsw.Connection, ids: dict[int, str], *, after: int, seed: int, limit: int = -1
) -> Iterator[Batch]:
    """Yield the batches with numbers above `after`.

    `ids` maps sensor numbers to ids, and is extended as needed. Raise JournalDamagedError for a batch that
    does not match its checksum.
    """
    for number, data in _sound_batches(connection, after=after, seed=seed, limit=limit):
        try:
            yield unpack(number, data, _Names(connection, ids))
        except BatchError as error:
            raise JournalDamagedError(str(error)) from error


def check_batches(connection: apsw.Connection, *, seed: int) -> Iterator[int]:
    """Yield the numbers of all batches, in order.

    Raise JournalDamagedError in the same cases as `read_batches`.
    """
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
        number, crc, data = cast("tuple[int, int, object]", row)
        if not isinstance(data, bytes) or zlib.crc32(data, seed) != crc:
            raise JournalDamagedError(f"batch {number} does not match its checksum")
        yield number, data


class _Names(Mapping[int, str]):
    """Mapping of sensor numbers to ids. The table is read again when an unknown number is looked up."""

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
    """Move a database and its write-ahead log, durably. Raise OSError if that fails.

    After a power cut, only the write-ahead log may be at the new path. If a later call then finds an empty
    write-ahead log at the old path, it keeps the one that was moved.
    """
    for suffix in ("-wal", "-shm", ""):  # in this order, SQLite never applies a log to the wrong database
        source, place = Path(f"{path}{suffix}"), Path(f"{target}{suffix}")
        if not source.exists():
            continue
        if suffix == "-wal" and not source.stat().st_size and place.exists() and place.stat().st_size:
            source.unlink()
        else:
            source.replace(place)
    sync_folder(target.parent)
    sync_folder(path.parent)


class Lock:
    """Lock on the journal, which prevents other processes from writing the file."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def close(self) -> None:
        """Release the lock. This method may be called twice."""
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
