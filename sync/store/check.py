"""Detection of damage in a store, by SQLite's integrity check and by the store's checksums of its content."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import apsw

from sync.store.bodies import decode
from sync.store.engine import Engine
from sync.store.errors import DamagedError, DocumentError, InputOutputError
from sync.store.rows import DocumentRow

from . import (
    channel_removals,
    checkpoints,
    local_documents,
    meta,
    purge_watermarks,
    revisions,
    rows,
    schema,
    schema_check,
)

_NEWEST: Final = 1000
"""Number of the most recent documents that a quick check reads. A power cut damages the latest writes."""
_MOST: Final = 100
"""Number of faults after which a check stops, because the file must be salvaged anyway."""
_STRUCTURE: Final = 10
"""Maximum number of lines used from SQLite's integrity check. A single damaged page can cause hundreds."""
_PAGE: Final = 256
_STEPS: Final = 10_000
"""Number of steps of SQLite's virtual machine between two calls of `progress`: a few milliseconds."""


def findings(engine: Engine, *, deep: bool, progress: Callable[[], None] = lambda: None) -> list[str]:
    """Return the faults found in the store, one line each; empty if there are none.

    With `deep`, the whole file is read, which can take minutes. Otherwise only the small tables and the
    newest documents are read. `progress` is called regularly.
    """
    parts = [
        _small_tables(engine),
        _documents(engine, newest=None if deep else _NEWEST, progress=progress),
    ]
    if deep:
        parts.insert(0, _structure(engine, progress))
    faults = [f"{engine.path}: {difference}" for difference in _schema(engine)]
    if faults:
        return faults  # the schema is damaged, so reading the tables would fail
    for part in parts:
        try:
            for finding in part:
                faults.append(f"{engine.path}: {finding}")
                if len(faults) >= _MOST:
                    return faults
        except (DamagedError, InputOutputError) as error:
            faults.append(str(error))
    return faults


def _schema(engine: Engine) -> Iterator[str]:
    with engine.reading:
        yield from schema_check.differences(
            engine.connection, ";".join(schema.MIGRATIONS), optional=";".join(schema.ADDED.values())
        )


def _structure(engine: Engine, progress: Callable[[], None]) -> Iterator[str]:
    with engine.reading, telling(engine.connection, progress):
        rows = engine.execute(f"PRAGMA integrity_check({_STRUCTURE})").fetchall()
    lines = [line for (text,) in rows for line in str(text).splitlines()]
    if lines != ["ok"]:
        yield from lines[:_STRUCTURE]


@contextlib.contextmanager
def telling(connection: apsw.Connection, progress: Callable[[], None]) -> Iterator[None]:
    """Return a context manager in which SQLite calls `progress` regularly during long statements."""

    def tell() -> bool:
        progress()
        return False  # continue the statement

    connection.set_progress_handler(tell, _STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None)


def _small_tables(engine: Engine) -> Iterator[str]:
    tables: tuple[tuple[str, str, Any], ...] = (
        ("meta", "key, value", meta.checksum),
        ("local", "key, rev, body", local_documents.checksum),
        ("floors", "prefix, first", purge_watermarks.checksum),
        ("departures", "id, channel, seq", channel_removals.checksum),
        ("checkpoints", "owner, client, rev, used, body", checkpoints.checksum),
    )
    with engine.reading:
        present = {name for (name,) in engine.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for table, columns, checksum in tables:
        if table not in present:
            continue  # the store was created by an older Logboat and is read-only
        with engine.reading:
            content = engine.execute(f"SELECT {columns}, crc FROM {table}").fetchall()  # noqa: S608
        for *values, crc in content:
            if crc != checksum(*values):
                yield f"{table} {values[0]!r} does not match its checksum"


def _documents(engine: Engine, *, newest: int | None, progress: Callable[[], None]) -> Iterator[str]:
    with engine.reading:
        after = -1 if newest is None else engine.last_sequence() - newest
    while True:
        progress()
        with engine.reading:
            page: list[tuple[Any, ...]] = engine.execute(
                f"{rows.SELECT} WHERE seq > ? ORDER BY seq LIMIT {_PAGE}", (after,)
            ).fetchall()
        for columns in page:
            row = rows.from_columns(columns)
            where = f"document {columns[1]!r} at sequence {columns[0]}"
            if row is None:
                yield f"{where} does not match its checksum"
            else:
                yield from (f"{where}: {fault}" for fault in _faults(row))
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def _faults(row: DocumentRow) -> Iterator[str]:
    """Yield a description of each fault in a document's row. The row's checksum must be correct."""
    try:
        decode(row.document_id, row.raw)
        revisions.generation(row.revision)
        tree = row.revisions()
    except (DocumentError, ValueError) as error:
        yield str(error)
        return
    faults = tree.faults()
    yield from faults
    if faults:
        return
    # Earlier versions of Logboat accepted a winner at or beyond SOUND_LIMIT. The next edit replaces it.
    if revisions.is_sound(row.revision) and tree.winner() != row.revision:
        yield f"the current revision is {row.revision}, but should be {tree.winner()}"
    if rows.flags_of(tree) | rows.HAS_BLOBS != row.flags | rows.HAS_BLOBS:
        yield f"the flags are {row.flags}, but should be {rows.flags_of(tree)} according to the revisions"
