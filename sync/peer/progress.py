"""What a replication tells whoever watches it: counts, and what became of each document."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

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

    def __init__(self, listener: DocumentListener | None = None) -> None:
        self.progress = Progress()
        self.failures: dict[str, Problem] = {}
        """The last problem of each document that has one, most recent 1000."""
        self._listener = listener
        self._told: list[DocumentEnded] = []

    @property
    def listens(self) -> bool:
        """Whether anybody wants to hear of each document."""
        return self._listener is not None

    def tell(self, ended: DocumentEnded) -> None:
        """A document was replicated, or was not."""
        if ended.problem is not None:
            if not ended.is_transient:
                self.progress.failed += 1
            self.failures[ended.id] = ended.problem
            if len(self.failures) > _FAILURES_KEPT:
                del self.failures[next(iter(self.failures))]
        elif self.failures:
            self.failures.pop(ended.id, None)
        if self._listener is not None:
            self._told.append(ended)

    def flush(self) -> None:
        """Tell the listener."""
        if self._told and self._listener is not None:
            told, self._told = self._told, []
            self._listener(told)


_FAILURES_KEPT = 1000
