"""The journal's file: its tables, how it is opened and read, what can go wrong with it."""

import contextlib
import fcntl
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, cast

import apsw

from sync.store import UnsupportedError
from sync.store.schema import check_sqlite

from .batch import Batch, BatchError, unpack

SCHEMA_VERSION: Final = 2
ECHO_AFTER: Final = 64
"""In version 1 the echo of a batch was in the row of the one so many commits later."""
_ECHOES: Final = """
CREATE TABLE echo(number INTEGER PRIMARY KEY, data BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE newest(number INTEGER PRIMARY KEY, data BLOB NOT NULL, crc INTEGER NOT NULL);
"""
SCHEMA: Final = f"""
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
{_ECHOES}
"""
FROM_VERSION_1: Final = f"""
{_ECHOES}
INSERT INTO echo
    SELECT number, data, crc FROM batch AS made WHERE NOT EXISTS (
        SELECT 1 FROM batch WHERE number = made.number + {ECHO_AFTER} AND echo IS made.data
    );
"""  # noqa: S608 - constants alone
"""Batches that have an echo keep it where it is; a migration writes what a minute of recording does."""


class JournalError(Exception):
    """The journal could not do what was asked.

    JournalError
    ├── JournalDamagedError   the file is broken: `logboat store check` repairs it
    ├── JournalFullError      no room on the card: what was to be committed is still the caller's
    ├── JournalBusyError      another recorder has it
    └── JournalUnavailableError   any other input/output error; may pass
    """


class JournalDamagedError(JournalError):
    """The file is not a sound database, or a batch does not match its checksum."""


class JournalFullError(JournalError):
    """The file system is full."""


class JournalBusyError(JournalError):
    """Another process has the journal open for writing."""


class JournalUnavailableError(JournalError):
    """Input/output error, read-only file system, permission: try again later."""


def translated(error: apsw.Error, path: Path) -> JournalError:
    """SQLite's error as one of ours."""
    what = f"{path}: {error}"
    if isinstance(error, apsw.CorruptError | apsw.NotADBError | apsw.FormatError):
        return JournalDamagedError(what)
    if isinstance(error, apsw.FullError):
        return JournalFullError(what)
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return JournalBusyError(what)
    return JournalUnavailableError(what)


@contextlib.contextmanager
def translating(path: Path) -> Iterator[None]:
    """Within it, SQLite's errors are raised as ours."""
    try:
        yield
    except apsw.Error as error:
        raise translated(error, path) from error


def connect(path: Path, *, vfs: str | None = None) -> apsw.Connection:
    """A connection with the journal's settings. Raises a JournalError."""
    try:
        check_sqlite(apsw.sqlite_lib_version())
    except UnsupportedError as error:
        raise JournalError(str(error)) from error
    try:
        connection = apsw.Connection(str(path), vfs=vfs)
        connection.set_busy_timeout(10_000)
        # All rows must be fetched: apsw runs what comes after the first only then.
        connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA mmap_size=0").fetchall()
    except apsw.Error as error:
        raise translated(error, path) from error
    return connection


def insert(connection: apsw.Connection, number: int, crc: int, data: bytes) -> None:
    """Add a batch, with its copies. Within the caller's transaction; raises apsw.Error."""
    connection.execute("INSERT INTO batch(number, crc, data) VALUES(?, ?, ?)", (number, crc, data))
    connection.execute("INSERT INTO echo(number, data, crc) VALUES(?, ?, ?)", (number, data, crc))
    connection.execute("DELETE FROM newest")
    connection.execute("INSERT INTO newest(number, data, crc) VALUES(?, ?, ?)", (number, data, crc))


def drop(connection: apsw.Connection, through: int) -> None:
    """Remove batches up to `through`, with their echoes. As `insert`."""
    connection.execute("DELETE FROM batch WHERE number <= ?", (through,))
    connection.execute("DELETE FROM echo WHERE number <= ?", (through,))


def unechoed(connection: apsw.Connection) -> list[int]:
    """Batches without a copy that is the same. Raises apsw.Error."""
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
    """What checksums of a log's batches begin with."""
    return zlib.crc32(str(log or "").encode())


def read_batches(
    connection: apsw.Connection, ids: dict[int, str], *, after: int, seed: int, limit: int = -1
) -> Iterator[Batch]:
    """Batches with a number above `after`; `ids` (number to sensor) is filled as needed.

    Raises JournalDamagedError for a batch that does not match its checksum.
    """
    for found in connection.execute(
        "SELECT number, crc, data FROM batch WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
    ).fetchall():
        number, crc, data = cast("tuple[int, int, bytes]", found)
        if zlib.crc32(data, seed) != crc:
            raise JournalDamagedError(f"batch {number} does not match its checksum")
        try:
            yield unpack(number, data, _Names(connection, ids))
        except BatchError as error:
            raise JournalDamagedError(str(error)) from error


class _Names(Mapping[int, str]):
    """Sensor numbers to ids, looked up again when one is new."""

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


class Lock:
    """Held while open: nobody else writes the journal."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def close(self) -> None:
        """Let go; safe to call twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def lock(path: Path) -> Lock:
    """Take the journal for writing. Raises JournalBusyError, JournalUnavailableError."""
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
