"""Total sizes of documents by the prefix of their ids, and a query for the oldest documents.

Triggers in the database file update the totals. So the totals are correct even if another process, such as an
older Logboat, writes to the store. Documents that were stored before the triggers existed are counted step by
step (`count_earlier`).

A *part* is a document's id up to its last colon, without the colon: `recipe:soups` for `recipe:soups:12`.
This module assigns no meaning to the parts of an id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sync.store import meta
from sync.store.engine import Engine

_PART: Final = "rtrim(rtrim({row}id, replace({row}id, ':', '')), ':')"
"""SQL expression for the part of a document's id: the id up to its last colon, without the colon.

The inner `rtrim` removes everything after the last colon, and the outer `rtrim` removes the colon.
"""
_BYTES: Final = (
    "2 * length(CAST({row}id AS BLOB)) + ifnull(length({row}body), 0) + ifnull(length({row}tree), 0) + 60"
)
"""SQL expression for the approximate size of a row in bytes.

The id is stored in the row and in an index. Revision, checksum and headers take about 60 bytes.
"""
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
"""SQL statements that create the table of sizes and its triggers. Existing documents are counted later."""

BEGIN: Final = "SELECT ifnull(max(seq), 0) FROM docs"
"""Query for the sequence up to which documents must be counted later, used when the table is created."""

A_TIME: Final = 2_000
"""Number of documents counted in one transaction. It takes about 10 ms, because bodies are not read."""


@dataclass(frozen=True, slots=True)
class PartSize:
    """Number and total size of the documents whose ids have the same part. The module defines *part*."""

    part: str
    documents: int
    bytes: int
    """Approximate total size of these documents in bytes, excluding the unused space in pages."""


class Sizes:
    """Total sizes of the documents of one store, by the part of their ids."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[PartSize]:
        """Return the number and the total size of the documents, for each part of their ids.

        Until `is_complete` is True, some documents are not counted yet, so the values are too low.
        """
        with self._engine.reading:
            parts: list[tuple[Any, ...]] = self._engine.execute(
                "SELECT part, documents, bytes FROM sizes"
            ).fetchall()
        return [PartSize(*columns) for columns in parts]

    def departures(self) -> list[PartSize]:
        """Return the number and size of the rows in the table `departures`, by part of the document id.

        The whole table is read.
        """
        part = _PART.format(row="")
        size = "2 * (length(CAST(id AS BLOB)) + length(CAST(channel AS BLOB))) + 40"
        with self._engine.reading:
            parts: list[tuple[Any, ...]] = self._engine.execute(
                f"SELECT {part}, count(*), sum({size}) FROM departures GROUP BY 1"  # noqa: S608
            ).fetchall()
        return [PartSize(*columns) for columns in parts]

    @property
    def is_complete(self) -> bool:
        """True once all documents have been counted, so that the sizes are correct."""
        with self._engine.reading:
            return not meta.count(self._engine, meta.SIZES)

    def count_earlier(self) -> bool:
        """Count some of the documents that were stored before the triggers existed.

        Returns:
            True if more documents must be counted.
        """
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
        """Return the least recently changed documents, including tombstones, as (id, bytes of the body).

        Args:
            ranges: ranges of ids to search, each from the first id inclusive to the second exclusive.
            limit: maximum number of documents.
        """
        if not ranges:
            return []
        # The index of ids also contains the sequences. So only the rows of the returned documents are read.
        sources = " UNION ALL ".join("SELECT seq FROM docs WHERE id >= ? AND id < ?" for _ in ranges)
        bindings = [bound for bounds in ranges for bound in bounds]
        with self._engine.reading:
            rows: list[tuple[Any, ...]] = self._engine.execute(
                "SELECT id, ifnull(length(body), 2) FROM docs WHERE seq IN"  # noqa: S608
                f" (SELECT seq FROM ({sources}) ORDER BY seq LIMIT ?) ORDER BY seq",
                (*bindings, limit),
            ).fetchall()
        return [(document_id, size) for document_id, size in rows]
