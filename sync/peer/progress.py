"""What a replication tells whoever watches it: counts, and what became of each document."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import msgspec

from sync.peer.problems import Problem


class Direction(Enum):
    """Which way a document goes, seen from here."""

    PUSH = "push"
    PULL = "pull"


class DocumentEnded(msgspec.Struct, frozen=True, gc=False):
    """A document was replicated, or was not."""

    direction: Direction
    id: str
    revision: str
    deleted: bool = False
    problem: Problem | None = None
    """Why it was not."""
    is_transient: bool = False
    """Whether it will be tried again."""
    access_removed: bool = False
    """It was not replicated but taken away: it left the channels that we read."""


DocumentListener = Callable[[Sequence[DocumentEnded]], None]


class FailureList(Protocol):
    """Where failed documents are kept durably; `sync.peer.failed.FailedDocuments` is one."""

    def __len__(self) -> int:
        """Return the number of documents."""

    def note(self, direction: Direction, document_id: str, revision: str, problem: Problem) -> None:
        """Add a document, or replace what was known of it."""

    def forget(self, direction: Direction, document_id: str) -> None:
        """Remove a document: it got through, or no longer exists."""

    def save(self) -> None:
        """Write the list down if it has changed. Raises StoreError."""


@dataclass(slots=True)
class Progress:
    """Counts of one replication, since it began."""

    pushed: int = 0
    pulled: int = 0
    """Revisions that were new there, or here."""
    failed: int = 0
    """Documents that could not be replicated and will not be tried again by themselves."""
    body_bytes_pushed: int = 0
    """As sent: a delta counts as its own size."""
    body_bytes_pulled: int = 0
    deltas_pushed: int = 0
    deltas_pulled: int = 0
    blobs_pushed: int = 0
    blobs_pulled: int = 0
    completed: int = 0
    total: int = 0
    """Of the changes looked at in this run, how many there are and how many are done with."""


class Ledger:
    """Keeps a replication's counts, and tells of documents, in lots."""

    def __init__(self, listener: DocumentListener | None = None, failed: FailureList | None = None) -> None:
        """`failed`: where documents that fail for good are kept beyond this run."""
        self.progress = Progress()
        self.failed = failed
        self.failures: dict[str, Problem] = {}
        """The last problem of each document that has one, most recent 1000."""
        self._listener = listener
        self._told: list[DocumentEnded] = []

    @property
    def listens(self) -> bool:
        """Whether anybody wants to hear of each document."""
        return self._listener is not None or bool(self.failed)

    def tell(self, ended: DocumentEnded) -> None:
        """A document was replicated, or was not."""
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
            self._told.append(ended)

    def confirm(self, direction: Direction, document_id: str, revision: str, problem: Problem) -> None:
        """Take note that a document was tried again and failed just as it was told before."""
        if self.failed is not None:
            self.failed.note(direction, document_id, revision, problem)

    def settled(self, direction: Direction, document_id: str) -> None:
        """The document has got through, or there is nothing left to be replicated of it."""
        if self.failures:
            self.failures.pop(document_id, None)
        if self.failed:
            self.failed.forget(direction, document_id)

    def keep(self) -> None:
        """Write down what has failed. Call it before a checkpoint passes it. Raises StoreError."""
        if self.failed is not None:
            self.failed.save()

    def _keep(self, ended: DocumentEnded, problem: Problem) -> None:
        is_own_rule = ended.direction is Direction.PULL and problem.code == _FORBIDDEN
        if self.failed is not None and not is_own_rule:
            self.failed.note(ended.direction, ended.id, ended.revision, problem)

    def flush(self) -> None:
        """Tell the listener."""
        if self._told and self._listener is not None:
            told, self._told = self._told, []
            self._listener(told)


_FAILURES_KEPT = 1000
_FORBIDDEN = 403
"""With it a document that comes is turned away by a rule of ours: that is no failure to be remembered."""
