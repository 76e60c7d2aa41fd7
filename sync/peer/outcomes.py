"""What became of each change that was to be sent: done, failed, to be tried again; what the peer holds."""

from bisect import insort
from collections import deque
from collections.abc import Mapping
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple

from sync.peer.attempts import Attempts
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction, DocumentEnded, Ledger
from sync.peer.session import Session
from sync.store import Database, model

from . import limits
from .sender_types import Feed, Sending, SendOptions

TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
CONFLICT: Final = 409
_FAULT: Final = 500
_TOO_MANY: Final = 429
_HOLD_FOR: Final = 1.0
"""Seconds until what the peer holds is written down. If it is lost, a delta less is sent, or one question
more asked."""


class _Failed(NamedTuple):
    """A document that failed for now, by its newest change."""

    sequence: int
    revision: str
    problem: Problem
    """As it was told."""


class Outcomes:
    """Keeps the feed's progress, the ledger, and what the peer is known to hold."""

    def __init__(
        self,
        session: Session,
        database: Database,
        feed: Feed,
        *,
        options: SendOptions,
        ledger: Ledger,
        attempts: Attempts,
    ) -> None:
        """`attempts`: the ways tried for each revision, forgotten once that is done with."""
        self._session, self._database, self._feed = session, database, feed
        self._options, self._ledger, self._attempts = options, ledger, attempts
        self._later: deque[tuple[float, Sending]] = deque()
        """What is to be tried again, in the order of time."""
        self._failed_for_now: dict[str, _Failed] = {}
        """By document."""
        self._conflicts: dict[str, tuple[float, model.Change]] = {}
        """By document, the changes of these that are proposed again here, and when; in that order."""
        self._faults: dict[tuple[str, str], int] = {}
        """Times that the peer failed on a revision."""
        self._parts: dict[int, int] = {}
        """Of changes that several revisions are told of, how many are not done."""
        self._held: dict[str, str] = {}
        self._held_since = 0.0

    def expect(self, parts: Mapping[int, int]) -> None:
        """By sequence, how many revisions are told of each change: it is done when all of them are."""
        self._parts.update({sequence: count for sequence, count in parts.items() if count > 1})

    def done(self, change: model.Change) -> None:
        """Take note that the other side has a change durably or does not want it, or that it was replaced."""
        sequence = change.sequence
        self._attempts.forget(change.id, change.rev)
        self._forget_failed(change)
        self._ledger.progress.completed += 1
        left = self._parts.pop(sequence, 1) - 1
        if left:
            self._parts[sequence] = left
        elif not self._feed.is_complete(sequence):
            self._feed.complete(sequence)

    def taken(self, change: model.Change) -> None:
        """The other side has said that it has it."""
        if self._options.acknowledged is not None:
            self._options.acknowledged(change)
        self._ledger.settled(Direction.PUSH, change.id)
        self.done(change)

    def failed(self, change: model.Change, status: int, text: str) -> None:
        """It will not be tried again."""
        self.done(change)
        self._tell(change, Problem(Domain.WEBSOCKET, status, text))

    def failed_until_next(self, change: model.Change, status: int, text: str) -> None:
        """Tell of a failure which somebody must settle. It is not told again while it stays the same.

        A continuous replication tries it again on this connection, after a while (`conflicts_due`); in any
        case the next replication does.
        """
        problem = Problem(Domain.WEBSOCKET, status, text)
        if self._fail_for_now(change, problem):
            self._ledger.confirm(Direction.PUSH, change.id, change.rev, problem)
        else:
            self._tell(change, problem)
        self._conflicts.pop(change.id, None)
        if self._options.continuous and len(self._conflicts) < limits.CONFLICTS_RETRIED:
            self._conflicts[change.id] = (self._session.clock() + limits.RETRY_CONFLICT, change)

    def failed_transiently(self, sending: Sending, status: int, reason: str) -> None:
        """The checkpoint leaves it open, so that it is sent again: here, or by the next replication."""
        change = sending.change
        text = f"{change.id}: {reason or 'the peer cannot take it now'}"
        if status == _FAULT and self._is_hopeless(change):
            self.failed(change, status, text)
            return
        problem = Problem(Domain.WEBSOCKET, status, text)
        self._tell(change, problem, is_transient=True)
        if self._options.continuous:
            self._forget_failed(change)
            delay = limits.RETRY_REFUSED if status == _TOO_MANY else limits.RETRY_DOCUMENT
            insort(self._later, (self._session.clock() + delay, sending), key=itemgetter(0))
        else:
            self._fail_for_now(change, problem)

    def _is_hopeless(self, change: model.Change) -> bool:
        """Count one more time that the peer failed on a revision; return True if it is given up."""
        if self._ledger.failed is None or not self._options.continuous:
            return False
        faults = self._faults.pop((change.id, change.rev), 0) + 1
        if faults < limits.FAULTS_MOST:
            while len(self._faults) >= limits.ATTEMPTS_KEPT:
                del self._faults[next(iter(self._faults))]
            self._faults[change.id, change.rev] = faults
        return faults >= limits.FAULTS_MOST

    def refused(self, changes: list[model.Change], status: int, text: str) -> None:
        """Tell of changes that are not taken now, and are left for the next replication."""
        for change in changes:
            problem = Problem(Domain.WEBSOCKET, status, f"{change.id}: {text}")
            self._tell(change, problem, is_transient=True)
            self._fail_for_now(change, problem)

    def _fail_for_now(self, change: model.Change, problem: Problem) -> bool:
        """Leave a change for the next replication; return True if it failed for the same reason before."""
        failed = _Failed(change.sequence, change.rev, problem)
        is_same = self._failed_for_now.get(change.id) == failed
        self._failed_for_now[change.id] = failed
        return is_same

    def _forget_failed(self, change: model.Change) -> None:
        """Forget that a document failed by this change, or by an earlier one, which it replaces."""
        failed = self._failed_for_now.get(change.id)
        if failed is None or failed.sequence > change.sequence:
            return
        del self._failed_for_now[change.id]
        self._conflicts.pop(change.id, None)
        if failed.sequence < change.sequence and not self._feed.is_complete(failed.sequence):
            self._parts.pop(failed.sequence, None)
            self._feed.complete(failed.sequence)

    # To be tried again

    @property
    def failed_for_now(self) -> int:
        """Number of documents that the next replication must try again."""
        return len(self._failed_for_now)

    @property
    def waiting(self) -> int:
        """How many documents are to be tried again here."""
        return len(self._later)

    @property
    def waits(self) -> bool:
        """Whether something is to be tried again here."""
        return bool(self._later)

    def due(self) -> list[Sending]:
        """What is to be tried again now."""
        now = self._session.clock() if self._later else 0.0
        found = []
        while self._later and self._later[0][0] <= now:
            _, sending = self._later.popleft()
            sending.attempts = 0
            found.append(sending)
        return found

    def conflicts_due(self, most: int) -> list[model.Change]:
        """Return the changes refused as conflicts that are to be proposed again now, or `most` of them.

        Those that were replaced meanwhile are done with: what replaced them comes by the feed.
        """
        now = self._session.clock() if self._conflicts else 0.0
        found: list[model.Change] = []
        while self._conflicts and len(found) < most:
            document_id, (due, change) = next(iter(self._conflicts.items()))
            if due > now:
                break
            del self._conflicts[document_id]
            found.append(change)
        current = self._database.current([change.id for change in found]) if found else {}
        still: list[model.Change] = []
        for change in found:
            if current.get(change.id, ("", False))[0] == change.rev:
                still.append(change)
            else:
                self.done(change)
        return still

    def forget_later(self) -> list[Sending]:
        """Try nothing again; return what failed for the moment and was to be tried again."""
        waiting = [sending for _, sending in self._later]
        self._later.clear()
        self._conflicts.clear()
        return waiting

    @property
    def conflicts_deadline(self) -> float | None:
        """Return the time from which `conflicts_due` returns something; None if nothing waits."""
        return next((due for due, _ in self._conflicts.values()), None)

    @property
    def deadline(self) -> float | None:
        """When there is something to do even if nothing happens."""
        times = [due for due, _ in islice(self._later, 1)]
        if self._held:
            times.append(self._held_since + _HOLD_FOR)
        return min(times, default=None)

    # What the peer holds

    def hold(self, document_id: str, revision: str) -> None:
        """The peer holds this revision."""
        if self._session.remote is not None and self._options.keeps(document_id):
            if not self._held:
                self._held_since = self._session.clock()
            self._held[document_id] = revision

    def held(self, document_id: str) -> str | None:
        """The revision that the peer is known to hold."""
        remote, known = self._session.remote, self._held.get(document_id)
        if known is None and remote is not None:
            return self._database.remote_revision(document_id, remote)
        return known

    def settle_if_due(self) -> None:
        """Write down what the peer holds, now and then."""
        if self._held and (
            len(self._held) >= limits.BATCH or self._session.clock() >= self._held_since + _HOLD_FOR
        ):
            self.settle()

    def settle(self) -> None:
        """Write down which revisions the peer is known to hold."""
        remote = self._session.remote
        held, self._held = self._held, {}
        if remote is not None and held:
            with self._database.transaction():
                for document_id, revision in held.items():
                    self._database.set_remote_revision(document_id, remote, revision)

    def _tell(self, change: model.Change, problem: Problem, *, is_transient: bool = False) -> None:
        self._ledger.tell(
            DocumentEnded(
                Direction.PUSH, change.id, change.rev, change.deleted, problem, is_transient=is_transient
            )
        )
