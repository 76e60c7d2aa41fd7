"""Takes in what has changed there: which of it is wanted, the revisions themselves, their place in the store.

    changes / proposeChanges ──► wanted? ──► rev ──► delta, blobs ──► batch ──one transaction──► replies
                                                                        └► conflicts resolved (active only)

A success reply says durable, but for the end of a branch that waits for what takes its place. The active
peer takes conflicts in and resolves them; the passive one refuses them, so that there is one place where a
conflict is open.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import compress
from typing import Any, Final, TypeVar

import msgspec

from sync.blip import RequestReceived
from sync.peer.blob_traffic import BlobFetcher
from sync.peer.patches import Patches
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction, DocumentEnded, Ledger
from sync.peer.session import Session
from sync.replication import json_size
from sync.replication.checkpoint import PullProgress
from sync.replication.fields import Encoded
from sync.replication.messages import (
    NOT_WANTED,
    SEND,
    Answer,
    Change,
    Changes,
    ChangesReply,
    Gone,
    MessageError,
    NoRev,
    Proposal,
    ProposeChanges,
    ProposeChangesReply,
    Rev,
    Terms,
    Verdict,
)
from sync.store import Database, DocumentError, revisions

from . import limits, pull_dedup, wire_bodies
from .deferred_tombstones import BranchEnds
from .echo_suppression import Echo
from .pull_dedup import Turn
from .revision_writer import Arrivals, Arrived, ReceiveOptions

T = TypeVar("T")

_KNOWN: Final = Verdict(304)
_SEND_HIDDEN: Final = Verdict(SEND.status)
"""For a document that the peer may not see: no other connection waits for what comes of it."""
_NONE_SHOWN: Final[list[str]] = []
"""The same for the ancestors of one: none is named."""
_TAKEN_AWAY: Final = Gone.REVOKED | Gone.REMOVED
_CONFLICT: Final = 409
_UNAVAILABLE: Final = 503
_POLICY: Final = 1008
_TOO_LARGE: Final = 413
_UNPROCESSABLE: Final = 422
_ITEM: Final = 250
"""Bytes of an item of a list, decoded: a struct and two or three texts."""
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})


class _Expected(msgspec.Struct, gc=False):
    """A revision that we asked for in a subscription."""

    tickets: list[int]
    """Of all changes that announced it."""
    sequence: str


class Receiver:
    """Takes in one peer's changes on one session."""

    def __init__(
        self,
        session: Session,
        database: Database,
        *,
        options: ReceiveOptions,
        ledger: Ledger,
        echo: Echo | None,
        progress: PullProgress | None = None,
        stored: Callable[[], None] | None = None,
        outdated: Callable[[str], None] | None = None,
    ) -> None:
        """`echo`: filled with what the peer holds, for a sender on the same session not to tell it of that;
        `progress`: of our own subscription; `stored` is called when the store has changed by it,
        `outdated` with a document of which the peer is on a branch that has ended here."""
        self._session, self._database, self._ledger = session, database, ledger
        self._options, self._echo, self._progress = options, echo, progress
        self._stored, self._outdated = stored, outdated
        self._blobs = BlobFetcher(
            session, database, ledger=ledger, proves=options.prove_blobs, quota=options.quota
        )
        self._lists: deque[tuple[Changes | ProposeChanges, RequestReceived]] = deque()
        """What is to be answered, in that order."""
        self._early: list[tuple[Changes, RequestReceived]] = []
        """Lists that have overtaken something: their order is all that tells how far the feed is."""
        self._looked: list[Any] = []
        """What was found so far of the items of the first list."""
        self._expected: dict[tuple[str, str], _Expected] = {}
        """What we asked for in a subscription, by document and revision."""
        self._by_sequence: dict[str, tuple[str, str]] = {}
        self._failed: dict[tuple[str, str], list[int]] = {}
        """Tickets of what failed for now, by document and revision: a peer like ours sends it again."""
        self._proposed = 0
        """Revisions that a peer who proposes was told to send, and has not."""
        self._arrivals = Arrivals(session, database, options, echo)
        self._patches = Patches(session, database, self._arrivals, self._patched)
        self._ends = BranchEnds[Arrived](database)
        self._claims = pull_dedup.of(database)
        self._turn = Turn(self._claims, session)
        self._fetching = self._fetching_bytes = 0
        self._batch: list[Arrived] = []
        self._batch_bytes = 0
        self._batch_since = 0.0
        self._failed_for_now = 0
        self.is_caught_up = False
        """Whether the peer has said that we know of all its changes."""
        self._terms = Terms(limits.HISTORY, options.deltas or None, blobs=True, send_replacements=True)

    # What the owner asks

    @property
    def is_idle(self) -> bool:
        """Whether everything that was announced is here, or will not come."""
        waiting = self._fetching or self._patches.waiting
        return not (self._lists or self._early or self._expected or self._batch or waiting)

    @property
    def expected(self) -> int:
        """Revisions that were asked for and are not here yet."""
        return len(self._expected) + self._proposed + len(self._batch)

    @property
    def deadline(self) -> float | None:
        """When `pump` has something to do even if nothing happens."""
        commit = self._batch_since + limits.COMMIT_AFTER if self._batch else None
        times = (self._turn.deadline, self._blobs.deadline, commit)
        return min((time for time in times if time is not None), default=None)

    @property
    def held(self) -> int:
        """Bytes of what came and is not done with: bodies, lists, and notes of changes that are awaited."""
        held = self._batch_bytes + self._fetching_bytes
        for message, event in (*self._lists, *self._early):
            items = message.proposals if isinstance(message, ProposeChanges) else message.changes
            held += len(event.body) + _ITEM * len(items)
        if self._progress is not None:
            held += _ITEM * self._progress.waiting
        return held

    @property
    def failed_for_now(self) -> int:
        """Documents that the next replication must try again."""
        return self._failed_for_now

    # Lists

    def changes(self, message: Changes, event: RequestReceived) -> None:
        """A subscription's list of changes."""
        self._check_room()
        self._early.append((message, event))
        self._order_lists()

    def proposals(self, message: ProposeChanges, event: RequestReceived) -> None:
        """What a peer would like to push."""
        self._check_room()
        self._lists.append((message, event))
        self._answer_lists()

    def offered(self, message: Changes, event: RequestReceived) -> None:
        """What a peer would like to push that looks for conflicts itself, when it pulls."""
        self._check_room()
        self._lists.append((message, event))
        self._answer_lists()

    def _check_room(self) -> None:
        if len(self._lists) + len(self._early) >= limits.LISTS_UNANSWERED:
            raise MessageError("too many lists of changes without waiting for answers", code=429)

    def _order_lists(self) -> None:
        self._early.sort(key=lambda early: early[1].number)
        while self._early and self._session.is_in_order(self._early[0][1]):
            message, event = self._early.pop(0)
            if message.changes:
                self._lists.append((message, event))
            else:
                self.is_caught_up = True
                self._session.respond(event)
        self._answer_lists()

    def _answer_lists(self) -> None:
        """Answer in order; not yet what another session has been asked for, nor what follows it."""
        while (
            self._lists
            and len(self._expected) < limits.REVISIONS_WANTED
            and self._turn.is_due()
            and self._session.has_time()
        ):
            message, event = self._lists[0]
            try:
                reply = (
                    self._judged(message) if isinstance(message, ProposeChanges) else self._looked_up(message)
                )
            except DocumentError as error:  # what was sent is at fault, not the store
                self._lists.popleft()
                self._looked = []
                self._session.refuse(event, MessageError(str(error)))
                continue
            if reply is None:
                break
            self._lists.popleft()
            self._session.respond(event, reply)

    def _look(self, items: tuple[T, ...], look: Callable[[tuple[T, ...]], Sequence[Any]]) -> list[Any] | None:
        """Return what is found of each item of the first list; None if the time is up before."""
        looked = self._looked
        while len(looked) < len(items):
            if looked and not self._session.has_time():
                return None
            looked += look(items[len(looked) : len(looked) + limits.LOOKED_UP_AT_ONCE])
        self._looked = []
        return looked

    def _missing(self, changes: tuple[Change, ...]) -> list[list[str] | None]:
        hidden = self._arrivals.hidden(change.id for change in changes)
        known = self._database.missing([(change.id, change.revision) for change in changes])
        return [
            _NONE_SHOWN if change.id in hidden else ancestors
            for change, ancestors in zip(changes, known, strict=True)
        ]

    def _looked_up(self, message: Changes) -> Encoded | None:
        """What is wanted of a list; None if that cannot be said yet."""
        expected = self._expected
        offered = [(change.id, change.revision) for change in message.changes]
        known = self._look(message.changes, self._missing)
        if known is None:
            return None
        wanted = [
            key
            for change, key, ancestors in zip(message.changes, offered, known, strict=True)
            if ancestors is not None and not self._is_taken_away(change) and key not in expected
            if ancestors is not _NONE_SHOWN
        ]
        if not self._turn.takes(wanted):
            return None
        self._note_offered(key for key, ancestors in zip(offered, known, strict=True) if ancestors is None)
        if self._progress is None:
            answers: list[Answer] = [NOT_WANTED if found is None else tuple(found) for found in known]
            self._proposed += sum(answer != NOT_WANTED for answer in answers)
        else:
            answers = self._answers(message.changes, known, self._progress)
        return ChangesReply(tuple(answers), self._terms).encode()

    def _answers(
        self, changes: tuple[Change, ...], known: list[list[str] | None], progress: PullProgress
    ) -> list[Answer]:
        answers: list[Answer] = []
        self._look_for_outdated([c for c, k in zip(changes, known, strict=True) if k is None and not c.gone])
        if progress.waiting > limits.CHANGES_OPEN:
            text = "the peer tells of ever more changes, and keeps back a revision that it was asked for"
            self._session.end(Problem(Domain.BLIP, _POLICY, text))
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

    def _is_taken_away(self, change: Change) -> bool:
        """Return True if the peer takes a document away, rather than offer a revision of it.

        A tombstone that has left the reader's channels is a tombstone nevertheless: a deletion names none, so
        that is how Sync Gateway tells of nearly every one. Where access was revoked too, a reader who purges
        what it may not see any more purges it, as Couchbase Lite does.
        """
        if self._progress is None:
            return False  # it is pushed to us, who read no channels
        if change.gone & Gone.DELETED and not (change.gone & Gone.REVOKED and self._options.purges_removed):
            return False
        return bool(change.gone & _TAKEN_AWAY)

    def _look_for_outdated(self, known: list[Change]) -> None:
        """Of what the peer says is current and we know: what is on a branch that has ended here."""
        if self._outdated is not None and known:
            ended = self._database.ended([(change.id, change.revision) for change in known])
            for change in compress(known, ended):
                self._outdated(change.id)

    def _judged(self, message: ProposeChanges) -> Encoded | None:
        """What may come of what is proposed; None if that cannot be said yet."""
        verdicts = self._look(message.proposals, partial(self._verdicts, message))
        if verdicts is None:
            return None
        judged = list(zip(message.proposals, verdicts, strict=True))
        let_come = [(proposal, verdict) for proposal, verdict in judged if verdict.status == 0]
        wanted = [(found.id, found.revision) for found, verdict in let_come if verdict is not _SEND_HIDDEN]
        if not self._turn.takes(wanted):
            return None
        self._ends.judged(judged)
        self._note_offered(
            (proposal.id, proposal.revision) for proposal, verdict in judged if verdict is _KNOWN
        )
        self._proposed += len(let_come)
        return ProposeChangesReply(tuple(verdicts), self._terms).encode()

    def _note_offered(self, known: Iterable[tuple[str, str]]) -> None:
        if self._echo is not None:
            self._echo.note_offered(known, self._database.last_sequence)

    def _verdicts(self, message: ProposeChanges, proposals: tuple[Proposal, ...]) -> list[Verdict]:
        database = self._database
        known = database.missing([(proposal.id, proposal.revision) for proposal in proposals])
        here = database.current(proposal.id for proposal in proposals)
        tells = message.conflict_includes_revision
        ended = database.ended([(proposal.id, proposal.revision) for proposal in proposals])
        hidden = self._arrivals.hidden(proposal.id for proposal in proposals)
        return [
            _SEND_HIDDEN
            if proposal.id in hidden
            else Verdict(_CONFLICT, here[proposal.id][0] if tells else None)
            if has_ended and proposal.parent != here[proposal.id][0]
            else _KNOWN
            if ancestors is None and not has_ended
            else SEND
            if proposal.id not in here
            else self._verdict(proposal, *here[proposal.id], tells=tells)
            for proposal, ancestors, has_ended in zip(proposals, known, ended, strict=True)
        ]

    def _verdict(self, proposal: Proposal, current: str, deleted: bool, *, tells: bool) -> Verdict:
        """On a proposal for a document of which something is here."""
        if deleted or proposal.parent == current or self._database.is_single_writer(proposal.id):
            return SEND
        if not revisions.is_sound(current):
            return SEND  # whatever comes takes its place
        return Verdict(_CONFLICT, current if tells else None)

    # Revisions

    def rev(self, rev: Rev, event: RequestReceived) -> None:
        """A revision has come."""
        self._proposed = max(0, self._proposed - 1)
        tickets = None
        if self._progress is not None:
            key = (rev.id, rev.replaced or rev.revision)
            tickets = self._pop_expected(key) or self._pop_failed(key) or None
        arrived = Arrived(event, rev, rev.body, tickets, len(event.body))
        arrived.error = self._arrivals.objection_to_id(rev)
        if arrived.error is None and event.too_large:
            arrived.error = MessageError(f"{rev.id}: larger than is taken here", code=_TOO_LARGE)
        if arrived.error is not None:
            self._take(arrived)
        elif rev.delta_source is None:
            self._unpack(arrived)
        else:
            self._patches.apply(arrived, rev.delta_source)

    def asked_for(
        self, document_id: str, revision: str, body: bytes, ended: Callable[[MessageError | None], None]
    ) -> None:
        """What the peer holds of a document has come, not as an entry of its feed but by itself.

        `ended` is called when it is stored, or with why it is not.
        """
        rev = Rev(document_id, revision, body)
        self._unpack(Arrived(None, rev, body, None, len(body), ended=ended))

    def _unpack(self, arrived: Arrived) -> None:
        rev = arrived.rev
        try:
            if json_size.exceeds(arrived.raw, self._session.limits.nodes):
                raise MessageError(f"{rev.id}: larger than is taken here", code=_TOO_LARGE)
            quota = self._options.quota()
            if quota is not None and (error := quota.objection(rev.id, len(arrived.raw))) is not None:
                raise error
            incoming = wire_bodies.from_peer(arrived.raw)
        except MessageError as error:
            arrived.error = error.kept()
            self._take(arrived)
            return
        arrived.raw, arrived.is_removed = incoming.raw, incoming.removed and not rev.deleted
        if self._ends.is_one(rev, arrived.raw) and not self._arrivals.hidden([rev.id]):
            self._ends.keep(rev, arrived)
            self._respond(arrived)
            return
        arrived.end = self._ends.take(rev) or self._named_end(rev)
        if incoming.blobs and not rev.deleted:
            # Rights come first: blobs cost their transfer, or their proof.
            if not self._arrivals.is_allowed(arrived) or not self._has_room(arrived):
                self._take(arrived)
                return
            self._hold(arrived)
            self._blobs.fetch(incoming.blobs, rev.id, self._fetched, arrived)
            return
        self._take(arrived)

    def _named_end(self, rev: Rev) -> Arrived | None:
        end = self._ends.named_by(rev)
        return None if end is None else Arrived(None, end, end.body, None, 0)

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

    def _patched(self, arrived: Arrived) -> None:
        if arrived.error is None:
            self._ledger.progress.deltas_pulled += 1
            self._unpack(arrived)
        else:
            self._take(arrived)

    def _has_room(self, arrived: Arrived) -> bool:
        """Return True if one more revision may wait; else note that error."""
        waiting = self._fetching_bytes + len(arrived.raw)
        if self._fetching >= limits.DOCUMENTS_FETCHING or waiting > limits.BYTES_FETCHING:
            text = f"{arrived.rev.id}: too many documents wait for their blobs"
            arrived.error = MessageError(text, code=_UNAVAILABLE)
        return arrived.error is None

    def _hold(self, arrived: Arrived) -> None:
        self._fetching += 1
        self._fetching_bytes += len(arrived.raw)

    def _let_go(self, arrived: Arrived) -> None:
        self._fetching -= 1
        self._fetching_bytes -= len(arrived.raw)

    def _fetched(self, error: MessageError | None, arrived: Arrived) -> None:
        self._let_go(arrived)
        arrived.error = None if error is None else error.kept()
        self._take(arrived)

    def _put(self, arrived: Arrived) -> None:
        if not self._batch:
            self._batch_since = self._session.clock()
        self._batch.append(arrived)
        self._batch_bytes += len(arrived.raw)

    def _take(self, arrived: Arrived) -> None:
        self._put(arrived)
        if len(self._batch) >= limits.BATCH or self._batch_bytes >= limits.COMMIT_BYTES:
            self.commit()

    def norev(self, message: NoRev, event: RequestReceived) -> None:
        """A revision that we asked for, or let come, will not come."""
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
        transient = message.status in _TRANSIENT
        if transient:
            self._fails_for_now(key, tickets)
        else:
            self._done(tickets)
        if message.status != 404 or message.reason:
            text = f"{key[0]}: the peer cannot send it: {message.reason or message.status}"
            problem = Problem(Domain.WEBSOCKET, message.status, text)
            self._tell(key[0], key[1], problem=problem, is_transient=transient)

    # Into the store

    def pump(self) -> None:
        """Do what is due: commit when nothing more is to be waited for, answer further lists."""
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
        """Store what has come, in one transaction, and answer for it. Raises StoreError; nothing is then."""
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

    def _respond(self, arrived: Arrived) -> None:
        if arrived.event is not None:
            self._session.respond(arrived.event)

    def _conclude(self, arrived: Arrived) -> None:
        rev, error, progress = arrived.rev, arrived.error, self._ledger.progress
        if arrived.ended is not None:
            arrived.ended(error)
        key = (rev.id, rev.replaced or rev.revision)
        if error is None:
            self._claims.came(key)
            if rev.replaced is not None:
                self._claims.came((rev.id, rev.revision))
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
            if rev.delta_source is not None and error.code == _UNPROCESSABLE:
                # It comes again, whole.
                if arrived.tickets is not None:
                    self._expected[key] = _Expected(arrived.tickets, rev.sequence or "")
                    return
                self._proposed += 1
                return
            self._claims.fails(key, self._session)
            transient = error.code in _TRANSIENT
            problem = Problem(Domain.WEBSOCKET, error.code, error.text)
            self._tell(rev.id, rev.revision, deleted=rev.deleted, problem=problem, is_transient=transient)
            if transient:
                self._fails_for_now(key, arrived.tickets)
                return
        if arrived.tickets is not None:
            self._done(arrived.tickets)

    def _take_away(self, change: Change, tickets: list[int]) -> None:
        """Take note that the peer takes a document away; where it is to be purged, after what came before."""
        if self._options.purges_removed:
            rev = Rev(change.id, change.revision, b"")
            self._put(Arrived(None, rev, b"", tickets, wire_bytes=0, is_removed=True))
            return
        self._done(tickets)
        self._ledger.tell(DocumentEnded(Direction.PULL, change.id, change.revision, access_removed=True))

    def _done(self, tickets: list[int]) -> None:
        if self._progress is not None:
            for ticket in tickets:
                self._progress.complete(ticket)
            self._ledger.progress.completed += len(tickets)

    def _tell(self, document_id: str, revision: str, **what: Any) -> None:
        self._ledger.tell(DocumentEnded(Direction.PULL, document_id, revision, **what))
