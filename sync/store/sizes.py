"""What documents take in the store, by the beginnings of their ids, and which of them are the oldest.

The file itself keeps count, by triggers: so the sums are right whichever process writes, an older Logboat
included. Documents that were there before the triggers are counted bit by bit (`count_earlier`).

A *part* is a document's id up to its last colon, the colon left out: `reading:argo:rpm:abcdef`, `note:argo`.
Not here: whose documents those are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sync.store import meta
from sync.store.engine import Engine

_PART: Final = "rtrim(rtrim({row}id, replace({row}id, ':', '')), ':')"
"""Removes from the right what is no colon, then the colons."""
_BYTES: Final = (
    "2 * length(CAST({row}id AS BLOB)) + ifnull(length({row}body), 0) + ifnull(length({row}tree), 0) + 60"
)
"""The id stands in the row and in an index; revision, checksum and headers take some 60 bytes."""
_UNCOUNTED: Final = f"ifnull((SELECT value FROM meta WHERE key = '{meta.SIZES}'), 0)"  # noqa: S608


def _added(row: str) -> str:
    part, size = _PART.format(row=row), _BYTES.format(row=row)
    return (
        f"INSERT INTO sizes(part, documents, bytes) SELECT {part}, 1, {size} WHERE {row}seq > {_UNCOUNTED}"
        " ON CONFLICT(part) DO UPDATE SET documents = documents + 1, bytes = bytes + excluded.bytes;"
    )


def _removed(row: str) -> str:
    part, size = _PART.format(row=row), _BYTES.format(row=row)
    return (
        f"UPDATE sizes SET documents = documents - 1, bytes = bytes - ({size})"  # noqa: S608
        f" WHERE part = {part} AND {row}seq > {_UNCOUNTED};"
    )


_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS sizes("
    " part TEXT PRIMARY KEY NOT NULL, documents INTEGER NOT NULL, bytes INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
)
_EMPTY: Final = f"DELETE FROM sizes WHERE part = {_PART.format(row='OLD.')} AND documents <= 0;"  # noqa: S608


def _trigger(name: str, event: str, *statements: str) -> str:
    return f"CREATE TRIGGER IF NOT EXISTS {name} AFTER {event} ON docs BEGIN {' '.join(statements)} END;"


CREATE: Final = (
    _TABLE
    + _trigger("sizes_added", "INSERT", _added("NEW."))
    + _trigger("sizes_changed", "UPDATE", _removed("OLD."), _added("NEW."))
    + _trigger("sizes_removed", "DELETE", _removed("OLD."), _EMPTY)
)
"""Run once: what is in the table of documents then is counted later."""

BEGIN: Final = "SELECT ifnull(max(seq), 0) FROM docs"
"""The sequence up to which documents are to be counted when the table is made."""

A_TIME: Final = 2_000
"""Documents counted in one transaction: some 10 ms, as their bodies are not read."""


@dataclass(frozen=True, slots=True)
class PartSize:
    """What the documents of one part take."""

    part: str
    documents: int
    bytes: int
    """About: without the overhead of pages that are not full."""


class Sizes:
    """What the documents of one store take."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[PartSize]:
        """Return the size of each part; of what has been counted so far."""
        with self._engine.reading:
            found: list[tuple[Any, ...]] = self._engine.execute(
                "SELECT part, documents, bytes FROM sizes"
            ).fetchall()
        return [PartSize(*columns) for columns in found]

    def departures(self) -> list[PartSize]:
        """Return the same of what is noted of channels that documents have left; reads those notes."""
        part = _PART.format(row="")
        size = "2 * (length(CAST(id AS BLOB)) + length(CAST(channel AS BLOB))) + 40"
        with self._engine.reading:
            found: list[tuple[Any, ...]] = self._engine.execute(
                f"SELECT {part}, count(*), sum({size}) FROM departures GROUP BY 1"  # noqa: S608
            ).fetchall()
        return [PartSize(*columns) for columns in found]

    @property
    def is_complete(self) -> bool:
        """Return True once all documents are counted."""
        with self._engine.reading:
            return not meta.count(self._engine, meta.SIZES)

    def count_earlier(self) -> bool:
        """Count some documents that were there before the count began; return True if there are more."""
        engine = self._engine
        with engine.writing:
            boundary = meta.count(engine, meta.SIZES)
            if not boundary:
                return False
            below: list[tuple[Any, ...]] = engine.execute(
                "SELECT seq FROM docs WHERE seq <= ? ORDER BY seq DESC LIMIT 1 OFFSET ?", (boundary, A_TIME)
            ).fetchall()
            low = below[0][0] if below else 0
            part, size = _PART.format(row=""), _BYTES.format(row="")
            engine.execute(
                f"INSERT INTO sizes(part, documents, bytes) SELECT {part}, count(*), sum({size}) FROM docs"  # noqa: S608
                " WHERE seq > ? AND seq <= ? GROUP BY 1"
                " ON CONFLICT(part) DO UPDATE SET documents = documents + excluded.documents,"
                " bytes = bytes + excluded.bytes",
                (low, boundary),
            )
            meta.put(engine, meta.SIZES, low)
        return low > 0

    def oldest(self, ranges: Sequence[tuple[str, str]], limit: int) -> list[tuple[str, int]]:
        """Return the documents whose last change came first, with the bytes of their bodies; tombstones too.

        Args:
            ranges: the ids looked at: each from the first one on, below the second one.
            limit: how many documents.
        """
        if not ranges:
            return []
        # The index of ids has the sequences, too: bodies are read of none that is not returned.
        found = " UNION ALL ".join("SELECT seq FROM docs WHERE id >= ? AND id < ?" for _ in ranges)
        bindings = [bound for bounds in ranges for bound in bounds]
        with self._engine.reading:
            rows: list[tuple[Any, ...]] = self._engine.execute(
                "SELECT id, ifnull(length(body), 2) FROM docs WHERE seq IN"  # noqa: S608
                f" (SELECT seq FROM ({found}) ORDER BY seq LIMIT ?) ORDER BY seq",
                (*bindings, limit),
            ).fetchall()
        return [(document_id, size) for document_id, size in rows]
