"""The tables of the store's file, their versions, and the setup of a connection to the file.

This module does not read or write documents. Each row of the table `docs` is one document. The rowid is the
document's sequence, so a document that changes moves to the end of the table. The changes feed is read by
scanning the table from a rowid. So the cost depends on the number of changes, not on the number of stored
documents.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw

from sync.durable_files import sync_folder
from sync.store.errors import StoreError, UnsupportedError, damaged, translated

from . import channel_removals, checkpoints, meta, sizes

APPLICATION_ID: Final = 0x4C4F4742
"""Application id in the file's header (`LOGB`). It distinguishes a store from databases of other programs."""

SQLITE_NEEDED: Final = (3, 51, 3)
"""The first SQLite version without a bug by which two connections could corrupt a database in WAL mode."""

BUSY_TIMEOUT_MS: Final = 10_000
"""Milliseconds to wait for the write lock.

This time is far longer than any write transaction of Logboat (50 ms), and shorter than the watchdog's
timeout.
"""

WAL_PAGES: Final = 1000
"""Number of pages in the write-ahead log at which a checkpoint is triggered automatically (4 MB)."""

WAL_KEPT_BYTES: Final = 16 * 1024 * 1024
"""Size, in bytes, to which SQLite truncates a longer write-ahead log when it resets the log."""

CACHE_KIB: Final = 4096

_INCREMENTAL: Final = 2
"""Value of the pragma `auto_vacuum` with which free pages can be released without rewriting the file."""
_FULL: Final = 2
"""Value of the pragma `synchronous` with which a commit is durable when it returns, even in WAL mode."""
_MEMORY: Final = 2
"""Value of the pragma `temp_store` with which SQLite creates no temporary files."""

_VERSION_1: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY NOT NULL, value ANY, crc INTEGER NOT NULL) STRICT;
CREATE TABLE docs(
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    rev TEXT NOT NULL,
    flags INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    expires INTEGER,
    tree BLOB,
    body BLOB
) STRICT;
CREATE INDEX docs_deleted ON docs(id) WHERE flags & 1;
CREATE INDEX docs_conflicted ON docs(id) WHERE flags & 2;
CREATE INDEX docs_blobs ON docs(id) WHERE flags & 4;
CREATE INDEX docs_expires ON docs(expires) WHERE expires IS NOT NULL;
CREATE TABLE local(
    key TEXT PRIMARY KEY NOT NULL, rev INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE TABLE floors(prefix TEXT PRIMARY KEY NOT NULL, first TEXT NOT NULL, crc INTEGER NOT NULL) STRICT;
CREATE TABLE remotes(n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE remote_revs(
    id TEXT NOT NULL, remote INTEGER NOT NULL, rev TEXT NOT NULL, PRIMARY KEY (id, remote)
) STRICT, WITHOUT ROWID;
CREATE TABLE unused_blobs(digest TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;
"""

MIGRATIONS: Final[tuple[str, ...]] = (_VERSION_1,)
"""Schema changes. Entry n upgrades a file from version n to n + 1.

Never change a released entry. Add a new entry instead.
"""

VERSION: Final = len(MIGRATIONS)

ADDED: Final = {
    "departures": channel_removals.CREATE,
    "checkpoints": checkpoints.CREATE + checkpoints.TIDY,
    "sizes": sizes.CREATE,
}
"""SQL statements, by table, that create tables if they are missing, regardless of the schema version.

Never change a released statement: a file that was created with a different statement counts as damaged.

An older Logboat ignores these tables, so it can use the store after an update was rolled back.
"""

_TABLES: Final = {"meta", "docs", "local", "floors", "remotes", "remote_revs", "unused_blobs"}


def connect(path: Path, *, checkpoint_pages: int, vfs: str | None, create: bool) -> apsw.Connection:
    """Open a connection to the store at `path`, and update its schema.

    Raises:
        UnsupportedError: SQLite is too old, the schema is newer than this code, or the file is not a store.
        DamagedError: the file is damaged.
        StoreError: the file is missing and `create` is False, or the file cannot be opened.
    """
    check_sqlite(apsw.sqlite_lib_version())
    existed = path.exists()
    if not existed and not create:
        raise StoreError(f"{path}: the store does not exist")
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    try:
        connection = apsw.Connection(str(path), flags=flags, vfs=vfs)
    except apsw.Error as error:
        raise translated(error, path) from error
    try:
        _prepare(connection, path, checkpoint_pages=checkpoint_pages)
        _migrate(connection, path)
        if not existed:
            sync_folder(path.parent)
    except apsw.Error as error:
        connection.close(True)
        raise translated(error, path) from error
    except BaseException:
        connection.close(True)
        raise
    return connection


def check_sqlite(version: str) -> None:
    """Raise UnsupportedError if the given version of SQLite can corrupt the file."""
    if tuple(int(part) for part in version.split(".")[:3]) < SQLITE_NEEDED:
        needed = ".".join(map(str, SQLITE_NEEDED))
        raise UnsupportedError(
            f"SQLite {version} can corrupt a database that two processes write; version {needed} or later is"
            " required; install apsw from its wheel, which contains SQLite"
        )


def _prepare(connection: apsw.Connection, path: Path, *, checkpoint_pages: int) -> None:
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    writable = not connection.readonly("main")
    version = _version_now(connection, path)
    if writable and connection.readonly("main"):  # byte 18 of the header causes this (file format, 1.3.3)
        raise damaged(path, "the header requires a version of SQLite that does not exist")
    if version == 0:  # setting this pragma writes to the file, so it is set only in a new file
        connection.pragma("auto_vacuum", _INCREMENTAL)
    _use_wal(connection)
    connection.pragma("synchronous", _FULL)
    connection.pragma("mmap_size", 0)
    connection.pragma("temp_store", _MEMORY)
    connection.pragma("cell_size_check", 1)
    connection.pragma("cache_size", -CACHE_KIB)
    connection.pragma("journal_size_limit", WAL_KEPT_BYTES)
    connection.wal_autocheckpoint(checkpoint_pages)


def _use_wal(connection: apsw.Connection) -> None:
    """Switch to WAL mode. Retry if another process is creating the file, because SQLite does not wait."""
    if connection.pragma("journal_mode") == "wal":
        return
    _retrying(lambda: connection.pragma("journal_mode", "wal"))
    if connection.pragma("journal_mode") != "wal":
        raise UnsupportedError(
            f"{connection.db_filename('main')}: this file system does not support a write-ahead log; use"
            " a local file system"
        )


def _retrying(action: Callable[[], object]) -> None:
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            action()
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def _migrate(connection: apsw.Connection, path: Path) -> None:
    if _version_now(connection, path) == VERSION and (
        connection.readonly("main") or _tables(connection) >= ADDED.keys()
    ):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[_version(connection, path) :]:
            connection.execute(step)
        present = _tables(connection)
        for table, statements in ADDED.items():
            if table not in present:
                connection.execute(statements)
        if "sizes" not in present and (last := connection.execute(sizes.BEGIN).get):
            connection.execute(meta.PUT, (meta.SIZES, last, meta.checksum(meta.SIZES, last)))
        connection.execute(meta.PUT, (meta.SCHEMA, VERSION, meta.checksum(meta.SCHEMA, VERSION)))
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", VERSION)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version_now(connection: apsw.Connection, path: Path) -> int:
    """Return the schema version of the file.

    It is read in one transaction, because another process may be creating the file.
    """
    connection.execute("BEGIN")
    try:
        return _version(connection, path)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _tables(connection: apsw.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def _version(connection: apsw.Connection, path: Path) -> int:
    """Return the schema version of the file; 0 if the file is still empty.

    The version is stored both in the header and in the table `meta`. If the two differ, the file is damaged.
    """
    version = connection.pragma("user_version")
    application = connection.pragma("application_id")
    tables = _tables(connection)
    if not tables and not version and not application:
        return 0
    if application != APPLICATION_ID and not {"docs", "meta"} <= tables:
        raise UnsupportedError(
            f"{path}: this is an SQLite database, but not a document store; specify a document store"
        )
    if application != APPLICATION_ID or "meta" not in tables:
        raise damaged(path, "the header is not that of a document store")
    row = connection.execute("SELECT value, crc FROM meta WHERE key = ?", (meta.SCHEMA,)).fetchall()
    if row != [(version, meta.checksum(meta.SCHEMA, version))]:
        raise damaged(path, f"the header says schema version {version}, but the meta table does not")
    if version > VERSION:
        raise UnsupportedError(
            f"{path}: schema version {version} is from a newer Logboat, and this one supports up to"
            f" {VERSION}; update Logboat"
        )
    if version == VERSION and not tables >= _TABLES:
        raise damaged(path, "a table is missing")
    return int(version)
