"""What became of each change that was to be sent: done, failed, to be tried again; what the peer holds."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from sync.peer import tuning
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction, DocumentEnded, Ledger
from sync.peer.sending import Feed, Sending, SendOptions
from sync.peer.session import Session
from sync.store import Database, model

TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
CONFLICT: Final = 409
_FAULT: Final = 500
_HOLD_FOR: Final = 1.0
"""Seconds until what the peer holds is written down. If it is lost, a delta less is sent, or one question
more asked."""


class Outcomes:
    """Keeps the feed's progress, the ledger, and what the peer is known to hold."""

    def __init__(
        self, session: Session, database: Database, feed: Feed, options: SendOptions, ledger: Ledger
    ) -> None:
        self._session, self._database, self._feed = session, database, feed
        self._options, self._ledger = options, ledger
        self._later: deque[tuple[float, Sending]] = deque()
        self._failed_for_now: set[str] = set()
        self._faults: dict[tuple[str, str], int] = {}
        """Times that the peer failed on a revision."""
        self._parts: dict[int, int] = {}
        """Of changes that several revisions are told of, how many are not done."""
        self._held: dict[str, str] = {}
        self._held_since = 0.0

    def expect(self, parts: Mapping[int, int]) -> None:
        """By sequence, how many revisions are told of each change: it is done when all of them are."""
        self._parts.update({sequence: count for sequence, count in parts.items() if count > 1})

    def done(self, sequence: int) -> None:
        """The other side has it durably, or does not want it."""
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
        self._failed_for_now.discard(change.id)
        self._ledger.settled(Direction.PUSH, change.id)
        self.done(change.sequence)

    def failed(self, change: model.Change, status: int, text: str) -> None:
        """It will not be tried again."""
        self.done(change.sequence)
        self._tell(change, Problem(Domain.WEBSOCKET, status, text))

    def failed_until_next(self, change: model.Change, status: int, text: str) -> None:
        """Tell of a failure that is not tried again on this connection, but by the next replication."""
        self._tell(change, Problem(Domain.WEBSOCKET, status, text))
        self._failed_for_now.add(change.id)

    def failed_transiently(self, sending: Sending, status: int, reason: str) -> None:
        """The checkpoint leaves it open, so that it is sent again: here, or by the next replication."""
        change = sending.change
        text = f"{change.id}: {reason or 'the peer cannot take it now'}"
        if status == _FAULT and self._is_hopeless(change):
            self.failed(change, status, text)
            return
        self._tell(change, Problem(Domain.WEBSOCKET, status, text), is_transient=True)
        if self._options.continuous:
            self._later.append((self._session.clock() + tuning.RETRY_DOCUMENT, sending))
        else:
            self._failed_for_now.add(change.id)

    def _is_hopeless(self, change: model.Change) -> bool:
        """Count one more time that the peer failed on a revision; return True if it is given up."""
        if self._ledger.failed is None or not self._options.continuous:
            return False
        faults = self._faults.pop((change.id, change.rev), 0) + 1
        if faults < tuning.FAULTS_MOST:
            if len(self._faults) >= tuning.BATCH:
                self._faults.clear()
            self._faults[change.id, change.rev] = faults
        return faults >= tuning.FAULTS_MOST

    def refused(self, changes: list[model.Change], status: int, text: str) -> None:
        """Nothing of this list is taken now."""
        for change in changes:
            problem = Problem(Domain.WEBSOCKET, status, f"{change.id}: {text}")
            self._tell(change, problem, is_transient=True)

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

    def forget_later(self) -> None:
        """Try nothing again."""
        self._later.clear()

    @property
    def deadline(self) -> float | None:
        """When there is something to do even if nothing happens."""
        times = [due for due, _ in self._later]
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
            len(self._held) >= tuning.BATCH or self._session.clock() >= self._held_since + _HOLD_FOR
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
