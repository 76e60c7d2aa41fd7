"""Received tombstones of current branches, held in memory until the replacing revisions arrive.

When an active peer has resolved a conflict, it sends the result in two parts. The first is the tombstone of
the branch that is current here. The second is the replacing revision, which the peer had proposed before and
which was rejected as a conflict. If the tombstone were stored alone, the document would appear deleted
although nobody has deleted it. If the connection then broke, this state could last a long time. So the
tombstone is held in memory, and stored together with the replacing revision.

The tombstone is acknowledged before it is durable, but no data can be lost. Until the replacing revision is
acknowledged, the peer proposes it again on every connection, and sends both parts again.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Generic, TypeVar

from sync.replication.messages import Proposal, ProposalAnswer, Rev
from sync.store import Database, bodies, revisions

from . import conflicts, limits

T = TypeVar("T")
_REFUSED = 350
"""Approximate memory, in bytes, used by a rejected proposal: two strings and a dictionary entry."""


class DeferredTombstones(Generic[T]):
    """Tombstones from one peer that are held until the revisions that replace their branches arrive.

    `T` is the caller's type for a received revision.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._refused: dict[str, str] = {}
        """For each document, the last proposed revision that was rejected as a conflict."""
        self._deferred: dict[str, tuple[T, int]] = {}
        """For each document, the held tombstone and the memory that it uses, in bytes."""
        self._deferred_bytes = 0

    @property
    def bytes_held(self) -> int:
        """Approximate memory, in bytes, used by the held tombstones and the rejected proposals."""
        return self._deferred_bytes + _REFUSED * len(self._refused)

    def clear(self) -> None:
        """Discard all held tombstones and rejected proposals, because the session is over."""
        self._refused.clear()
        self._deferred.clear()
        self._deferred_bytes = 0

    def record_verdicts(self, judged: Iterable[tuple[Proposal, ProposalAnswer]]) -> None:
        """Record which of the peer's proposals were rejected as conflicts."""
        refused = self._refused
        for proposal, verdict in judged:
            self._pop(proposal.id)
            refused.pop(proposal.id, None)
            if verdict.status == HTTPStatus.CONFLICT:
                refused[proposal.id] = proposal.revision
        while len(refused) > limits.REVISIONS_WANTED:
            oldest = next(iter(refused))
            del refused[oldest]
            self._pop(oldest)

    def is_deferred(self, rev: Rev, raw: bytes) -> bool:
        """Return True if a received revision must be held until the revision that replaces it arrives.

        This applies to a tombstone that closes the current branch of the document here.
        """
        if not rev.deleted or raw != bodies.EMPTY:
            return False
        if self._refused.get(rev.id, rev.revision) == rev.revision:
            return False
        current, deleted = self._database.current([rev.id]).get(rev.id, ("", True))
        return not deleted and current in rev.history and conflicts.is_closing(rev.revision, rev.history[0])

    def keep(self, rev: Rev, value: T) -> None:
        """Hold a tombstone until the revision that replaces its branch arrives."""
        self._pop(rev.id)
        self._deferred[rev.id] = value, rev.bytes_held
        self._deferred_bytes += rev.bytes_held

    def _pop(self, document_id: str) -> T | None:
        value, held = self._deferred.pop(document_id, (None, 0))
        self._deferred_bytes -= held
        return value

    def take(self, rev: Rev) -> T | None:
        """Return and remove the held tombstone of the branch that `rev` replaces; None if there is none."""
        return self._pop(rev.id) if self._refused.get(rev.id) == rev.revision else None

    def named_by(self, rev: Rev) -> Rev | None:
        """Create a tombstone for the current branch if the peer states that `rev` replaces that branch.

        Otherwise return None. The tombstone has the revision id that our own conflict resolution would give
        it, because the peer's tombstone would look like an intended deletion.
        """
        if not rev.deleted_branch:
            return None
        current, deleted = self._database.current([rev.id]).get(rev.id, ("", True))
        if deleted or current == rev.revision or current not in rev.deleted_branch[1:]:
            return None
        end = revisions.make(current, deleted=True, body=bodies.EMPTY, closing=True)
        return Rev(rev.id, end, bodies.EMPTY, deleted=True, history=(current,))
