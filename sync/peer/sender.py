"""Sender of local changes: proposes or announces the changes feed, and sends the requested revisions.

    feed ──lists──► changes / proposeChanges ──replies──► wanted ──► rev ──replies──► done

The active peer proposes its changes. The passive peer announces its changes to a subscriber. A change is done
when the other side has stored it durably or has not requested it. It is then counted as complete in the
feed's progress. `deliveries` sends the revisions, and `send_outcomes` records the outcomes.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from itertools import islice
from typing import Final

from sync.blip import ErrorReceived
from sync.peer.attempts import Attempts
from sync.peer.deliveries import KNOWN, Deliveries
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction, Ledger
from sync.peer.selection import EVERYTHING, FilterError
from sync.peer.session import Reply, Session
from sync.replication.errors import TRANSIENT_STATUSES
from sync.replication.messages import (
    NOT_WANTED,
    AnnouncedChange,
    Changes,
    ChangesReply,
    Failure,
    NoRev,
    Proposal,
    ProposeChanges,
    ProposeChangesReply,
)
from sync.store import Database, model, revisions

from . import limits
from .echo_suppression import EchoSuppression
from .push_conflicts import PushConflicts
from .send_outcomes import SendOutcomes
from .sender_types import (
    ChangeInFlight,
    ChannelRemoval,
    FeedProgress,
    OfferedChange,
    SendOptions,
    removal_flags,
)

_ID: Final = 110
"""Approximate memory, in bytes, used by a document id in a set, in addition to its text."""
_OFFER: Final = 50
"""Maximum number of previously failed documents that are offered in one message.

The number is low because each of these documents must be read completely.
"""


class FeedSender:
    """Sender of the changes in one feed, on one session."""

    def __init__(
        self,
        session: Session,
        database: Database,
        feed: FeedProgress,
        *,
        since: int,
        options: SendOptions,
        ledger: Ledger,
        echo: EchoSuppression,
    ) -> None:
        """Create a sender.

        Args:
            session: the session with the peer.
            database: the store.
            feed: the progress of the feed.
            since: local sequence after which the feed is read.
            options: the options for sending.
            ledger: the counts and events of the replication.
            echo: revisions that the peer is known to have.
        """
        self._session, self._database, self._feed, self._ledger = session, database, feed, ledger
        self._options, self._echo = options, echo
        self._scanned = since
        self._told_through = since
        """Local sequence at which the feed was last read to its end, so that all changes were announced.

        Between this sequence and `_scanned`, the feed may lack a change because its document has a newer
        change.
        """
        self.refused: Problem | None = None
        """Reason why the push has stopped while the pull continues; None while changes are pushed."""
        self._woken = True
        self._told_all = False
        self._has_paused = False
        """True if the feed was read only in part, so that `pump` must be called again soon."""
        self._lists = 0
        self._offered: dict[str, None] = {}
        """Ids of documents that failed before and are to be proposed again."""
        self._proposals: deque[OfferedChange] = deque()
        """Rejected changes to be proposed again with a different solution (see `push_conflicts`)."""
        self._echoed: model.DocumentChange | None = None
        """The last change that came from the peer itself, in the part of the feed that was read last."""
        self._place: tuple[float, model.DocumentChange] | None = None
        """Scheduled announcement of an echoed change, as (time, change); None if none is scheduled."""
        attempts = Attempts(revisions=limits.ATTEMPTS_KEPT, ways=limits.WAYS_MOST)
        others = replace(options, selection=EVERYTHING)  # only the deliveries need the selection
        self._outcomes = SendOutcomes(
            session, database, feed, options=others, ledger=ledger, attempts=attempts
        )
        self._contests = PushConflicts(
            session,
            database,
            options=others,
            outcomes=self._outcomes,
            attempts=attempts,
            propose=self._propose,
            offer=self._offer,
        )
        self._deliveries = Deliveries(
            session,
            database,
            options=options,
            ledger=ledger,
            outcomes=self._outcomes,
            contested=self._contests.refused_on_arrival,
            follow=self._follow,
        )
        selected = options.selection.document_ids
        self._selection_bytes = _ID * len(selected) + sum(map(len, selected))
        session.at_end(self._release)

    # Calls from the owner

    def _release(self) -> None:
        """Discard all data kept for the peer, because the session is over."""
        self._deliveries.clear()
        self._proposals.clear()
        self._offered.clear()
        self._echo.clear()
        self._options = replace(self._options, selection=EVERYTHING)
        self._selection_bytes = 0

    def wake(self) -> None:
        """Record that the store has changed, so that `pump` reads the feed again."""
        if self.refused is None:
            self._woken = self._woken or self._options.continuous or not self._told_all

    @property
    def bytes_held(self) -> int:
        """Memory, in bytes, used by the peer's selection of documents and by the records of its requests."""
        return self._selection_bytes + self._deliveries.bytes_held

    @property
    def is_idle(self) -> bool:
        """True if each change of the store is done or has failed, and no retry is pending."""
        waits = self._woken or self._offered or self._lists or self._proposals
        open_here = waits or self._contests.asking or self._outcomes.has_retries
        return not open_here and self._deliveries.is_idle

    @property
    def behind(self) -> int:
        """Upper bound on the number of changes that the other side lacks; 0 only if no change is missing."""
        unread = max(0, self._database.last_sequence - self._scanned)
        lists = self._lists + len(self._offered) + len(self._proposals) + self._contests.asking
        failed = self._outcomes.failed_for_now
        return unread + lists + self._deliveries.open + self._outcomes.waiting + failed

    @property
    def is_over(self) -> bool:
        """True if all changes of a one-shot subscription were announced, so that no more follow."""
        return self._told_all and not self._options.continuous

    @property
    def deadline(self) -> float | None:
        """Time at which to call `pump` unless a message arrives earlier; None if no call is needed."""
        if self._has_paused:
            return self._session.clock()
        times = [self._outcomes.deadline, None if self._place is None else self._place[0]]
        if self._lists < limits.LISTS_AWAITING:
            times += [self._outcomes.conflicts_deadline, self._session.clock() if self._proposals else None]
        return min((time for time in times if time is not None), default=None)

    @property
    def failed_for_now(self) -> int:
        """Number of documents that failed temporarily and that the next replication must retry."""
        return self._outcomes.failed_for_now

    # Work

    def pump(self) -> None:
        """Send `changes` messages and revisions, up to the limits on data in flight."""
        if self.refused is not None:
            self._echo.clear()  # nothing will be sent, so no echo needs to be skipped
        self._offer_again([_main(sending) for sending in self._outcomes.due()])
        self.propose_again()
        self._deliveries.pump()
        scans, self._has_paused = 0, False
        while (
            self._woken
            and self._lists < limits.LISTS_AWAITING
            and self._deliveries.waiting < limits.BATCH
            and not self._session.is_over
        ):
            if scans == limits.SCANS_AT_ONCE or (scans and not self._session.has_time()):
                self._has_paused = True
                break
            scans += 1
            self._scan()
        if self._offered:
            self._offer_some()
        if not (self._woken or self._told_all or self._options.proposes or self._session.is_over):
            self._tell_all()
        if self._place is not None and self._session.clock() >= self._place[0]:
            self._tell_place(self._place[1])
        self._outcomes.settle_if_due()

    def offer(self, document_ids: Iterable[str]) -> None:
        """Propose documents again that the peer has rejected before. The changes in the feed come first."""
        self._offered |= dict.fromkeys(document_ids)

    def cannot_pull(self, problem: Problem) -> None:
        """Record that the peer does not allow us to pull. Conflicts then fail, as they cannot be resolved."""
        self._options = replace(self._options, inquirer=None)
        self._contests.give_up(self._options, problem)

    def settle(self) -> None:
        """Store the ids of the revisions that the peer is known to have."""
        self._outcomes.settle()

    # The feed

    def _scan(self) -> None:
        database, options = self._database, self._options
        last = database.last_sequence  # read first, so that `changes` includes all changes up to `last`
        changes = database.changes(self._scanned, limit=options.batch)
        if len(changes) < options.batch:
            self._woken = False
            through = max(last, changes[-1].sequence if changes else 0)
        else:
            through = changes[-1].sequence
        through = max(through, self._scanned)
        self._echoed = None
        try:
            pending = [end for change in changes for end in self._to_send(change)]
        except FilterError as error:
            self._session.end(Problem(Domain.STORE, 0, str(error)))
            return
        if not options.proposes:
            self._move_past_echoes(pending)
        self._scanned = through
        if not self._woken:
            self._told_through = through
        self._echo.read_through(through, is_all=not self._woken)
        parts = Counter(change.sequence for change in pending)
        self._outcomes.expect(parts)
        self._feed.scanned(through, list(parts))
        self._ledger.progress.total += len(pending)
        for first in range(0, len(pending), options.batch):
            self._lists += 1
            self._announce([self._offer(change) for change in pending[first : first + options.batch]])

    def _offer_some(self) -> None:
        while self._offered and not self._woken and self._lists < limits.LISTS_AWAITING:
            if self.refused is not None or self._deliveries.waiting >= limits.BATCH:
                return
            some = list(islice(self._offered, _OFFER))
            for document_id in some:
                del self._offered[document_id]
            changes = [change for each in some if (change := self._to_offer(each)) is not None]
            self._ledger.progress.total += len(changes)
            if changes:
                self._lists += 1
                self._announce([self._offer(change) for change in changes])

    def _to_offer(self, document_id: str) -> model.DocumentChange | None:
        """Return the change to offer for a document that failed before; None if there is nothing to offer."""
        document = self._database.get(document_id)
        if document is None or not self._options.selection.shows(
            self._database, document_id, deleted=document.deleted
        ):
            self._ledger.settled(Direction.PUSH, document_id)
            return None
        if not self._feed.is_complete(document.sequence):
            return None  # the document has changed since it failed, and the feed contains the new change
        return model.DocumentChange(
            document.sequence,
            document.id,
            document.rev,
            document.deleted,
            document.conflicted,
            len(document.raw),
        )

    def _tell_all(self) -> None:
        if self._options.insists and self._lists:
            return  # An active Sync Gateway would disconnect at once, before it has processed the messages.
        self._told_all = True
        if self._options.selection.live_only:
            # A document that is deleted from now on is one that the peer has, so deletions must be announced.
            self._options = replace(
                self._options, selection=replace(self._options.selection, live_only=False)
            )
        self._session.request(Changes((), self._session.collection, insists=self._options.insists).encode())

    def _to_send(self, change: model.DocumentChange) -> list[model.DocumentChange]:
        """Return the changes to announce for a change in the feed.

        The list contains the current revision and, for a deletion, the tombstones of the other branches. It
        is empty if the change is not selected or came from the peer.
        """
        if self._feed.is_complete(change.sequence):
            return []
        is_echo = bool(self._echo) and self._echo.take(change.id) == change.rev
        if is_echo:
            self._echoed = change
            if not (change.deleted or self._options.tells_departures):
                return []
        selection = self._options.selection
        if not (
            selection.is_everything or selection.wants(self._database, change.id, deleted=change.deleted)
        ):
            if not selection.has_lost(self._database, change, since=self._told_through):
                return []
            if not change.deleted:
                return [ChannelRemoval.of(change)] if self._options.tells_departures else []
        if is_echo and not change.deleted:
            return []
        tombstones = self._other_ends(change) if change.deleted else []
        return tombstones if is_echo else [*tombstones, change]

    def _other_ends(self, change: model.DocumentChange) -> list[model.DocumentChange]:
        """Return the tombstones of a deleted document, except its current revision.

        The peer may already have the current revision, as the tombstone of a branch that lost long ago, and
        may have a live revision on another branch. The result then includes the tombstone of that branch.
        """
        ends = self._database.leaves(change.id)
        if not ends or ends[0].rev != change.rev:
            return []  # the document has changed in the meantime, and the feed contains that change
        return [replace(change, rev=end.rev, size=len(end.raw)) for end in ends[1:] if end.deleted]

    def _move_past_echoes(self, pending: list[model.DocumentChange]) -> None:
        """Schedule an announcement of the last change that came from the peer, if no other change follows it.

        The announcement advances the peer's position in our feed.
        """
        echoed = self._echoed
        if echoed is None or (pending and pending[-1].sequence >= echoed.sequence):
            self._place = None if pending else self._place
        elif self._options.continuous:
            due = self._session.clock() + limits.CHECKPOINT_EVERY
            self._place = (due if self._place is None else self._place[0], echoed)
        else:
            pending.append(echoed)

    def _tell_place(self, change: model.DocumentChange) -> None:
        self._place = None
        self._lists += 1
        self._ledger.progress.total += 1
        self._announce([OfferedChange(change)])

    def _announce(self, offers: list[OfferedChange]) -> None:
        session = self._session
        if self._options.proposes:
            session.request(
                ProposeChanges(
                    tuple(
                        [
                            Proposal(offer.change.id, offer.change.rev, offer.parent, offer.change.size)
                            for offer in offers
                        ]
                    ),
                    conflict_includes_revision=True,
                    collection=session.collection,
                ).encode(),
                self._judged,
                offers,
            )
        else:
            session.request(
                Changes(
                    tuple(
                        [
                            AnnouncedChange(
                                str(change.sequence),
                                change.id,
                                change.rev,
                                removal_flags(change),
                                change.size,
                            )
                            for change in [offer.change for offer in offers]
                        ]
                    ),
                    collection=session.collection,
                    insists=self._options.insists,
                ).encode(),
                self._answered,
                offers,
            )

    def _offer(self, change: model.DocumentChange) -> OfferedChange:
        """Return an offer of a change whose parent is an ancestor that the peer is known to have.

        If no such ancestor is known, the parent is a guess. If the guess is wrong, the peer reports its own
        revision.
        """
        if not self._options.proposes or revisions.generation(change.rev) == 1:
            return OfferedChange(change)
        known = self._outcomes.known_revision(change.id)
        until = () if known is None else (known,)
        revision = self._database.revision(change.id, change.rev, ancestors=until)
        if revision is None or not revision.history:
            return OfferedChange(change)
        if revision.history[-1] in until:
            return OfferedChange(change, revision.history[-1])
        return OfferedChange(change, revision.history[0], is_guess=True)

    def _offer_again(self, due: list[model.DocumentChange]) -> None:
        """Offer again the changes that are due for a retry.

        Couchbase Lite would disconnect if the revisions were sent without an offer.
        """
        if self.refused is not None:
            return
        for first in range(0, len(due), self._options.batch):
            offers = []
            for change in due[first : first + self._options.batch]:
                self._contests.forget(change)
                offers.append(self._offer(change))
            self._lists += 1
            self._announce(offers)

    def propose_again(self) -> None:
        """Propose rejected changes with a different solution, and retry the conflicts that are due.

        The limit on unanswered messages applies to these proposals too, because a peer disconnects if too
        many messages arrive at once.
        """
        while self._proposals and self._lists < limits.LISTS_AWAITING:
            most = min(len(self._proposals), self._options.batch)
            self._lists += 1
            self._announce([self._proposals.popleft() for _ in range(most)])
        while self._lists < limits.LISTS_AWAITING or self.refused is not None:
            due = self._outcomes.conflicts_due(self._options.batch)
            if not due:
                break
            self._offer_again(due)

    def _propose(self, offer: OfferedChange) -> None:
        if self.refused is not None:
            change = _main(offer.sending())
            self._outcomes.failed_until_next(change, self.refused.code, f"{change.id}: {self.refused.text}")
            return
        self._proposals.append(offer)

    def _follow(self, following: ChangeInFlight) -> None:
        """Propose the revision that replaces a branch, after the peer has stored the branch's tombstone."""
        parent = following.ancestors[0] if following.ancestors else None
        self._propose(OfferedChange(following.change, parent, plan=following))

    # Replies to the lists

    def _judged(self, reply: Reply, offers: list[OfferedChange]) -> None:
        self._lists -= 1
        if isinstance(reply, ErrorReceived):
            self._list_refused(reply, offers)
            return
        answer = ProposeChangesReply.decode(reply, self._session.limits, asked=len(offers))
        self._deliveries.apply_terms(answer.terms)
        for offer, verdict in zip(offers, answer.verdicts, strict=True):
            change, plan = offer.change, offer.plan
            if verdict.status == 0:
                self._deliveries.want(offer.sending())
            elif verdict.status == KNOWN and plan is not None and plan.then is not None:
                self._follow(plan.then)
            elif verdict.status == KNOWN:
                self._outcomes.hold(change.id, change.rev)
                self._outcomes.confirmed(change)
            elif verdict.status == HTTPStatus.CONFLICT:
                self._contests.refused(offer, verdict.current)
            else:
                self._refused(offer.sending(), verdict.status)

    def _answered(self, reply: Reply, offers: list[OfferedChange]) -> None:
        self._lists -= 1
        if isinstance(reply, ErrorReceived):
            self._list_refused(reply, offers)
            return
        answer = ChangesReply.decode(reply, self._session.limits, asked=len(offers))
        self._deliveries.apply_terms(answer.terms)
        for offer, wanted in zip(offers, answer.answers, strict=True):
            change = offer.change
            if isinstance(wanted, tuple) and not isinstance(change, ChannelRemoval):
                self._deliveries.want(ChangeInFlight(change, wanted, size=change.size))
            elif isinstance(wanted, tuple):
                self._withhold(change)
                self._outcomes.done(change)
            elif wanted in (NOT_WANTED, KNOWN):
                self._outcomes.done(change)
            else:
                self._refused(ChangeInFlight(change, size=change.size), wanted)

    def _refused(self, sending: ChangeInFlight, status: int) -> None:
        """Handle the peer's rejection of one change in a message."""
        if status in TRANSIENT_STATUSES:
            self._outcomes.failed_transiently(sending, status, "")
        else:
            change = sending.change
            self._outcomes.failed(change, status, f"{change.id}: the peer rejects the document")

    def _withhold(self, change: model.DocumentChange) -> None:
        """Inform the peer that a requested revision will not be sent, so that it does not wait for it."""
        norev = NoRev(change.id, change.rev, str(change.sequence), collection=self._session.collection)
        self._session.request(norev.encode())

    def _list_refused(self, reply: ErrorReceived, offers: list[OfferedChange]) -> None:
        """Handle the peer's rejection of a whole `changes` or `proposeChanges` message.

        If the reason is that we have no permission to write, the pull continues.
        """
        failure = Failure.decode(reply)
        text = failure.text or str(failure.code)
        status = failure.status or failure.code
        problem = Problem(Domain.WEBSOCKET, status, f"the peer does not accept our changes: {text}")
        self._outcomes.refused([_main(offer.sending()) for offer in offers], status, text)
        if status == HTTPStatus.FORBIDDEN and self._options.may_be_pulled:
            self.refused = problem
            left = [_main(sending) for sending in self._deliveries.forget_wanted()]
            self._outcomes.refused([*left, *map(_main, self._outcomes.forget_later())], status, text)
            self._contests.give_up(self._options, problem)
            waiting, self._proposals = self._proposals, deque()
            for offer in waiting:
                self._propose(offer)
            self._offered.clear()
            self._woken = False
        else:
            self._session.end(problem)

    def tell_again(self, document_id: str) -> None:
        """Propose a document's current revision again, because the peer's branch was closed here."""
        document = self._database.get(document_id)
        if document is None or self.refused is not None or not self._feed.is_complete(document.sequence):
            return  # nothing can be pushed, or the feed will propose the current revision anyway
        if self._options.selection.shows(self._database, document_id, deleted=document.deleted):
            self._ledger.progress.total += 1
            self._feed.reopen(document.sequence)
            self._contests.again(
                model.DocumentChange(
                    document.sequence,
                    document.id,
                    document.rev,
                    document.deleted,
                    document.conflicted,
                    len(document.raw),
                )
            )


def _main(sending: ChangeInFlight) -> model.DocumentChange:
    """Return the change to propose after a branch's tombstone; for any other change, the change itself."""
    return sending.change if sending.then is None else sending.then.change
