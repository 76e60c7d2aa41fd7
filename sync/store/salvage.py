"""Copies the undamaged rows of a damaged store to a new store.

Each page of the damaged file is read separately, and every row with a correct checksum is copied with its
sequence. So only rows on damaged pages are lost. If a page above a row in the B-tree is damaged, SQLite
cannot reach the row, but it is copied nevertheless. Floors and local documents are also copied. Blobs are
separate files, and stay in their folder. The new store has a new UUID, because the checkpoints of peers refer
to a store with more content.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sync.store.engine import Engine
from sync.store.errors import StoreError, translated_os

from . import channel_removals, checkpoints, meta, purge_watermarks, rows, schema
from . import local_documents as local
from .sqlite_pages import PageRecord, Pages

_BATCH: Final = 500
"""Number of rows written in one transaction."""
_NAMED: Final = 1000
"""Maximum number of lost documents whose ids are reported. Further lost documents are only counted."""

_KEEP_DOCUMENT: Final = (
    "INSERT INTO docs(seq, id, rev, flags, crc, expires, tree, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT(seq) DO NOTHING"
    " ON CONFLICT(id) DO UPDATE SET seq = excluded.seq, rev = excluded.rev, flags = excluded.flags,"
    " crc = excluded.crc, expires = excluded.expires, tree = excluded.tree, body = excluded.body"
    " WHERE excluded.seq > seq"
)


@dataclass(frozen=True, slots=True)
class SalvagedStore:
    """The result of salvaging a damaged store."""

    documents: int
    local: int
    floors: int
    lost: int
    """Number of documents whose ids are still in the index, but whose rows are missing or damaged."""
    lost_ids: tuple[str, ...]
    """Ids of lost documents, at most the first thousand."""
    unreadable: int
    """Number of B-tree cells in the file that could not be decoded."""


def salvage(path: Path, into: Path, *, progress: Callable[[], None] = lambda: None) -> SalvagedStore:
    """Copy the undamaged rows of the store at `path` to a new store at `into`.

    The damaged file is not changed. `progress` is called regularly.

    This process must not have the damaged store open. Otherwise, closing the file after its pages were read
    would release the locks that SQLite holds on the file.

    Raises:
        StoreError: `into` exists, there is no space for it, or `path` cannot be read at all.
    """
    if into.exists():
        raise StoreError(f"{into}: already exists; salvage into a new file")
    try:
        with Pages(path) as pages, contextlib.closing(_new_store(into)) as engine:
            saved = _Salvage(pages, engine, progress).run()
        _remove(into, ".lock")
    except OSError as error:
        _remove(into)
        raise translated_os(error, path) from error
    except BaseException:
        _remove(into)
        raise
    return saved


class _Salvage:
    """The state of copying the undamaged rows of one damaged file to a new store."""

    def __init__(self, pages: Pages, engine: Engine, progress: Callable[[], None]) -> None:
        self._progress = progress
        self._pages = pages
        self._engine = engine
        self._others = {meta.UUID, meta.SEQUENCE, meta.SCHEMA, meta.FLOORS, meta.TICKS, meta.SIZES}
        """Keys of other tables, whose index entries look like entries of the index of document ids."""

    def run(self) -> SalvagedStore:
        meta.identity(self._engine)
        for batch in _batches(itertools.chain(self._pages.rows(), self._pages.rows_beyond())):
            self._progress()
            with self._engine.writing:
                for record in batch:
                    self._keep(record)
        if not self._pages.free_known:
            self._drop_unwanted()
        unreadable = self._pages.unreadable
        lost = self._lost()
        with self._engine.reading:
            documents, kept_local, kept_floors = (
                self._engine.execute(f"SELECT count(*) FROM {table}").get  # noqa: S608 - constants only
                for table in ("docs", "local", "floors")
            )
        return SalvagedStore(
            documents=documents,
            local=kept_local,
            floors=kept_floors,
            lost=len(lost),
            lost_ids=tuple(lost[:_NAMED]),
            unreadable=unreadable,
        )

    def _keep(self, record: PageRecord) -> None:
        """Copy a row to the new store if its columns and checksum match one of the store's tables."""
        execute = self._engine.execute
        match record.values:
            case (None, str(), str(), int(), int(), int() | None, bytes() | None, bytes() | None):
                row = rows.from_columns((record.rowid, *record.values[1:]))
                if row is not None:
                    execute(_KEEP_DOCUMENT, rows.without_empty_leaves(row).columns())
            case (str(key), int(number), bytes(body), int(crc)) if crc == local.checksum(key, number, body):
                execute(
                    "INSERT OR REPLACE INTO local(key, rev, body, crc) VALUES (?, ?, ?, ?)", record.values
                )
                self._others.add(key)
            case (str(prefix), str(first), int(crc)) if crc == purge_watermarks.checksum(prefix, first):
                execute("INSERT OR REPLACE INTO floors(prefix, first, crc) VALUES (?, ?, ?)", record.values)
                self._others.add(prefix)
            case (str(left), str(channel), int(sequence), int(crc)) if crc == channel_removals.checksum(
                left, channel, sequence
            ):
                execute(channel_removals.PUT, record.values)
            case (
                str(owner),
                str(client),
                int(number),
                int(used),
                bytes(body),
                int(crc),
            ) if crc == checkpoints.checksum(owner, client, number, used, body):
                execute(checkpoints.PUT, record.values)
            case (meta.TICKS, int(ticks), int(crc)) if crc == meta.checksum(meta.TICKS, ticks):
                meta.put(self._engine, meta.TICKS, max(ticks, meta.count(self._engine, meta.TICKS)))
            case (meta.SEQUENCE, int(sequence), int(crc)) if crc == meta.checksum(meta.SEQUENCE, sequence):
                known = meta.count(self._engine, meta.SEQUENCE)
                meta.put(self._engine, meta.SEQUENCE, max(sequence, known))
            case (None, str(remote)):
                self._others.add(remote)
            case _:
                pass  # the row is from a table that is created again, or it is damaged and reported as lost

    def _drop_unwanted(self) -> None:
        """Delete documents below floors from the new store.

        If the list of free pages is damaged, purged documents are copied too, but they must not reappear.
        """
        with self._engine.writing:
            for prefix, first in self._engine.execute("SELECT prefix, first FROM floors").fetchall():
                self._engine.execute("DELETE FROM docs WHERE id >= ? AND id < ?", (prefix, first))

    def _lost(self) -> list[str]:
        """Return the ids of documents that the index contains, but for which no row was copied."""
        lost = set()
        with self._engine.reading:
            for entry in self._pages.entries():
                self._progress()
                match entry.values:
                    case (str(key), int()) if key not in self._others:
                        if not self._engine.execute("SELECT 1 FROM docs WHERE id = ?", (key,)).fetchall():
                            lost.add(key)
                    case _:
                        pass  # an entry of a different index
        return sorted(lost)


def _new_store(path: Path) -> Engine:
    connection = schema.connect(path, checkpoint_pages=schema.WAL_PAGES, vfs=None, create=True)
    return Engine(connection, path, committed=lambda: None)


def _batches(records: Iterator[PageRecord]) -> Iterator[list[PageRecord]]:
    while batch := list(itertools.islice(records, _BATCH)):
        yield batch


def _remove(path: Path, *suffixes: str) -> None:
    for suffix in suffixes or ("", "-wal", "-shm", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
