"""Counters and events that report a replication's progress, including the outcome for each document."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Protocol

import msgspec

from sync.peer.problems import Problem


class Direction(Enum):
    """The direction in which a document is transferred, as seen from the local store."""

    PUSH = "push"
    PULL = "pull"


class DocumentEnded(msgspec.Struct, frozen=True, gc=False):
    """The outcome of replicating one document: success or failure."""

    direction: Direction
    id: str
    revision: str
    deleted: bool = False
    problem: Problem | None = None
    """Reason why the document failed; None if it was replicated."""
    is_transient: bool = False
    """True if the document failed but will be retried automatically."""
    access_removed: bool = False
    """True if the peer withdrew the document, because it has left the channels that we read."""


DocumentListener = Callable[[Sequence[DocumentEnded]], None]


class FailureList(Protocol):
    """A durable list of failed documents, such as `sync.peer.failed_documents.FailedDocuments`."""

    def __len__(self) -> int:
        """Return the number of documents in the list."""

    def note(self, direction: Direction, document_id: str, revision: str, problem: Problem) -> None:
        """Add a document to the list, or replace the document's entry."""

    def forget(self, direction: Direction, document_id: str) -> None:
        """Remove a document from the list, because it was replicated or no longer exists."""

    def save(self) -> None:
        """Write the list to the store if it has changed. Raises StoreError if the store fails."""


@dataclass(slots=True)
class Progress:
    """Counters of one replication since its start."""

    pushed: int = 0
    """Number of revisions sent that the peer did not have before."""
    pulled: int = 0
    """Number of revisions received that were not stored here before."""
    failed: int = 0
    """Number of documents that could not be replicated and will not be retried automatically."""
    body_bytes_pushed: int = 0
    """Total size, in bytes, of the document bodies sent. If a body was sent as a delta, the delta counts."""
    body_bytes_pulled: int = 0
    deltas_pushed: int = 0
    deltas_pulled: int = 0
    blobs_pushed: int = 0
    blobs_pulled: int = 0
    completed: int = 0
    """Number of changes that this replication has found and that need no more work."""
    total: int = 0
    """Number of changes that this replication has found, whether or not they are replicated yet."""


class Ledger:
    """Counters and events of a replication. The events are reported in batches."""

    def __init__(self, listener: DocumentListener | None = None, failed: FailureList | None = None) -> None:
        """Create a ledger of a replication, with all counters at zero.

        Args:
            listener: called with batches of events; None if there is no observer.
            failed: durable list of permanently failed documents; None to record none.
        """
        self.progress = Progress()
        self.failed = failed
        self.failures: dict[str, Problem] = {}
        """Last problem of each document, by document id, for the 1000 documents that failed most recently."""
        self._listener = listener
        self._events: list[DocumentEnded] = []

    @property
    def listens(self) -> bool:
        """True if a listener, or the list of failed documents, needs the outcome of each document."""
        return self._listener is not None or bool(self.failed)

    def tell(self, ended: DocumentEnded) -> None:
        """Report the outcome of a document to the listener, and update the list of failed documents."""
        if ended.problem is not None:
            if not ended.is_transient:
                self.progress.failed += 1
                self._keep(ended, ended.problem)
            self.failures[ended.id] = ended.problem
            if len(self.failures) > _FAILURES_KEPT:
                del self.failures[next(iter(self.failures))]
        else:
            self.settled(ended.direction, ended.id)
        if self._listener is not None:
            self._events.append(ended)

    def confirm(self, direction: Direction, document_id: str, revision: str, problem: Problem) -> None:
        """Record that a retried document failed again, for the reason that was already reported."""
        if self.failed is not None:
            self.failed.note(direction, document_id, revision, problem)

    def settled(self, direction: Direction, document_id: str) -> None:
        """Record that a document was replicated or needs no replication, and remove its recorded failure."""
        if self.failures:
            self.failures.pop(document_id, None)
        if self.failed:
            self.failed.forget(direction, document_id)

    def keep(self) -> None:
        """Write the failed documents to the store, before a checkpoint advances past them.

        Raises StoreError if the store fails.
        """
        if self.failed is not None:
            self.failed.save()

    def _keep(self, ended: DocumentEnded, problem: Problem) -> None:
        # Our own rule has rejected the document, so there is nothing to retry.
        is_own_rule = ended.direction is Direction.PULL and problem.code == HTTPStatus.FORBIDDEN
        if self.failed is not None and not is_own_rule:
            self.failed.note(ended.direction, ended.id, ended.revision, problem)

    def flush(self) -> None:
        """Report the collected events to the listener."""
        if self._events and self._listener is not None:
            events, self._events = self._events, []
            self._listener(events)


_FAILURES_KEPT = 1000
