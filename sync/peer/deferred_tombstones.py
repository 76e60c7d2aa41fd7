"""Ends of branches that are shown here, kept until what takes their place has come.

A conflict that was resolved over there comes to a passive peer in two: the end of the branch that is shown
here, then what took its place, which had been proposed and would have been a conflict. Were the first stored
without the second, the document would be shown as deleted by nobody's wish, and that for long if the line
breaks in between. So the end is kept, and stored together with what follows.

It is acknowledged before it is durable. No harm comes of that: the peer is not done with what follows, and if
that does not come now, proposes it again and sends both again.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

from sync.replication.messages import Proposal, Rev, Verdict
from sync.store import Database, bodies, revisions

from . import conflicts, limits

T = TypeVar("T")
_CONFLICT = 409


class BranchEnds(Generic[T]):
    """What one peer has sent of this kind; `T` is whatever its owner keeps of a revision."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._refused: dict[str, str] = {}
        """What was proposed last of a document, and would be a conflict."""
        self._kept: dict[str, T] = {}

    def judged(self, judged: Iterable[tuple[Proposal, Verdict]]) -> None:
        """Proposals were answered."""
        refused = self._refused
        for proposal, verdict in judged:
            self._kept.pop(proposal.id, None)
            refused.pop(proposal.id, None)
            if verdict.status == _CONFLICT:
                refused[proposal.id] = proposal.revision
        while len(refused) > limits.REVISIONS_WANTED:
            oldest = next(iter(refused))
            del refused[oldest]
            self._kept.pop(oldest, None)

    def is_one(self, rev: Rev, raw: bytes) -> bool:
        """Whether this is the end of the branch that is shown here, and something is to take its place."""
        if not rev.deleted or raw != bodies.EMPTY:
            return False
        if self._refused.get(rev.id, rev.revision) == rev.revision:
            return False
        current, deleted = self._database.current([rev.id]).get(rev.id, ("", True))
        return not deleted and current in rev.history and conflicts.is_closing(rev.revision, rev.history[0])

    def keep(self, rev: Rev, kept: T) -> None:
        """Keep it for what takes its place."""
        self._kept[rev.id] = kept

    def take(self, rev: Rev) -> T | None:
        """What was kept for this revision."""
        return self._kept.pop(rev.id, None) if self._refused.get(rev.id) == rev.revision else None

    def named_by(self, rev: Rev) -> Rev | None:
        """Return the end of the branch that is shown here, if the peer says that `rev` takes its place.

        The end gets the name that our own resolutions give it. The peer's own tombstone would be taken for a
        deletion that somebody meant.
        """
        if not rev.deleted_branch:
            return None
        current, deleted = self._database.current([rev.id]).get(rev.id, ("", True))
        if deleted or current == rev.revision or current not in rev.deleted_branch[1:]:
            return None
        end = revisions.make(current, deleted=True, body=bodies.EMPTY, closing=True)
        return Rev(rev.id, end, bodies.EMPTY, deleted=True, history=(current,))
