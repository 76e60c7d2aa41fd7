"""Tombstones of branches that are current here, kept until the revision that replaces them has arrived.

A conflict that was resolved at the peer comes to a passive peer in two parts. The first is the tombstone of
the branch that is current here. The second is its replacement, which had been proposed and would have been a
conflict. If the first were stored without the second, the document would appear deleted although nobody
intended that, possibly for a long time if the connection breaks in between. So the tombstone is kept, and
stored together with its replacement.

It is acknowledged before it is durable. That does no harm: the peer has not finished the replacement, and if
that does not arrive now, it proposes it again and sends both again.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

from sync.replication.messages import Proposal, ProposalAnswer, Rev
from sync.store import Database, bodies, revisions

from . import conflicts, limits

T = TypeVar("T")
_CONFLICT = 409


class DeferredTombstones(Generic[T]):
    """The tombstones that one peer has sent; `T` is whatever the owner stores for a revision."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._refused: dict[str, str] = {}
        """The last proposed revision of each document that would be a conflict."""
        self._deferred: dict[str, T] = {}

    def record_verdicts(self, judged: Iterable[tuple[Proposal, ProposalAnswer]]) -> None:
        """Record the verdicts on proposals."""
        refused = self._refused
        for proposal, verdict in judged:
            self._deferred.pop(proposal.id, None)
            refused.pop(proposal.id, None)
            if verdict.status == _CONFLICT:
                refused[proposal.id] = proposal.revision
        while len(refused) > limits.REVISIONS_WANTED:
            oldest = next(iter(refused))
            del refused[oldest]
            self._deferred.pop(oldest, None)

    def is_deferred(self, rev: Rev, raw: bytes) -> bool:
        """Return True if this is a tombstone of the current branch, and a replacement is to follow."""
        if not rev.deleted or raw != bodies.EMPTY:
            return False
        if self._refused.get(rev.id, rev.revision) == rev.revision:
            return False
        current, deleted = self._database.current([rev.id]).get(rev.id, ("", True))
        return not deleted and current in rev.history and conflicts.is_closing(rev.revision, rev.history[0])

    def keep(self, rev: Rev, value: T) -> None:
        """Keep a tombstone until its replacement arrives."""
        self._deferred[rev.id] = value

    def take(self, rev: Rev) -> T | None:
        """Return what was kept for this replacement, and remove it."""
        return self._deferred.pop(rev.id, None) if self._refused.get(rev.id) == rev.revision else None

    def named_by(self, rev: Rev) -> Rev | None:
        """Return the tombstone of the current branch if the peer says that `rev` replaces that branch.

        The tombstone gets the id that our own resolutions give it. The peer's own tombstone would be taken
        for an intended deletion.
        """
        if not rev.deleted_branch:
            return None
        current, deleted = self._database.current([rev.id]).get(rev.id, ("", True))
        if deleted or current == rev.revision or current not in rev.deleted_branch[1:]:
            return None
        end = revisions.make(current, deleted=True, body=bodies.EMPTY, closing=True)
        return Rev(rev.id, end, bodies.EMPTY, deleted=True, history=(current,))
