"""Durable list of the documents that a replication could not transfer.

If either side rejects a document, the replication continues. The checkpoint moves past the document, and the
document is added to this list. It is removed from the list when it has been replicated, or when it no longer
exists. The list is stored as one local document, so it survives a restart and is never replicated.

    failed = FailedDocuments(database, "failed:cp-…")
    failed.note(Direction.PUSH, "pancakes", "3-cd…", problem)
    failed.save()

At most `MOST` documents are listed. If more documents fail, `has_overflowed` is True. The documents that are
not listed can be found again only by reading the whole feed.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction
from sync.store import Database

MOST: Final = 10_000
"""Maximum number of documents in the list. A list of this length takes 1.5 MB in the store.

If a sensor is read every five minutes and each reading fails, the list is full after a month.
"""
_LONGEST_REASON: Final = 300
"""Maximum length, in characters, of a stored reason. A peer may send a reason of any length."""


class FailedDocument(msgspec.Struct, frozen=True):
    """A document that could not be replicated."""

    id: str
    direction: Direction
    revision: str
    """Id of the revision that failed."""
    domain: Domain
    code: int
    reason: str
    when: float
    """Time at which this revision first failed, in seconds since 1970."""

    @property
    def problem(self) -> Problem:
        """Reason why the document could not be replicated."""
        return Problem(self.domain, self.code, f"{self.id}: {self.reason}")


class _Key(NamedTuple):
    direction: Direction
    id: str


class _StoredFailures(msgspec.Struct):
    """Body of the local document that contains the list."""

    documents: list[FailedDocument] = []
    overflowed: bool = False


class FailedDocuments:
    """Durable list of the documents that one replication could not transfer."""

    def __init__(
        self, database: Database, key: str, *, utc: Callable[[], float] = time.time, most: int = MOST
    ) -> None:
        """Read the list from the local document `key`. Raises StoreError if the store fails.

        Args:
            database: the store.
            key: key of the local document.
            utc: returns seconds since 1970.
            most: maximum number of listed documents.
        """
        self._database, self._key, self._utc, self._most = database, key, utc, most
        self._documents: dict[_Key, FailedDocument] = {}
        self._offered: dict[str, None] = {}
        self._is_new = False
        stored = self._read()
        self.has_overflowed = stored.overflowed
        """True if documents have failed that were not added because the list was full."""
        for document in stored.documents:
            self._documents[_Key(document.direction, document.id)] = document

    def __len__(self) -> int:
        return len(self._documents)

    def __iter__(self) -> Iterator[FailedDocument]:
        """Iterate over a copy of the list, with the most recent failure last."""
        return iter(list(self._documents.values()))

    def get(self, direction: Direction, document_id: str) -> FailedDocument | None:
        """Return a document's entry in the list, or None if the document is not listed."""
        return self._documents.get(_Key(direction, document_id))

    def ids(self, direction: Direction, *, reason: str | None = None) -> list[str]:
        """Return the ids of the documents that failed in a direction; with `reason`, only for that reason."""
        return [
            document.id
            for document in self._documents.values()
            if document.direction is direction and reason in (None, document.reason)
        ]

    def offer(self, document_ids: Iterable[str]) -> None:
        """Record that listed documents are offered to the peer again.

        `unanswered` returns the id of each of these documents until its outcome is known.
        """
        known = (document_id for document_id in document_ids if self.get(Direction.PUSH, document_id))
        self._offered |= dict.fromkeys(known)

    @property
    def unanswered(self) -> list[str]:
        """Ids of the documents that were offered again, and whose outcome is not known yet."""
        return list(self._offered)

    def newest(self, direction: Direction) -> Iterator[FailedDocument]:
        """Iterate over the documents that failed in a direction, the most recent first."""
        return (each for each in reversed(list(self)) if each.direction is direction)

    def note(self, direction: Direction, document_id: str, revision: str, problem: Problem) -> None:
        """Add a failed document to the list, or replace the document's existing entry."""
        key = _Key(direction, document_id)
        self._answered(key)
        reason = problem.text.removeprefix(f"{document_id}: ")[:_LONGEST_REASON]
        known = self._documents.get(key)
        if known is not None and (known.revision, known.reason) == (revision, reason):
            return
        if known is None and len(self._documents) >= self._most:
            self._is_new = self._is_new or not self.has_overflowed
            self.has_overflowed = True
            return
        when = known.when if known is not None and known.revision == revision else self._utc()
        self._documents.pop(key, None)
        self._documents[key] = FailedDocument(
            document_id, direction, revision, problem.domain, problem.code, reason, round(when, 3)
        )
        self._is_new = True

    def forget(self, direction: Direction, document_id: str) -> None:
        """Remove a document from the list, because it was replicated or no longer exists."""
        key = _Key(direction, document_id)
        self._answered(key)
        if self._documents.pop(key, None) is not None:
            self._is_new = True

    @property
    def has_room(self) -> bool:
        """True if at least half of the list is free."""
        return len(self._documents) <= self._most // 2

    def retry_all(self) -> None:
        """Clear `has_overflowed`, because the whole feed is being read again."""
        self._is_new = self._is_new or self.has_overflowed
        self.has_overflowed = False

    def save(self) -> None:
        """Write the list to the store if it has changed. Raises StoreError if the store fails."""
        if not self._is_new:
            return
        document = self._database.get_local(self._key)
        body = _StoredFailures(list(self._documents.values()), self.has_overflowed)
        self._database.put_local(
            self._key, msgspec.to_builtins(body), parent=None if document is None else document.rev
        )
        self._is_new = False

    def _answered(self, key: _Key) -> None:
        if key.direction is Direction.PUSH:
            self._offered.pop(key.id, None)

    def _read(self) -> _StoredFailures:
        document = self._database.get_local(self._key)
        return _StoredFailures() if document is None else msgspec.convert(document.body, _StoredFailures)
