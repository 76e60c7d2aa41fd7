"""Floors: limits on document ids. Documents below a floor were purged, and are not accepted from peers again.

A floor consists of a prefix of document ids, and the first id with this prefix that is still accepted. Floors
are cached. Other processes may set floors too, so the floors are read again when a counter in the file has
changed.
"""

import zlib
from typing import Any

from sync.store import meta
from sync.store.engine import Engine
from sync.store.errors import DocumentError


def checksum(prefix: str, first: str) -> int:
    """Return the CRC-32 of a row in the table `floors`."""
    return zlib.crc32(f"floor {prefix} {first}".encode())


class PurgeWatermarks:
    """The floors of one store: for each prefix of ids, the first id that is still accepted from peers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._firsts: dict[str, str] = {}
        self._lengths: list[int] = []
        self._transaction: tuple[int, int] | None = None
        self._counter: tuple[int, int] | None = None

    def set(self, prefix: str, first: str) -> None:
        """Set a floor: reject a peer's document if its id begins with `prefix` and sorts below `first`.

        If the prefix already has a higher floor, nothing changes.

        Raises:
            DocumentError: `first` does not begin with `prefix`.
        """
        if not prefix or not first.startswith(prefix):
            raise DocumentError(f"the purge watermark {first!r} does not begin with the prefix {prefix!r}")
        with self._engine.writing:
            self._engine.execute(
                "INSERT INTO floors(prefix, first, crc) VALUES (?1, ?2, ?3)"
                " ON CONFLICT(prefix) DO UPDATE SET first = ?2, crc = ?3 WHERE ?2 > first",
                (prefix, first, checksum(prefix, first)),
            )
            if self._engine.connection.changes():
                meta.put(self._engine, meta.FLOORS, meta.count(self._engine, meta.FLOORS) + 1)
                self._transaction = None

    def below(self, document_id: str) -> bool:
        """Return True if a document id lies below a floor, so that the document is rejected from peers.

        Call this in one of the engine's scopes.
        """
        self.look()
        return self.is_below(document_id)

    def look(self) -> None:
        """Read the floors again if they may have changed. Call this in one of the engine's scopes."""
        engine = self._engine
        if not engine.in_transaction or self._transaction != engine.transaction:
            self._refresh()

    def is_below(self, document_id: str) -> bool:
        """Return True if a document id lies below a cached floor.

        Call `look` first, in the same transaction.
        """
        for length in self._lengths:
            first = self._firsts.get(document_id[:length])
            if first is not None and document_id < first:
                return True
        return False

    def all(self) -> dict[str, str]:
        """Return all floors: for each prefix of ids, the first id that is accepted from peers."""
        with self._engine.reading:
            self._refresh()
            return dict(self._firsts)

    def _refresh(self) -> None:
        """Read the floors again if their counter has changed, or if a rollback may have made them invalid."""
        transaction = self._engine.transaction
        counter = (transaction[1], meta.count(self._engine, meta.FLOORS))
        if counter != self._counter:
            watermarks: list[tuple[Any, ...]] = self._engine.execute(
                "SELECT prefix, first FROM floors"
            ).fetchall()
            self._firsts = dict(watermarks)
            self._lengths = sorted({len(prefix) for prefix in self._firsts})
            self._counter = counter
        self._transaction = transaction
