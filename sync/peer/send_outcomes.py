"""Records the outcomes of sent changes (done, failed, or to be retried), and the peer's known revisions."""

from bisect import insort
from collections import deque
from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple

from sync.peer.attempts import Attempts
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction, DocumentEnded, Ledger
from sync.peer.session import Session
from sync.store import Database, model

from . import limits
from .sender_types import ChangeInFlight, FeedProgress, SendOptions

_HOLD_FOR: Final = 1.0
"""Seconds for which the ids of the peer's new revisions are kept in memory before they are stored.

If they are lost in a crash, a whole body is sent instead of a delta, or one more proposal is needed.
"""


class _Failed(NamedTuple):
    """The newest change of a document whose transfer has failed temporarily."""

    sequence: int
    revision: str
    problem: Problem
    """The problem that was reported."""


class SendOutcomes:
    """Record of the outcomes of one feed's changes, and of the revisions that the peer is known to have."""

    def __init__(
        self,
        session: Session,
        database: Database,
        feed: FeedProgress,
        *,
        options: SendOptions,
        ledger: Ledger,
        attempts: Attempts,
    ) -> None:
        """Create an empty record.

        Args:
            session: the session with the peer.
            database: the store.
            feed: the progress of the feed.
            options: the options for sending.
            ledger: the counts and events of the replication.
            attempts: the solutions tried after conflicts. The record of a revision is removed when its change
                is done.
        """
        self._session, self._database, self._feed = session, database, feed
        self._options, self._ledger, self._attempts = options, ledger, attempts
        self._later: deque[tuple[float, ChangeInFlight]] = deque()
        """Changes to retry, each with the time of the retry, ordered by time."""
        self._failed_for_now: dict[str, _Failed] = {}
        """Temporary failures that the next replication must retry, by document id."""
        self._conflicts: dict[str, tuple[float, model.DocumentChange]] = {}
        """Changes to propose again after a conflict, as (time, change) by document id, ordered by time."""
        self._faults: dict[tuple[str, str], int] = {}
        """Number of HTTP 500 replies to each revision, by document id and revision id."""
        self._parts: dict[int, int] = {}
        """Number of revisions not done yet, by local sequence, for changes with two or more of them."""
        self._held: dict[str, str] = {}
        self._held_since = 0.0

    def expect(self, parts: Mapping[int, int]) -> None:
        """Set the number of revisions that are announced for each change.

        A change is complete when all its revisions are done. `parts` contains the number of revisions of each
        change, by local sequence.
        """
        self._parts.update({sequence: count for sequence, count in parts.items() if count > 1})

    def done(self, change: model.DocumentChange) -> None:
        """Record that a change is done: the peer has stored it or did not request it, or it was replaced."""
        sequence = change.sequence
        self._attempts.forget(change.id, change.rev)
        self._forget_failed(change)
        self._ledger.progress.completed += 1
        left = self._parts.pop(sequence, 1) - 1
        if left:
            self._parts[sequence] = left
        elif not self._feed.is_complete(sequence):
            self._feed.complete(sequence)

    def confirmed(self, change: model.DocumentChange) -> None:
        """Record that the peer has confirmed that it has a change's revision."""
        if self._options.acknowledged is not None:
            self._options.acknowledged(change)
        self._ledger.settled(Direction.PUSH, change.id)
        self.done(change)

    def failed(self, change: model.DocumentChange, status: int, text: str) -> None:
        """Record and report that the transfer of a change has failed permanently."""
        self.done(change)
        self._tell(change, Problem(Domain.WEBSOCKET, status, text))

    def failed_until_next(self, change: model.DocumentChange, status: int, text: str) -> None:
        """Report a failure that a user must resolve. The same reason is reported only once.

        A continuous replication retries the change later on this connection (`conflicts_due`). The next
        replication retries it in any case.
        """
        problem = Problem(Domain.WEBSOCKET, status, text)
        if self._fail_for_now(change, problem):
            self._ledger.confirm(Direction.PUSH, change.id, change.rev, problem)
        else:
            self._tell(change, problem)
        self._conflicts.pop(change.id, None)
        if self._options.continuous and len(self._conflicts) < limits.CONFLICTS_RETRIED:
            self._conflicts[change.id] = (self._session.clock() + limits.RETRY_CONFLICT, change)

    def failed_transiently(self, sending: ChangeInFlight, status: int, reason: str) -> None:
        """Report a temporary failure of a change. This connection or the next replication retries it.

        The checkpoint does not advance past the change.
        """
        change = sending.change
        text = f"{change.id}: {reason or 'the peer cannot accept the document now'}"
        if status == HTTPStatus.INTERNAL_SERVER_ERROR and self._is_hopeless(change):
            self.failed(change, status, text)
            return
        problem = Problem(Domain.WEBSOCKET, status, text)
        self._tell(change, problem, is_transient=True)
        if self._options.continuous:
            self._forget_failed(change)
            delay = limits.RETRY_REFUSED if status == HTTPStatus.TOO_MANY_REQUESTS else limits.RETRY_DOCUMENT
            insort(self._later, (self._session.clock() + delay, sending), key=itemgetter(0))
        else:
            self._fail_for_now(change, problem)

    def _is_hopeless(self, change: model.DocumentChange) -> bool:
        """Count one more HTTP 500 reply to a revision. Return True if the revision should not be retried."""
        if self._ledger.failed is None or not self._options.continuous:
            return False
        faults = self._faults.pop((change.id, change.rev), 0) + 1
        if faults < limits.FAULTS_MOST:
            while len(self._faults) >= limits.ATTEMPTS_KEPT:
                del self._faults[next(iter(self._faults))]
            self._faults[change.id, change.rev] = faults
        return faults >= limits.FAULTS_MOST

    def refused(self, changes: list[model.DocumentChange], status: int, text: str) -> None:
        """Report that the peer does not accept changes now, and leave the changes to the next replication."""
        for change in changes:
            problem = Problem(Domain.WEBSOCKET, status, f"{change.id}: {text}")
            self._tell(change, problem, is_transient=True)
            self._fail_for_now(change, problem)

    def _fail_for_now(self, change: model.DocumentChange, problem: Problem) -> bool:
        """Record a failed change, so that the next replication retries it.

        Return True if this failure, with the same reason, was recorded before.
        """
        failed = _Failed(change.sequence, change.rev, problem)
        is_same = self._failed_for_now.get(change.id) == failed
        self._failed_for_now[change.id] = failed
        return is_same

    def _forget_failed(self, change: model.DocumentChange) -> None:
        """Remove the recorded failure of a change, or of an earlier change of the same document."""
        failed = self._failed_for_now.get(change.id)
        if failed is None or failed.sequence > change.sequence:
            return
        del self._failed_for_now[change.id]
        self._conflicts.pop(change.id, None)
        if failed.sequence < change.sequence and not self._feed.is_complete(failed.sequence):
            self._parts.pop(failed.sequence, None)
            self._feed.complete(failed.sequence)

    # Retries

    @property
    def failed_for_now(self) -> int:
        """Number of documents that failed temporarily and that the next replication must retry."""
        return len(self._failed_for_now)

    @property
    def waiting(self) -> int:
        """Number of documents that will be retried on this connection."""
        return len(self._later)

    @property
    def has_retries(self) -> bool:
        """True if any document will be retried on this connection."""
        return bool(self._later)

    def due(self) -> list[ChangeInFlight]:
        """Remove the changes that must be retried now from the queue, and return them."""
        now = self._session.clock() if self._later else 0.0
        due = []
        while self._later and self._later[0][0] <= now:
            _, sending = self._later.popleft()
            sending.attempts = 0
            due.append(sending)
        return due

    def conflicts_due(self, most: int) -> list[model.DocumentChange]:
        """Return up to `most` changes that were rejected as conflicts and must be proposed again now.

        If a newer change has replaced such a change, it is recorded as done instead, because the feed
        contains the newer change.
        """
        now = self._session.clock() if self._conflicts else 0.0
        changes: list[model.DocumentChange] = []
        while self._conflicts and len(changes) < most:
            document_id, (due, change) = next(iter(self._conflicts.items()))
            if due > now:
                break
            del self._conflicts[document_id]
            changes.append(change)
        current = self._database.current([change.id for change in changes]) if changes else {}
        still: list[model.DocumentChange] = []
        for change in changes:
            if current.get(change.id, ("", False))[0] == change.rev:
                still.append(change)
            else:
                self.done(change)
        return still

    def forget_later(self) -> list[ChangeInFlight]:
        """Cancel all retries. Return the changes that failed temporarily and were waiting for a retry."""
        waiting = [sending for _, sending in self._later]
        self._later.clear()
        self._conflicts.clear()
        return waiting

    @property
    def conflicts_deadline(self) -> float | None:
        """Time at which `conflicts_due` returns the next change; None if no change is waiting."""
        return next((due for due, _ in self._conflicts.values()), None)

    @property
    def deadline(self) -> float | None:
        """Time of the next retry, or of the next write to the store; None if neither is scheduled."""
        times = [due for due, _ in islice(self._later, 1)]
        if self._held:
            times.append(self._held_since + _HOLD_FOR)
        return min(times, default=None)

    # The peer's revisions

    def hold(self, document_id: str, revision: str) -> None:
        """Record that the peer has a certain revision of a document."""
        if self._session.remote is not None and self._options.keeps(document_id):
            if not self._held:
                self._held_since = self._session.clock()
            self._held[document_id] = revision

    def known_revision(self, document_id: str) -> str | None:
        """Return the id of the revision of a document that the peer is known to have, or None."""
        remote, known = self._session.remote, self._held.get(document_id)
        if known is None and remote is not None:
            return self._database.remote_revision(document_id, remote)
        return known

    def settle_if_due(self) -> None:
        """Store the ids of the peer's known revisions if there are many of them or some time has passed."""
        if self._held and (
            len(self._held) >= limits.BATCH or self._session.clock() >= self._held_since + _HOLD_FOR
        ):
            self.settle()

    def settle(self) -> None:
        """Store the ids of the revisions that the peer is known to have."""
        remote = self._session.remote
        held, self._held = self._held, {}
        if remote is not None and held:
            with self._database.transaction():
                for document_id, revision in held.items():
                    self._database.set_remote_revision(document_id, remote, revision)

    def _tell(self, change: model.DocumentChange, problem: Problem, *, is_transient: bool = False) -> None:
        self._ledger.tell(
            DocumentEnded(
                Direction.PUSH, change.id, change.rev, change.deleted, problem, is_transient=is_transient
            )
        )
