"""Counters for a gateway's backlog and rate, for reports."""

from collections.abc import Callable
from typing import Final

from sync import documents
from sync.store import DocumentChange


class Rate:
    """Meter of the number of documents forwarded per second, averaged over the last ten seconds."""

    SPAN: Final = 10

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: dict[int, int] = {}
        self._began: float | None = None

    def add(self, count: int = 1) -> None:
        """Add `count` documents at the current time."""
        now = self._clock()
        if not self._counts:
            self._began = now
        second = int(now)
        self._counts[second] = self._counts.get(second, 0) + count
        if len(self._counts) > self.SPAN:
            self._forget(second)

    def value(self) -> float | None:
        """Return the number of documents per second, or None if there were none in the last ten seconds."""
        now = self._clock()
        self._forget(int(now))
        if not self._counts or self._began is None:
            return None
        return sum(self._counts.values()) / min(self.SPAN, max(1.0, now - self._began))

    def _forget(self, second: int) -> None:
        for old in [old for old in self._counts if old <= second - self.SPAN]:
            del self._counts[old]


class Backlog:
    """Counter of the documents that wait to be forwarded, and of their total size in bytes.

    A document that is rewritten while it waits counts once.
    """

    __slots__ = ("_rewritten", "bytes", "documents")

    def __init__(self) -> None:
        self.documents = self.bytes = 0
        self._rewritten: set[str] = set()

    def add(self, change: DocumentChange) -> None:
        """Count one more waiting document."""
        if not documents.is_immutable(change.id):
            if change.id in self._rewritten:
                return
            self._rewritten.add(change.id)
        self.documents += 1
        self.bytes += change.size

    def remove(self, document_id: str, size: int) -> None:
        """Remove a document from the backlog, if it was counted."""
        self._rewritten.discard(document_id)
        self.documents = max(0, self.documents - 1)
        self.bytes = max(0, self.bytes - size)

    def reset(self, left: int = 0) -> None:
        """Set the number of waiting documents to `left`. The previous count is discarded."""
        self.documents, self.bytes = left, 0
        self._rewritten.clear()
