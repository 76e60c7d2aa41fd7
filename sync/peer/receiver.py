"""Receiver of a peer's changes: answers the peer's `changes` messages, and stores the requested revisions.

    changes / proposeChanges ──► wanted? ──► rev ──► delta, blobs ──► batch ──one transaction──► replies
                                                                         └► conflicts resolved (active only)

A success reply means that a revision is durable. There is one exception: a tombstone that waits for the
revision that replaces its branch (`deferred_tombstones`). The active peer accepts conflicts and resolves
them. The passive peer rejects conflicts, so that each conflict exists on one side only.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from itertools import compress
from typing import Any, Final, TypeVar

import msgspec

from sync.blip import RequestReceived
from sync.blip.close_codes import CloseCode
from sync.peer.blob_traffic import BlobFetcher
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction, DocumentEnded, Ledger
from sync.peer.session import Session
from sync.replication import json_size, messages
from sync.replication.checkpoint import PullProgress
from sync.replication.errors import TRANSIENT_STATUSES
from sync.replication.fields import EncodedMessage
from sync.replication.messages import (
    NOT_WANTED,
    SEND,
    AnnouncedChange,
    Answer,
    Changes,
    ChangesReply,
    DeliveryTerms,
    MessageError,
    MessageLimits,
    NoRev,
    Proposal,
    ProposalAnswer,
    ProposeChanges,
    ProposeChangesReply,
    RemovalFlags,
    Rev,
)
from sync.store import Database, DocumentError, revisions

from . import limits, pull_dedup, wire_bodies
from .deferred_tombstones import DeferredTombstones
from .echo_suppression import EchoSuppression
from .pull_dedup import AnswerTurn
from .received_deltas import ReceivedDeltas
from .revision_writer import ReceivedRevision, ReceiveOptions, RevisionWriter

T = TypeVar("T")

_KNOWN: Final = ProposalAnswer(304)
_SEND_HIDDEN: Final = ProposalAnswer(SEND.status)
"""Answer to a proposal for a document that the peer may not read. No other session waits for such a document.

On the wire, this answer is the same as `SEND`, so it reveals nothing to the peer. Our code distinguishes the
two objects by identity.
"""
_NONE_SHOWN: Final[list[str]] = []
"""Empty list of known ancestors, which is reported to a peer for a document that it may not read."""
_TAKEN_AWAY: Final = RemovalFlags.REVOKED | RemovalFlags.REMOVED
_ITEM: Final = 250
"""Approximate memory, in bytes, used by a decoded item of a message: a struct and two or three strings."""
_AWAITED: Final = 600
"""Approximate memory, in bytes, used by the record of a requested revision: entries in two dictionaries."""


class _Expected(msgspec.Struct, gc=False):
    """A revision that we have requested in answer to a `changes` message of our subscription."""

    tickets: list[int]
    """Tickets: the numbers by which `PullProgress` identifies the changes that announced the revision."""
    sequence: str


class _WaitingList:
    """A `changes` or `proposeChanges` message that is not answered yet.

    Decoded items use about seven times as much memory as their text. So a message is decoded only when its
    answer is created. Until then, the message is kept in its encoded form, without unknown properties.
    """

    __slots__ = ("_encoded", "_message", "event", "is_empty")

    def __init__(self, message: Changes | ProposeChanges, event: RequestReceived) -> None:
        self.event = event
        self.is_empty = not (message.proposals if isinstance(message, ProposeChanges) else message.changes)
        self._message: Changes | ProposeChanges | None = message
        self._encoded: RequestReceived | None = None

    @property
    def bytes_held(self) -> int:
        """Approximate memory, in bytes, used by the message."""
        message, encoded = self._message, self._encoded
        held = 0 if encoded is None else len(encoded.body)
        if message is not None:
            held += _ITEM * len(message.proposals if isinstance(message, ProposeChanges) else message.changes)
        return held

    def decoded(self, limits: MessageLimits) -> Changes | ProposeChanges:
        """Return the decoded message. Its items stay in memory until `pack` is called."""
        if self._message is None:
            assert self._encoded is not None
            message = messages.decode(self._encoded, limits)
            assert isinstance(message, (Changes, ProposeChanges))
            self._message, self._encoded = message, None
        return self._message

    def pack(self) -> None:
        """Discard the decoded items, so that only the encoded form of the message stays in memory."""
        if self._message is not None:
            encoded, event = self._message.encode(), self.event
            self._message = None
            self._encoded = RequestReceived(
                event.number, encoded.properties, encoded.body, no_reply=event.no_reply
            )


class ChangeReceiver:
    """Receiver of one peer's changes on one session."""

    def __init__(
        self,
        session: Session,
        database: Database,
        *,
        options: ReceiveOptions,
        ledger: Ledger,
        echo: EchoSuppression | None,
        progress: PullProgress | None = None,
        stored: Callable[[], None] | None = None,
        outdated: Callable[[str], None] | None = None,
    ) -> None:
        """Create a receiver.

        Args:
            session: the session with the peer.
            database: the store.
            options: the options for received revisions.
            ledger: the counts and events of the replication.
            echo: records the peer's revisions, so that a sender on the same session does not send them back.
            progress: the progress of our own subscription; None if there is none.
            stored: called when received changes have been stored.
            outdated: called with the id of a document if the peer's current revision is on a branch that was
                closed here.
        """
        self._session, self._database, self._ledger = session, database, ledger
        self._options, self._echo, self._progress = options, echo, progress
        self._stored, self._outdated = stored, outdated
        self._blobs = BlobFetcher(
            session, database, ledger=ledger, proves=options.prove_blobs, quota=options.quota
        )
        self._lists: deque[_WaitingList] = deque()
        """`changes` and `proposeChanges` messages to be answered, in order."""
        self._early: list[_WaitingList] = []
        """`changes` messages that arrived before an earlier request of the peer was complete.

        `changes` messages must be processed in the order in which the peer began to send them, because that
        order determines the position in the feed.
        """
        self._looked: list[Any] = []
        """Results of looking up items of the first message in the store, for the items looked up so far."""
        self._expected: dict[tuple[str, str], _Expected] = {}
        """Revisions requested from our subscription and not received yet, by (document id, revision id)."""
        self._by_sequence: dict[str, tuple[str, str]] = {}
        self._failed: dict[tuple[str, str], list[int]] = {}
        """Tickets (see `PullProgress`) of revisions that failed temporarily, by document id and revision id.

        If the peer is a vessel, it sends these revisions again on the same connection.
        """
        self._proposed = 0
        """Number of revisions that the peer proposed and we requested, and that have not arrived yet."""
        self._arrivals = RevisionWriter(session, database, options, echo)
        self._patches = ReceivedDeltas(session, database, self._arrivals, self._patched)
        self._ends = DeferredTombstones[ReceivedRevision](database)
        self._claims = pull_dedup.claims_of(database)
        self._turn = AnswerTurn(self._claims, session)
        self._fetching = self._fetching_bytes = 0
        self._batch: list[ReceivedRevision] = []
        self._batch_bytes = 0
        self._batch_since = 0.0
        self._failed_for_now = 0
        self.is_caught_up = False
        """True once the peer has reported that it has announced all its changes."""
        self._terms = DeliveryTerms(
            limits.HISTORY, options.deltas or None, blobs=True, send_replacements=True
        )
        session.at_end(self._release)

    # Calls from the owner

    @property
    def is_idle(self) -> bool:
        """True if each announced revision is stored, was not requested, or will not arrive."""
        waiting = self._fetching or self._patches.waiting
        return not (self._lists or self._early or self._expected or self._batch or waiting)

    @property
    def expected(self) -> int:
        """Number of requested revisions that are not stored yet."""
        return len(self._expected) + self._proposed + len(self._batch)

    @property
    def deadline(self) -> float | None:
        """Time at which to call `pump` unless a message arrives earlier; None if no call is needed."""
        commit = self._batch_since + limits.COMMIT_AFTER if self._batch else None
        times = (self._turn.deadline, self._blobs.deadline, commit)
        return min((time for time in times if time is not None), default=None)

    @property
    def bytes_held(self) -> int:
        """Memory, in bytes, used by incomplete revisions, unanswered messages, and records of changes."""
        held = self._batch_bytes + self._fetching_bytes + self._patches.bytes_held + self._ends.bytes_held
        held += self._claims.bytes_held(self._session) + _AWAITED * (len(self._expected) + len(self._failed))
        for waiting in self._lists:
            held += waiting.bytes_held
        for waiting in self._early:
            held += waiting.bytes_held
        if self._progress is not None:
            held += self._progress.bytes_held
        if self._echo is not None:
            held += self._echo.bytes_held
        return held

    @property
    def failed_for_now(self) -> int:
        """Number of documents that failed temporarily and that the next replication must retry."""
        return self._failed_for_now

    # Lists of changes

    def changes(self, message: Changes, event: RequestReceived) -> None:
        """Process a `changes` message that the peer sends for our subscription."""
        self._check_room()
        self._early.append(_WaitingList(message, event))
        self._order_lists()

    def proposals(self, message: ProposeChanges, event: RequestReceived) -> None:
        """Process a `proposeChanges` message, in which a peer proposes revisions to push."""
        self._check_room()
        self._lists.append(_WaitingList(message, event))
        self._answer_lists()

    def offered(self, message: Changes, event: RequestReceived) -> None:
        """Process a `changes` message from a peer that pushes without proposing its revisions first.

        Such a peer detects conflicts only when it pulls.
        """
        self._check_room()
        self._lists.append(_WaitingList(message, event))
        self._answer_lists()

    def _check_room(self) -> None:
        if len(self._lists) + len(self._early) >= limits.LISTS_UNANSWERED:
            raise MessageError(
                "too many changes messages are unanswered; wait for replies",
                code=HTTPStatus.TOO_MANY_REQUESTS,
            )

    def _order_lists(self) -> None:
        self._early.sort(key=lambda early: early.event.number)
        while self._early and self._session.is_in_order(self._early[0].event):
            early = self._early.pop(0)
            if early.is_empty:
                self.is_caught_up = True
                self._session.respond(early.event)
            else:
                self._lists.append(early)
        self._answer_lists()
        for early in self._early:
            early.pack()

    def _answer_lists(self) -> None:
        """Answer messages in order, up to the first one that must wait for revisions claimed elsewhere."""
        while (
            self._lists
            and len(self._expected) < limits.REVISIONS_WANTED
            and self._turn.is_due()
            and not self._session.is_over
            and self._session.has_time()
        ):
            first = self._lists[0]
            message, event = first.decoded(self._session.limits), first.event
            try:
                reply = (
                    self._answer_proposals(message)
                    if isinstance(message, ProposeChanges)
                    else self._answer_changes(message)
                )
            except DocumentError as error:  # the error is in the message, not in the store
                self._lists.popleft()
                self._looked = []
                self._session.refuse(event, MessageError(str(error)))
                continue
            if reply is None or self._session.is_over:
                break
            self._lists.popleft()
            self._session.respond(event, reply)
        for place, waiting in enumerate(self._lists):
            if place or not self._looked:  # the first message stays decoded while its items are looked up
                waiting.pack()

    def _look_up(
        self, items: tuple[T, ...], look: Callable[[tuple[T, ...]], Sequence[Any]]
    ) -> list[Any] | None:
        """Return the results of `look` for all items of the first message, or None if the time is up.

        In the latter case, the results so far are kept for the next call.
        """
        looked = self._looked
        while len(looked) < len(items):
            if looked and not self._session.has_time():
                return None
            looked += look(items[len(looked) : len(looked) + limits.LOOKED_UP_AT_ONCE])
        self._looked = []
        return looked

    def _missing(self, changes: tuple[AnnouncedChange, ...]) -> list[list[str] | None]:
        hidden = self._arrivals.hidden(change.id for change in changes)
        known = self._database.missing([(change.id, change.revision) for change in changes])
        return [
            _NONE_SHOWN if change.id in hidden else ancestors
            for change, ancestors in zip(changes, known, strict=True)
        ]

    def _answer_changes(self, message: Changes) -> EncodedMessage | None:
        """Return the answer to a `changes` message, or None if it cannot be answered yet."""
        expected = self._expected
        offered = [(change.id, change.revision) for change in message.changes]
        known = self._look_up(message.changes, self._missing)
        if known is None:
            return None
        wanted = [
            key
            for change, key, ancestors in zip(message.changes, offered, known, strict=True)
            if ancestors is not None and not self._is_taken_away(change) and key not in expected
            if ancestors is not _NONE_SHOWN
        ]
        if not self._turn.try_claim(wanted):
            return None
        self._note_offered(key for key, ancestors in zip(offered, known, strict=True) if ancestors is None)
        if self._progress is None:
            answers: list[Answer] = [
                NOT_WANTED if ancestors is None else tuple(ancestors) for ancestors in known
            ]
            self._proposed += sum(answer != NOT_WANTED for answer in answers)
        else:
            answers = self._answers(message.changes, known, self._progress)
        return ChangesReply(tuple(answers), self._terms).encode()

    def _answers(
        self, changes: tuple[AnnouncedChange, ...], known: list[list[str] | None], progress: PullProgress
    ) -> list[Answer]:
        answers: list[Answer] = []
        self._look_for_outdated([c for c, k in zip(changes, known, strict=True) if k is None and not c.gone])
        if progress.waiting > limits.CHANGES_OPEN:
            text = "the peer keeps announcing changes without sending a requested revision"
            self._session.end(Problem(Domain.BLIP, CloseCode.POLICY_VIOLATION, text))
        self._ledger.progress.total += len(changes)
        for change, ancestors in zip(changes, known, strict=True):
            ticket = progress.arrived(change.sequence)
            key = (change.id, change.revision)
            if self._is_taken_away(change):
                answers.append(NOT_WANTED)
                self._take_away(change, [*self._pop_failed(key), ticket])
                continue
            if ancestors is None:
                answers.append(NOT_WANTED)
                self._done([*self._pop_failed(key), ticket])
                continue
            expected = self._expected.get(key)
            if expected is not None:
                expected.tickets.append(ticket)
                answers.append(NOT_WANTED)
                continue
            self._expected[key] = _Expected([*self._pop_failed(key), ticket], change.sequence)
            self._by_sequence[change.sequence] = key
            answers.append(tuple(ancestors))
        return answers

    def _is_taken_away(self, change: AnnouncedChange) -> bool:
        """Return True if the peer withdraws a document with a change, instead of offering a revision.

        If a document was deleted and has also left the reader's channels, the change counts as a deletion.
        Sync Gateway announces nearly every deletion in this way, because deletions list no channels. But if
        access was revoked too, and we purge unreadable documents, the change counts as a withdrawal, as in
        Couchbase Lite.
        """
        if self._progress is None:
            return False  # the peer pushes the change, and we read no channels at this peer
        if change.gone & RemovalFlags.DELETED and not (
            change.gone & RemovalFlags.REVOKED and self._options.purges_removed
        ):
            return False
        return bool(change.gone & _TAKEN_AWAY)

    def _look_for_outdated(self, known: list[AnnouncedChange]) -> None:
        """Call `outdated` for each document whose revision at the peer is on a branch that is closed here."""
        if self._outdated is not None and known:
            ended = self._database.ended([(change.id, change.revision) for change in known])
            for change in compress(known, ended):
                self._outdated(change.id)

    def _answer_proposals(self, message: ProposeChanges) -> EncodedMessage | None:
        """Return the answer to a `proposeChanges` message, or None if it cannot be answered yet."""
        verdicts = self._look_up(message.proposals, partial(self._verdicts, message))
        if verdicts is None:
            return None
        judged = list(zip(message.proposals, verdicts, strict=True))
        let_come = [(proposal, verdict) for proposal, verdict in judged if verdict.status == 0]
        wanted = [
            (proposal.id, proposal.revision) for proposal, verdict in let_come if verdict is not _SEND_HIDDEN
        ]
        if not self._turn.try_claim(wanted):
            return None
        self._ends.record_verdicts(judged)
        self._note_offered(
            (proposal.id, proposal.revision) for proposal, verdict in judged if verdict is _KNOWN
        )
        self._proposed += len(let_come)
        return ProposeChangesReply(tuple(verdicts), self._terms).encode()

    def _note_offered(self, known: Iterable[tuple[str, str]]) -> None:
        if self._echo is not None:
            self._echo.note_offered(known, self._database.last_sequence)

    def _verdicts(self, message: ProposeChanges, proposals: tuple[Proposal, ...]) -> list[ProposalAnswer]:
        database = self._database
        known = database.missing([(proposal.id, proposal.revision) for proposal in proposals])
        here = database.current(proposal.id for proposal in proposals)
        tells = message.conflict_includes_revision
        ended = database.ended([(proposal.id, proposal.revision) for proposal in proposals])
        hidden = self._arrivals.hidden(proposal.id for proposal in proposals)
        return [
            _SEND_HIDDEN
            if proposal.id in hidden
            else ProposalAnswer(HTTPStatus.CONFLICT, here[proposal.id][0] if tells else None)
            if has_ended and proposal.parent != here[proposal.id][0]
            else _KNOWN
            if ancestors is None and not has_ended
            else SEND
            if proposal.id not in here
            else self._verdict(proposal, *here[proposal.id], tells=tells)
            for proposal, ancestors, has_ended in zip(proposals, known, ended, strict=True)
        ]

    def _verdict(self, proposal: Proposal, current: str, deleted: bool, *, tells: bool) -> ProposalAnswer:
        """Return the answer to a peer's proposal to send a revision of a document that is stored here."""
        if deleted or proposal.parent == current or self._database.policy.is_single_writer(proposal.id):
            return SEND
        if not revisions.is_sound(current):
            return SEND  # any revision may replace the stored one
        return ProposalAnswer(HTTPStatus.CONFLICT, current if tells else None)

    # Revisions

    def rev(self, rev: Rev, event: RequestReceived) -> None:
        """Process a `rev` message, which contains a requested revision."""
        self._proposed = max(0, self._proposed - 1)
        tickets = None
        if self._progress is not None:
            key = (rev.id, rev.replaced or rev.revision)
            tickets = self._pop_expected(key) or self._pop_failed(key) or None
        arrived = ReceivedRevision(event, rev, rev.body, tickets, len(rev.body))
        arrived.error = self._arrivals.objection_to_id(rev)
        if arrived.error is None and event.too_large:
            arrived.error = MessageError(
                f"{rev.id}: the document is larger than the limit", code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            )
        if arrived.error is not None:
            self._take(arrived)
        elif rev.delta_source is None:
            self._unpack(arrived)
        else:
            self._patches.apply(arrived, rev.delta_source)

    def asked_for(
        self, document_id: str, revision: str, body: bytes, ended: Callable[[MessageError | None], None]
    ) -> None:
        """Process a revision that was requested individually, not in answer to a `changes` message.

        `ended` is called with None when the revision is stored, or with the error if it cannot be stored.
        """
        rev = Rev(document_id, revision, body)
        self._unpack(ReceivedRevision(None, rev, body, None, len(body), ended=ended))

    def _unpack(self, arrived: ReceivedRevision) -> None:
        rev = arrived.rev
        try:
            if json_size.exceeds(arrived.raw, self._session.limits.nodes):
                raise MessageError(
                    f"{rev.id}: the document is larger than the limit",
                    code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                )
            quota = self._options.quota()
            if quota is not None and (error := quota.objection(rev.id, len(arrived.raw))) is not None:
                raise error
            incoming = wire_bodies.from_peer(arrived.raw)
        except MessageError as error:
            arrived.error = error.without_traceback()
            self._take(arrived)
            return
        arrived.raw, arrived.is_removed = incoming.raw, incoming.removed and not rev.deleted
        if self._ends.is_deferred(rev, arrived.raw) and not self._arrivals.hidden([rev.id]):
            self._ends.keep(rev, arrived)
            self._respond(arrived)
            return
        arrived.end = self._ends.take(rev) or self._named_end(rev)
        if incoming.blobs and not rev.deleted:
            # Check permissions first, because fetching blobs and requesting proofs is expensive.
            if not self._arrivals.is_allowed(arrived) or not self._has_room(arrived):
                self._take(arrived)
                return
            self._hold(arrived)
            self._blobs.fetch(incoming.blobs, rev.id, self._fetched, arrived)
            return
        self._take(arrived)

    def _named_end(self, rev: Rev) -> ReceivedRevision | None:
        end = self._ends.named_by(rev)
        return None if end is None else ReceivedRevision(None, end, end.body, None, 0)

    def _pop_expected(self, key: tuple[str, str]) -> list[int] | None:
        expected = self._expected.pop(key, None)
        if expected is None:
            return None
        self._by_sequence.pop(expected.sequence, None)
        return expected.tickets

    def _pop_failed(self, key: tuple[str, str]) -> list[int]:
        tickets = self._failed.pop(key, [])
        self._failed_for_now -= bool(tickets)
        return tickets

    def _fails_for_now(self, key: tuple[str, str], tickets: list[int] | None) -> None:
        self._failed_for_now += 1
        if tickets:
            self._failed[key] = tickets

    def _patched(self, arrived: ReceivedRevision) -> None:
        if arrived.error is None:
            self._ledger.progress.deltas_pulled += 1
            self._unpack(arrived)
        else:
            self._take(arrived)

    def _has_room(self, arrived: ReceivedRevision) -> bool:
        """Return True if a revision may wait for its blobs. Otherwise, set the revision's error."""
        waiting = self._fetching_bytes + arrived.bytes_held
        if self._fetching >= limits.DOCUMENTS_FETCHING or waiting > limits.BYTES_FETCHING:
            text = f"{arrived.rev.id}: too many documents are waiting for their blobs; try again later"
            arrived.error = MessageError(text, code=HTTPStatus.SERVICE_UNAVAILABLE)
        return arrived.error is None

    def _hold(self, arrived: ReceivedRevision) -> None:
        self._fetching += 1
        self._fetching_bytes += arrived.bytes_held

    def _let_go(self, arrived: ReceivedRevision) -> None:
        self._fetching -= 1
        self._fetching_bytes -= arrived.bytes_held

    def _fetched(self, error: MessageError | None, arrived: ReceivedRevision) -> None:
        self._let_go(arrived)
        arrived.error = None if error is None else error.without_traceback()
        self._take(arrived)

    def _put(self, arrived: ReceivedRevision) -> None:
        if not self._batch:
            self._batch_since = self._session.clock()
        self._batch.append(arrived)
        self._batch_bytes += arrived.bytes_held

    def _take(self, arrived: ReceivedRevision) -> None:
        self._put(arrived)
        if len(self._batch) >= limits.BATCH or self._batch_bytes >= limits.COMMIT_BYTES:
            self.commit()

    def norev(self, message: NoRev, event: RequestReceived) -> None:
        """Process the peer's notice that it will not send a requested revision."""
        self._session.respond(event)
        self._proposed = max(0, self._proposed - 1)
        key = None
        if message.id is not None and message.revision is not None:
            key = (message.id, message.revision)
            self._claims.fails(key, self._session)
        if key not in self._expected and key not in self._failed and message.sequence is not None:
            key = self._by_sequence.get(message.sequence)
            if key is not None:
                self._claims.fails(key, self._session)
        tickets = None if key is None else self._pop_expected(key) or self._pop_failed(key) or None
        if key is None or tickets is None:
            return
        transient = message.status in TRANSIENT_STATUSES
        if transient:
            self._fails_for_now(key, tickets)
        else:
            self._done(tickets)
        if message.status != HTTPStatus.NOT_FOUND or message.reason:
            text = f"{key[0]}: the peer cannot send the document: {message.reason or message.status}"
            problem = Problem(Domain.WEBSOCKET, message.status, text)
            self._tell(key[0], key[1], problem=problem, is_transient=transient)

    # Storing

    def pump(self) -> None:
        """Do the work that is due: store the collected revisions, and answer waiting messages.

        Documents that wait for an overdue proof of a blob fail temporarily.
        """
        self._blobs.pump()
        if self._batch and (
            self._session.clock() >= self._batch_since + limits.COMMIT_AFTER
            or not (self._expected or self._proposed)
        ):
            self.commit()
        if self._early:
            self._order_lists()
        elif self._lists:
            self._answer_lists()

    def commit(self) -> None:
        """Store the collected revisions in one transaction, and then send the peer a reply for each of them.

        If StoreError is raised, none of the revisions is stored.
        """
        batch, self._batch = self._batch, []
        self._batch_bytes = 0
        if not batch:
            return
        for document_id, problem in self._arrivals.store(batch):
            self._tell(document_id, "", problem=problem)
        if self._stored is not None:
            self._stored()
        for arrived in batch:
            self._conclude(arrived)
        if self._lists:
            self._answer_lists()

    def _respond(self, arrived: ReceivedRevision) -> None:
        if arrived.event is not None:
            self._session.respond(arrived.event)

    def _conclude(self, arrived: ReceivedRevision) -> None:
        rev, error, progress = arrived.rev, arrived.error, self._ledger.progress
        if arrived.ended is not None:
            arrived.ended(error)
        key = (rev.id, rev.replaced or rev.revision)
        if error is None:
            self._claims.arrived(key)
            if rev.replaced is not None:
                self._claims.arrived((rev.id, rev.revision))
            self._respond(arrived)
            if arrived.outcome is not None and arrived.outcome.stored:
                progress.pulled += 1
                progress.body_bytes_pulled += arrived.wire_bytes
                if (quota := self._options.quota()) is not None:
                    quota.charge(len(arrived.raw))
            if self._ledger.listens or self._ledger.failures:
                self._ledger.tell(
                    DocumentEnded(
                        Direction.PULL, rev.id, rev.revision, rev.deleted, access_removed=arrived.is_removed
                    )
                )
        else:
            if arrived.event is not None:
                self._session.refuse(arrived.event, error)
            if rev.delta_source is not None and error.code == HTTPStatus.UNPROCESSABLE_ENTITY:
                # The peer will send the revision again with its whole body.
                if arrived.tickets is not None:
                    self._expected[key] = _Expected(arrived.tickets, rev.sequence or "")
                    return
                self._proposed += 1
                return
            self._claims.fails(key, self._session)
            transient = error.code in TRANSIENT_STATUSES
            problem = Problem(Domain.WEBSOCKET, error.code, error.text)
            self._tell(rev.id, rev.revision, deleted=rev.deleted, problem=problem, is_transient=transient)
            if transient:
                self._fails_for_now(key, arrived.tickets)
                return
        if arrived.tickets is not None:
            self._done(arrived.tickets)

    def _take_away(self, change: AnnouncedChange, tickets: list[int]) -> None:
        """Record that the peer withdraws a document, and queue its purge if `purges_removed` is set."""
        if self._options.purges_removed:
            rev = Rev(change.id, change.revision, b"")
            self._put(ReceivedRevision(None, rev, b"", tickets, wire_bytes=0, is_removed=True))
            return
        self._done(tickets)
        self._ledger.tell(DocumentEnded(Direction.PULL, change.id, change.revision, access_removed=True))

    def _done(self, tickets: list[int]) -> None:
        if self._progress is not None:
            for ticket in () if self._session.is_over else tickets:
                self._progress.complete(ticket)
            self._ledger.progress.completed += len(tickets)

    def _release(self) -> None:
        """Discard all data kept for the peer, because the session is over.

        The objects of a connection refer to each other in cycles, so they stay in memory until the garbage
        collector runs.
        """
        self._lists.clear()
        self._early.clear()
        self._looked = []
        self._expected.clear()
        self._by_sequence.clear()
        self._failed.clear()
        self._batch, self._batch_bytes = [], 0
        self._ends.clear()
        if self._echo is not None:
            self._echo.clear()
        if self._progress is not None:
            self._progress.close()

    def _tell(self, document_id: str, revision: str, **what: Any) -> None:
        self._ledger.tell(DocumentEnded(Direction.PULL, document_id, revision, **what))
