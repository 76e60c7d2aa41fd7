"""Purging and expiry of documents. No tombstone is left, so peers are not informed of the removal.

A sequence is never assigned twice. So when the document with the highest sequence is purged, the sequence is
recorded in the store.
"""

from collections.abc import Iterable
from typing import Final

from sync.store import meta, rows
from sync.store.engine import Engine
from sync.store.errors import DocumentError

from .channel_removals import ChannelRemovals

_BATCH: Final = 200
"""Number of expired documents that are purged in one transaction. It takes about 10 ms."""


class Purge:
    """Operations that purge documents of one store, or let them expire."""

    def __init__(self, engine: Engine, departures: ChannelRemovals) -> None:
        self._engine = engine
        self._departures = departures

    def purge(self, ids: Iterable[str]) -> int:
        """Remove documents in one transaction, without leaving tombstones. Return the number removed."""
        engine = self._engine
        with engine.writing:
            count = 0
            for document_id in ids:
                engine.execute("DELETE FROM docs WHERE id = ?", (document_id,))
                count += engine.connection.changes()
                engine.execute("DELETE FROM remote_revs WHERE id = ?", (document_id,))
                self._departures.forget(document_id)
            highest = engine.execute("SELECT ifnull(max(seq), 0) FROM docs").get
            if highest < engine.last_sequence():
                meta.put(engine, meta.SEQUENCE, engine.last_sequence())
        return count

    def set_expiry(self, document_id: str, at: float | None) -> None:
        """Let a document expire at time `at` (seconds since 1970), so that `purge_expired` purges it.

        With None, the document never expires.

        Raises:
            DocumentError: there is no such document.
        """
        with self._engine.writing:
            row = rows.load(self._engine, document_id)
            if row is None:
                raise DocumentError(
                    f"{document_id}: the document does not exist, so its expiry cannot be set"
                )
            row.expires = None if at is None else int(at)
            rows.rewrite(self._engine, row.sequence, row)

    def expiry(self, document_id: str) -> int | None:
        """Return the time at which a document expires, in seconds since 1970.

        The result is None if the document never expires or is not stored.
        """
        with self._engine.reading:
            row = rows.load(self._engine, document_id)
        return None if row is None else row.expires

    def purge_expired(self, now: float) -> int:
        """Purge the documents that have expired by time `now`. Return the number of documents purged."""
        count = 0
        while True:
            with self._engine.writing:
                expired = [
                    document_id
                    for (document_id,) in self._engine.execute(
                        "SELECT id FROM docs WHERE expires <= ? ORDER BY expires LIMIT ?", (int(now), _BATCH)
                    )
                ]
                count += self.purge(expired) if expired else 0
            if len(expired) < _BATCH:
                return count
