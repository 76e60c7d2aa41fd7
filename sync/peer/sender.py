"""Sends what has changed here: the feed of changes, proposed or told, and what the peer wants of it.

    feed ──lists──► changes / proposeChanges ──replies──► wanted ──► rev ──replies──► done

The active peer pushes by proposing, the passive one serves a subscription by telling. A change is done when
the other side has it durably, or does not want it; only then does the feed's progress say so. The revisions
themselves are sent by `deliveries`; `outcomes` keeps what became of them.
"""

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Final

from sync.blip import ErrorReceived
from sync.peer import tuning
from sync.peer.deliveries import CONFLICT, KNOWN, TRANSIENT, Deliveries
from sync.peer.echo import Echo
from sync.peer.outcomes import Outcomes
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Ledger
from sync.peer.selection import FilterError
from sync.peer.sending import Feed, Sending, SendOptions
from sync.peer.session import Reply, Session
from sync.replication.messages import (
    Change,
    Changes,
    ChangesReply,
    Failure,
    Gone,
    Proposal,
    ProposeChanges,
    ProposeChangesReply,
)
from sync.store import Database, model, revisions

_FORBIDDEN: Final = 403


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
        echo: Echo,
    ) -> None:
        """`since`: the local sequence from which the feed is read; `echo`: what the peer is known to
        hold of it."""
        self._session, self._database, self._feed, self._ledger = session, database, feed, ledger
        self._options, self._echo = options, echo
        self._scanned = since
        self.refused: Problem | None = None
        """Why nothing is pushed any more, while the rest goes on."""
        self._woken = True
        self._told_all = False
        self._has_paused = False
        """Whether more of the feed is to be read than was in this turn."""
        self._lists = 0
        self._again: set[tuple[str, str]] = set()
        """Revisions that were proposed a second time."""
        self._echoed: model.Change | None = None
        """The last change of a scan that came from the peer itself."""
        self._place: tuple[float, model.Change] | None = None
        """Such a one that is to be told, and when: with it the peer's place in our feed moves on."""
        self._outcomes = Outcomes(session, database, feed, options, ledger)
        self._deliveries = Deliveries(
            session,
            database,
            options=options,
            ledger=ledger,
            outcomes=self._outcomes,
            contested=self._propose_again,
        )

    # What the owner asks

    def wake(self) -> None:
        """The store has changed."""
        if self.refused is None:
            self._woken = self._woken or self._options.continuous or not self._told_all

    @property
    def is_idle(self) -> bool:
        """Whether everything that is known here is done, or failed."""
        return not (self._woken or self._lists or self._outcomes.waits) and self._deliveries.is_idle

    @property
    def behind(self) -> int:
        """Changes that the other side may not have yet: at most so many, and none only if there are none."""
        unread = max(0, self._database.last_sequence - self._scanned)
        return unread + self._lists + self._deliveries.open + self._outcomes.waiting

    @property
    def is_over(self) -> bool:
        """Whether nothing new will be told: a subscription that was not continuous has had all there was."""
        return self._told_all and not self._options.continuous

    @property
    def deadline(self) -> float | None:
        """When `pump` has something to do even if nothing happens."""
        if self._has_paused:
            return self._session.clock()
        due = self._outcomes.deadline
        if self._place is None:
            return due
        return self._place[0] if due is None else min(due, self._place[0])

    @property
    def failed_for_now(self) -> int:
        """Documents that the next replication must try again."""
        return self._outcomes.failed_for_now

    # Work

    def pump(self) -> None:
        """Send what may be sent now."""
        if self.refused is not None:
            self._echo.clear()  # nothing will be told, so nothing need be left out
        for sending in self._outcomes.due():
            self._deliveries.want(sending)
        self._deliveries.pump()
        scans, self._has_paused = 0, False
        while (
            self._woken
            and self._lists < tuning.LISTS_AWAITING
            and self._deliveries.waiting < tuning.BATCH
            and not self._session.is_over
        ):
            if scans == tuning.SCANS_AT_ONCE:
                self._has_paused = True
                break
            scans += 1
            self._scan()
        if not (self._woken or self._told_all or self._options.proposes or self._session.is_over):
            self._tell_all()
        if self._place is not None and self._session.clock() >= self._place[0]:
            self._tell_place(self._place[1])
        self._outcomes.settle_if_due()

    def cannot_pull(self) -> None:
        """The peer gives nothing out: no pull of ours will resolve a conflict, so it is told."""
        self._options = replace(self._options, inquire=None)

    def settle(self) -> None:
        """Write down which revisions the peer is known to hold."""
        self._outcomes.settle()

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
            pending = [end for change in found for end in self._to_send(change)]
        except FilterError as error:
            self._session.end(Problem(Domain.STORE, 0, str(error)))
            return
        if not options.proposes:
            self._move_past_echoes(pending)
        self._scanned = through
        self._echo.read_through(through, is_all=not self._woken)
        parts = Counter(change.sequence for change in pending)
        self._outcomes.expect(parts)
        self._feed.scanned(through, list(parts))
        self._ledger.progress.total += len(pending)
        for first in range(0, len(pending), options.batch):
            self._lists += 1
            self._announce(pending[first : first + options.batch])

    def _tell_all(self) -> None:
        if self._options.insists and self._lists:
            return  # An active Sync Gateway hangs up at once, though it has not looked at the lists before.
        self._told_all = True
        self._session.request(Changes((), self._session.collection, insists=self._options.insists).encode())

    def _to_send(self, change: model.Change) -> list[model.Change]:
        """What is to be told of a change: the current revision; of a document that is deleted all ends."""
        if self._feed.is_complete(change.sequence):
            return []
        is_echo = bool(self._echo) and self._echo.take(change.id) == change.rev
        if is_echo:
            self._echoed = change
            if not change.deleted:
                return []
        selection = self._options.selection
        if not (
            selection.is_everything or selection.wants(self._database, change.id, deleted=change.deleted)
        ):
            return []
        told = self._other_ends(change) if change.deleted else []
        return told if is_echo else [*told, change]

    def _other_ends(self, change: model.Change) -> list[model.Change]:
        """The deletions of a deleted document that are not its current revision.

        The peer may know the current one as the end of a branch that lost long ago, and see the document
        live on another branch: what ended that is one of these.
        """
        ends = self._database.leaves(change.id)
        if not ends or ends[0].rev != change.rev:
            return []  # it has changed meanwhile, and comes later in the feed
        return [replace(change, rev=end.rev, size=len(end.raw)) for end in ends[1:] if end.deleted]

    def _move_past_echoes(self, pending: list[model.Change]) -> None:
        """Of what the peer itself gave us it is told the last, if nothing follows: so its place moves on."""
        echoed = self._echoed
        if echoed is None or (pending and pending[-1].sequence > echoed.sequence):
            self._place = None if pending else self._place
        elif self._options.continuous:
            due = self._session.clock() + tuning.CHECKPOINT_EVERY
            self._place = (due if self._place is None else self._place[0], echoed)
        else:
            pending.append(echoed)

    def _tell_place(self, change: model.Change) -> None:
        self._place = None
        self._lists += 1
        self._ledger.progress.total += 1
        self._announce([change])

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
        known = self._outcomes.held(change.id)
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
        self._deliveries.take_terms(answer.terms)
        for change, parent, verdict in zip(changes, parents, answer.verdicts, strict=True):
            if verdict.status == 0:
                self._deliveries.want(Sending(change, () if parent is None else (parent,), size=change.size))
            elif verdict.status == KNOWN:
                self._outcomes.hold(change.id, change.rev)
                self._outcomes.taken(change)
            elif verdict.status == CONFLICT:
                self._contested(change, verdict.current)
            elif verdict.status in TRANSIENT:
                sending = Sending(change, () if parent is None else (parent,), size=change.size)
                self._outcomes.failed_transiently(sending, verdict.status, "")
            else:
                self._outcomes.failed(change, verdict.status, f"{change.id}: the peer refuses it")

    def _answered(self, reply: Reply, changes: list[model.Change]) -> None:
        self._lists -= 1
        if isinstance(reply, ErrorReceived):
            self._list_refused(reply, changes)
            return
        answer = ChangesReply.decode(reply, self._session.limits, asked=len(changes))
        self._deliveries.take_terms(answer.terms)
        for change, wanted in zip(changes, answer.answers, strict=True):
            if isinstance(wanted, tuple):
                self._deliveries.want(Sending(change, wanted, size=change.size))
            else:
                self._outcomes.done(change.sequence)

    def _list_refused(self, reply: ErrorReceived, changes: list[model.Change]) -> None:
        """Nothing of it is done; where we may not write, we still may pull."""
        failure = Failure.decode(reply)
        text = failure.text or str(failure.code)
        status = failure.status or failure.code
        problem = Problem(Domain.WEBSOCKET, status, f"the peer does not take our changes: {text}")
        self._outcomes.refused(changes, status, text)
        if status == _FORBIDDEN and self._options.may_be_pulled:
            self.refused = problem
            self._deliveries.forget_wanted()
            self._outcomes.forget_later()
            self._woken = False
        else:
            self._session.end(problem)

    def _contested(self, change: model.Change, current: str | None) -> None:
        """The peer holds something that `change` was not proposed to follow; perhaps it does all the same."""
        if current is None or current == change.rev:
            self._conflict(change, current)
            return
        found = self._database.revision(change.id, change.rev, ancestors=(current,))
        if found is None:
            # Replaced meanwhile: what replaced it comes later in the feed.
            self._outcomes.done(change.sequence)
        elif current in found.history:
            self._deliveries.want(Sending(change, (current,), size=change.size))
        elif self._database.is_single_writer(change.id):
            self._overtake(change, current)
        elif self._is_current(change) and (closing := self._closing(change, current)) is not None:
            self._deliveries.want(closing)
        else:
            self._conflict(change, current)

    def _overtake(self, change: model.Change, current: str) -> None:
        """Only one vessel writes the document, and what the peer holds, from another that passed it on, is
        another state of the same line: the newer one stands."""
        if not revisions.newer(change.rev, current):
            self._outcomes.done(change.sequence)
        elif (change.id, current) in self._again:
            self._conflict(change, current)
        else:
            if len(self._again) >= tuning.BATCH:
                self._again.clear()
            self._again.add((change.id, current))
            self._deliveries.want(Sending(change, (current,), size=change.size, onto=current))

    def _closing(self, change: model.Change, current: str) -> Sending | None:
        """The tombstone by which a conflict was ended here, of the branch that the peer is still on; if the
        peer has that already, what follows it."""
        for leaf in self._database.leaves(change.id)[1:]:
            if not leaf.deleted:
                continue
            found = self._database.revision(change.id, leaf.rev, ancestors=(current,))
            if found is not None and (leaf.rev == current or current in found.history):
                line = self._database.revision(change.id, leaf.rev)
                forks = frozenset(() if line is None else line.history)
                following = Sending(change, size=change.size, forks=forks)
                if leaf.rev == current:
                    return None if change.deleted else following
                tombstone = model.Change(change.sequence, change.id, leaf.rev, True, False, len(leaf.raw))
                return Sending(tombstone, (current,), then=following)
        return None

    def _conflict(self, change: model.Change, current: str | None = None) -> None:
        inquire = self._options.inquire
        if not self._is_current(change):
            self._outcomes.done(change.sequence)  # the end of a branch that the peer is not on
        elif inquire is None:
            self._outcomes.failed(
                change, CONFLICT, f"{change.id}: the peer has another revision; pull to resolve that"
            )
        elif current is None:
            self._outcomes.done(change.sequence)
        else:
            # The peer's revision comes, or has come, by our own pull; its resolution is a new change.
            inquire(change.id, current, partial(self._outcomes.done, change.sequence))

    def _is_current(self, change: model.Change) -> bool:
        current, _ = self._database.current([change.id]).get(change.id, (None, False))
        return current == change.rev

    def tell_anew(self, document_id: str) -> None:
        """The peer is on a branch that has ended here: propose what is current, so that it hears of that."""
        found = self._database.get(document_id)
        if found is None or found.sequence > self._scanned or self.refused is not None:
            return
        if self._options.selection.shows(self._database, document_id, deleted=found.deleted):
            self._ledger.progress.total += 1
            self._outcomes.expect_more(found.sequence)
            self._propose_again(
                model.Change(
                    found.sequence, found.id, found.rev, found.deleted, found.conflicted, len(found.raw)
                )
            )

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
