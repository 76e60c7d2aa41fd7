"""Sends what has changed here: the feed of changes, proposed or told; the revisions that are wanted.

    feed ──lists──► changes / proposeChanges ──replies──► wanted ──► rev ──replies──► done

The active peer pushes by proposing, the passive one serves a subscription by telling. A change is done when
the other side has it durably, or does not want it; only then does the feed's progress say so.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Final, Protocol

import msgspec

from sync import delta
from sync.blip import ErrorReceived
from sync.peer import tuning, wire_bodies
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction, DocumentEnded, Ledger
from sync.peer.selection import EVERYTHING, FilterError, Selection
from sync.peer.session import Reply, Session
from sync.replication.messages import (
    Change,
    Changes,
    ChangesReply,
    Failure,
    Gone,
    NoRev,
    Proposal,
    ProposeChanges,
    ProposeChangesReply,
    Rev,
    Terms,
)
from sync.store import Database, Revision, model, revisions

_DELTA_OVERHEAD: Final = 50
"""Bytes that naming the base costs."""
_LARGEST: Final = 20 * 1024 * 1024
"""Bytes of a body: Sync Gateway's limit, and below that of our own BLIP's messages."""
_KNOWN: Final = 304
_TOO_LARGE: Final = 413
_CONFLICT: Final = 409
_FORBIDDEN: Final = 403
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_DELTA_REFUSED: Final = frozenset({404, 415, 422})
"""Statuses by which peers say that they lack the base or cannot apply the delta."""


class Feed(Protocol):
    """Where in the feed we are; `sync.replication.checkpoint.PushProgress` is one."""

    def is_complete(self, sequence: int) -> bool:
        """Whether this change need not be sent."""

    def scanned(self, through: int, pending: "list[int]") -> None:
        """The feed was read so far; of what was new, only these are to be sent."""

    def complete(self, sequence: int) -> None:
        """One is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How a feed is sent."""

    proposes: bool
    """The active peer proposes changes; the passive one tells them."""
    continuous: bool
    selection: Selection = EVERYTHING
    batch: int = tuning.BATCH
    deltas: bool = True
    keeps: Callable[[str], bool] = lambda _: True
    """Of which documents is kept which revision the peer holds: not of those that never change."""
    bridges_gaps: bool = False
    """Whether a history must have every generation in it."""
    may_be_pulled: bool = False
    """The same replication pulls: so a conflict resolves itself."""
    insists: bool = False
    """Whether the peer is a Sync Gateway that takes lists of changes only if they insist; see `Changes`."""


class _Sending(msgspec.Struct, gc=False):
    """One change on its way."""

    change: model.Change
    ancestors: tuple[str, ...] = ()
    """Known to be there, nearest first."""
    as_delta: bool = True
    attempts: int = 0
    size: int = 0
    then: "_Sending | None" = None
    """It is the tombstone of a branch: what is sent once that is there."""
    forks: frozenset[str] = frozenset()
    """Of a revision that took such a branch's place: the ancestors of both."""


class Sender:
    """Sends one feed on one session."""

    def __init__(
        self,
        session: Session,
        database: Database,
        feed: Feed,
        *,
        since: int,
        options: SendOptions,
        ledger: Ledger,
        echo: dict[str, str],
    ) -> None:
        """`since`: the local sequence from which the feed is read; `echo`: revisions that the peer gave us
        in this session, by document."""
        self._session, self._database, self._feed, self._ledger = session, database, feed, ledger
        self._options, self._echo = options, echo
        self._scanned = since
        self.refused: Problem | None = None
        """Why nothing is pushed any more, while the rest goes on."""
        self._woken = True
        self._told_all = False
        self._lists = 0
        self._again: set[tuple[str, str]] = set()
        """Revisions that were proposed a second time."""
        self._echoed: model.Change | None = None
        """The last change of a scan that came from the peer itself."""
        self._wanted: deque[_Sending] = deque()
        self._ahead: dict[int, Revision] = {}
        """Revisions read before their turn, by sequence."""
        self._later: deque[tuple[float, _Sending]] = deque()
        self._in_flight = 0
        self._bytes = 0
        self._failed_for_now = 0
        self._held: dict[str, str] = {}
        self._held_since = 0.0
        self._terms = Terms(deltas=False)

    # What the owner asks

    def wake(self) -> None:
        """The store has changed."""
        if self.refused is None:
            self._woken = self._woken or self._options.continuous or not self._told_all

    @property
    def is_idle(self) -> bool:
        """Whether everything that is known here is done, or failed."""
        return not (self._woken or self._lists or self._wanted or self._later or self._in_flight)

    @property
    def behind(self) -> int:
        """Changes that the other side may not have yet: at most so many, and none only if there are none."""
        unread = max(0, self._database.last_sequence - self._scanned)
        return unread + len(self._wanted) + len(self._later) + self._in_flight + self._lists

    @property
    def is_over(self) -> bool:
        """Whether nothing new will be told: a subscription that was not continuous has had all there was."""
        return self._told_all and not self._options.continuous

    @property
    def deadline(self) -> float | None:
        """When `pump` has something to do even if nothing happens."""
        times = [due for due, _ in self._later]
        if self._held:
            times.append(self._held_since + _HOLD_FOR)
        return min(times, default=None)

    # Work

    def pump(self) -> None:
        """Send what may be sent now."""
        session, connection = self._session, self._session.connection
        if self._later:
            self._retry(session.clock())
        while (
            self._wanted
            and self._in_flight < tuning.REVISIONS_AWAITING
            and self._bytes < tuning.BYTES_AWAITING
            and connection.queued < tuning.MESSAGES_QUEUED
        ):
            self._send(self._wanted.popleft())
        while (
            self._woken
            and self._lists < tuning.LISTS_AWAITING
            and len(self._wanted) < tuning.BATCH
            and not session.is_over
        ):
            self._scan()
        if not (self._woken or self._told_all or self._options.proposes or session.is_over):
            self._tell_all()
        if self._held and (
            len(self._held) >= tuning.BATCH or session.clock() >= self._held_since + _HOLD_FOR
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

    # The feed

    def _scan(self) -> None:
        database, options = self._database, self._options
        last = database.last_sequence  # before reading: what comes later has a higher one
        found = database.changes(self._scanned, limit=options.batch)
        if len(found) < options.batch:
            self._woken = False
            through = max(last, found[-1].sequence if found else 0)
        else:
            through = found[-1].sequence
        through = max(through, self._scanned)
        self._echoed = None
        try:
            pending = [change for change in found if self._is_to_send(change)]
        except FilterError as error:
            self._session.end(Problem(Domain.STORE, 0, str(error)))
            return
        if not options.proposes:
            self._move_past_echoes(pending)
        self._scanned = through
        self._feed.scanned(through, [change.sequence for change in pending])
        self._ledger.progress.total += len(pending)
        if pending:
            self._lists += 1
            self._announce(pending)

    def _tell_all(self) -> None:
        if self._options.insists and self._lists:
            return  # An active Sync Gateway hangs up at once, though it has not looked at the lists before.
        self._told_all = True
        self._session.request(Changes((), self._session.collection, insists=self._options.insists).encode())

    def _is_to_send(self, change: model.Change) -> bool:
        if self._feed.is_complete(change.sequence):
            return False
        if self._echo and self._echo.pop(change.id, None) == change.rev:
            self._echoed = change
            return False
        selection = self._options.selection
        return selection.is_everything or selection.wants(self._database, change.id, deleted=change.deleted)

    def _move_past_echoes(self, pending: list[model.Change]) -> None:
        """Of what the peer itself gave us it is told the last, if nothing follows: so its place moves on."""
        echoed = self._echoed
        if echoed is not None and (not pending or pending[-1].sequence < echoed.sequence):
            pending.append(echoed)

    def _announce(self, pending: list[model.Change]) -> None:
        session = self._session
        if self._options.proposes:
            parents = [self._parent(change) for change in pending]
            session.request(
                ProposeChanges(
                    tuple(
                        [
                            Proposal(change.id, change.rev, parent, change.size)
                            for change, parent in zip(pending, parents, strict=True)
                        ]
                    ),
                    conflict_includes_revision=True,
                    collection=session.collection,
                ).encode(),
                self._judged,
                (pending, parents),
            )
        else:
            session.request(
                Changes(
                    tuple(
                        [
                            Change(
                                str(change.sequence),
                                change.id,
                                change.rev,
                                Gone.DELETED if change.deleted else Gone.NO,
                                change.size,
                            )
                            for change in pending
                        ]
                    ),
                    collection=session.collection,
                    insists=self._options.insists,
                ).encode(),
                self._answered,
                pending,
            )

    def _parent(self, change: model.Change) -> str | None:
        """The ancestor that the peer is known to hold; else a guess, which it corrects if it is wrong."""
        if revisions.generation(change.rev) == 1:
            return None
        remote, known = self._session.remote, self._held.get(change.id)
        if known is None and remote is not None:
            known = self._database.remote_revision(change.id, remote)
        until = () if known is None else (known,)
        found = self._database.revision(change.id, change.rev, ancestors=until)
        if found is None or not found.history:
            return None
        return found.history[-1] if found.history[-1] in until else found.history[0]

    # Replies to the lists

    def _judged(self, reply: Reply, given: "tuple[list[model.Change], list[str | None]]") -> None:
        self._lists -= 1
        changes, parents = given
        if isinstance(reply, ErrorReceived):
            self._list_refused(reply, changes)
            return
        answer = ProposeChangesReply.decode(reply, self._session.limits, asked=len(changes))
        self._take_terms(answer.terms)
        for change, parent, verdict in zip(changes, parents, answer.verdicts, strict=True):
            if verdict.status == 0:
                self._wanted.append(_Sending(change, () if parent is None else (parent,), size=change.size))
            elif verdict.status == _KNOWN:
                self._hold(change.id, change.rev)
                self._done(change.sequence)
            elif verdict.status == _CONFLICT:
                self._contested(change, verdict.current)
            elif verdict.status in _TRANSIENT:
                sending = _Sending(change, () if parent is None else (parent,), size=change.size)
                self._failed_transiently(sending, verdict.status, "")
            else:
                self._failed(change, verdict.status, f"{change.id}: the peer refuses it")

    def _answered(self, reply: Reply, changes: list[model.Change]) -> None:
        self._lists -= 1
        if isinstance(reply, ErrorReceived):
            self._list_refused(reply, changes)
            return
        answer = ChangesReply.decode(reply, self._session.limits, asked=len(changes))
        self._take_terms(answer.terms)
        for change, wanted in zip(changes, answer.answers, strict=True):
            if isinstance(wanted, tuple):
                self._wanted.append(_Sending(change, wanted, size=change.size))
            else:
                self._done(change.sequence)

    def _list_refused(self, reply: ErrorReceived, changes: list[model.Change]) -> None:
        """Nothing of it is done; where we may not write, we still may pull."""
        failure = Failure.decode(reply)
        text = failure.text or str(failure.code)
        status = failure.status or failure.code
        problem = Problem(Domain.WEBSOCKET, status, f"the peer does not take our changes: {text}")
        for change in changes:
            refused = Problem(Domain.WEBSOCKET, status, f"{change.id}: {text}")
            self._ledger.tell(
                DocumentEnded(
                    Direction.PUSH, change.id, change.rev, change.deleted, refused, is_transient=True
                )
            )
        if status == _FORBIDDEN and self._options.may_be_pulled:
            self.refused = problem
            self._wanted.clear()
            self._later.clear()
            self._woken = False
        else:
            self._session.end(problem)

    def _take_terms(self, terms: Terms) -> None:
        deltas = self._terms.deltas if terms.deltas is None else terms.deltas
        self._terms = Terms(terms.max_history, deltas, terms.blobs, terms.send_replacements)

    def _contested(self, change: model.Change, current: str | None) -> None:
        """The peer holds something that `change` was not proposed to follow; perhaps it does all the same."""
        if current is None or current == change.rev:
            self._conflict(change)
            return
        found = self._database.revision(change.id, change.rev, ancestors=(current,))
        if found is None:
            self._done(change.sequence)  # replaced meanwhile: what replaced it comes later in the feed
        elif current in found.history:
            self._wanted.append(_Sending(change, (current,), size=change.size))
        elif (closing := self._closing(change, current)) is not None:
            self._wanted.append(closing)
        else:
            self._conflict(change)

    def _closing(self, change: model.Change, current: str) -> _Sending | None:
        """The tombstone by which a conflict was ended here, of the branch that the peer is still on; if the
        peer has that already, what follows it."""
        for leaf in self._database.leaves(change.id)[1:]:
            if not leaf.deleted:
                continue
            found = self._database.revision(change.id, leaf.rev, ancestors=(current,))
            if found is not None and (leaf.rev == current or current in found.history):
                line = self._database.revision(change.id, leaf.rev)
                forks = frozenset(() if line is None else line.history)
                following = _Sending(change, size=change.size, forks=forks)
                if leaf.rev == current:
                    return None if change.deleted else following
                tombstone = model.Change(change.sequence, change.id, leaf.rev, True, False, len(leaf.raw))
                return _Sending(tombstone, (current,), then=following)
        return None

    def _conflict(self, change: model.Change) -> None:
        if self._options.may_be_pulled:
            # The peer's revision comes, or has come, by our own pull; its resolution is a new change.
            self._done(change.sequence)
        else:
            self._failed(
                change, _CONFLICT, f"{change.id}: the peer has another revision; pull to resolve that"
            )

    # Revisions

    def _send(self, sending: _Sending) -> None:
        change, terms, options = sending.change, self._terms, self._options
        history = tuning.HISTORY if terms.max_history is None else min(terms.max_history, tuning.HISTORY)
        found = self._read(sending, history)
        replaced = None
        if found is None:
            if sending.then is not None:
                self._done(change.sequence)  # the conflict is another by now, and comes later in the feed
                return
            found = self._replacement(sending, history)
            if found is None:
                return
            replaced = change.rev
        body, source = found.raw, None
        if sending.as_delta and options.deltas and terms.deltas and sending.ancestors and not found.deleted:
            body, source = self._delta(found, sending.ancestors, blobs=terms.blobs)
        if source is None and not terms.blobs:
            body = wire_bodies.to_gateway(body, revisions.generation(found.rev))
        if len(body) > _LARGEST:
            self._failed(change, _TOO_LARGE, f"{change.id}: with {len(body)} bytes too large to be sent")
            return
        progress = self._ledger.progress
        progress.deltas_pushed += source is not None
        sending.size = len(body)
        self._in_flight += 1
        self._bytes += sending.size
        sending.attempts += 1
        self._session.request(
            Rev(
                found.id,
                found.rev,
                body,
                str(change.sequence),
                found.deleted,
                tuple(self._history(found, sending)),
                source,
                options.proposes,
                replaced,
                self._session.collection,
            ).encode(),
            self._delivered,
            sending,
        )

    def _read(self, sending: _Sending, history: int) -> Revision | None:
        """The revision to send; with those that follow it in the feed, if they are of those that never
        change: one by one, most of the time would go into finding them."""
        change = sending.change
        found = self._ahead.pop(change.sequence, None)
        if found is None and not sending.ancestors and self._wanted and not sending.attempts:
            self._ahead.clear()
            first = last = change.sequence
            size = 0
            for following in islice(self._wanted, tuning.READ_AHEAD):
                size += following.size
                if following.change.sequence != last + 1 or size > tuning.COMMIT_BYTES:
                    break
                last += 1
            if last > first:
                self._ahead = self._database.first_revisions(first, last)
                found = self._ahead.pop(first, None)
        if found is not None and (found.id, found.rev) == (change.id, change.rev):
            return found
        return self._database.revision(change.id, change.rev, ancestors=sending.ancestors, limit=history)

    def _history(self, found: Revision, sending: _Sending) -> list[str]:
        history = found.history
        if sending.forks and sending.attempts > 1:
            history = list(takewhile(lambda ancestor: ancestor not in sending.forks, history))
        return revisions.bridged(found.rev, history) if self._options.bridges_gaps else history

    def _replacement(self, sending: _Sending, history: int) -> Revision | None:
        """What is current now, if the peer takes that instead; else it is told, and the feed goes on."""
        change = sending.change
        if not self._options.proposes:
            current = self._database.get(change.id) if self._terms.send_replacements else None
            if (
                current is not None
                and current.rev != change.rev
                and self._options.selection.shows(self._database, change.id, deleted=current.deleted)
            ):
                return self._database.revision(
                    change.id, current.rev, ancestors=sending.ancestors, limit=history
                )
            self._session.request(
                NoRev(
                    change.id, change.rev, str(change.sequence), collection=self._session.collection
                ).encode()
            )
        self._done(change.sequence)
        return None

    def _delta(self, found: Revision, ancestors: tuple[str, ...], *, blobs: bool) -> tuple[bytes, str | None]:
        for ancestor in ancestors[:2]:
            base = self._database.get(found.id, rev=ancestor)
            if base is None or base.deleted:
                continue
            old, new = base.raw, found.raw
            if not blobs:  # the peer holds what it was shown
                old = wire_bodies.to_gateway(old, revisions.generation(ancestor))
                new = wire_bodies.to_gateway(new, revisions.generation(found.rev))
            made = delta.make_json(old, new, overhead=_DELTA_OVERHEAD)
            if made is not None:
                return made, ancestor
            break
        return found.raw, None

    def _delivered(self, reply: Reply, sending: _Sending) -> None:
        self._in_flight -= 1
        self._bytes -= sending.size
        change = sending.change
        if not isinstance(reply, ErrorReceived):
            if sending.then is not None:
                self._wanted.append(sending.then)
                return
            progress = self._ledger.progress
            progress.pushed += 1
            progress.body_bytes_pushed += sending.size
            self._hold(change.id, change.rev)
            self._done(change.sequence)
            if self._ledger.listens or self._ledger.failures:
                self._ledger.tell(DocumentEnded(Direction.PUSH, change.id, change.rev, change.deleted))
            return
        failure = Failure.decode(reply)
        status = failure.status
        if status in _DELTA_REFUSED and sending.as_delta and sending.ancestors and sending.attempts == 1:
            sending.as_delta = False
            self._wanted.appendleft(sending)
        elif status == _KNOWN and sending.then is not None:
            self._wanted.append(sending.then)
        elif status == _KNOWN:
            self._done(change.sequence)
        elif status == _CONFLICT and sending.attempts == 1 and sending.forks:
            self._wanted.append(sending)  # Sync Gateway takes it as a branch of its own alone
        elif status == _CONFLICT and self._options.proposes:
            self._propose_again(change if sending.then is None else sending.then.change)
        elif status in _TRANSIENT or status == 0:
            self._failed_transiently(sending, status, failure.text)
        else:
            self._failed(change, status, f"{change.id}: {failure.text or 'the peer refuses it'}")

    def _propose_again(self, change: model.Change) -> None:
        """What was allowed is a conflict after all: the peer's document has changed meanwhile, to what?"""
        if (change.id, change.rev) in self._again:
            self._conflict(change)
            return
        if len(self._again) >= tuning.BATCH:
            self._again.clear()
        self._again.add((change.id, change.rev))
        self._lists += 1
        self._announce([change])

    # Outcomes

    def _done(self, sequence: int) -> None:
        self._feed.complete(sequence)
        self._ledger.progress.completed += 1

    def _failed(self, change: model.Change, status: int, text: str) -> None:
        self._done(change.sequence)
        self._ledger.tell(
            DocumentEnded(
                Direction.PUSH,
                change.id,
                change.rev,
                change.deleted,
                Problem(Domain.WEBSOCKET, status, text),
            )
        )

    def _failed_transiently(self, sending: _Sending, status: int, reason: str) -> None:
        """The checkpoint leaves it open, so that it is sent again: here, or by the next replication."""
        change = sending.change
        text = f"{change.id}: {reason or 'the peer cannot take it now'}"
        self._ledger.tell(
            DocumentEnded(
                Direction.PUSH,
                change.id,
                change.rev,
                change.deleted,
                Problem(Domain.WEBSOCKET, status, text),
                is_transient=True,
            )
        )
        if self._options.continuous:
            self._later.append((self._session.clock() + tuning.RETRY_DOCUMENT, sending))
        else:
            self._failed_for_now += 1

    @property
    def failed_for_now(self) -> int:
        """Documents that the next replication must try again."""
        return self._failed_for_now

    def _retry(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            _, sending = self._later.popleft()
            sending.attempts = 0
            self._wanted.append(sending)

    def _hold(self, document_id: str, revision: str) -> None:
        if self._session.remote is not None and self._options.keeps(document_id):
            if not self._held:
                self._held_since = self._session.clock()
            self._held[document_id] = revision


_HOLD_FOR: Final = 1.0
"""Seconds until what the peer holds is written down. If it is lost, a delta less is sent, or one question
more asked."""
