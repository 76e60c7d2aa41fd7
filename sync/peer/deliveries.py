"""Delivery of the revisions that a peer requests, whole or as deltas, and handling of the peer's replies."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from itertools import islice, takewhile
from typing import Final

from sync import delta
from sync.blip import ErrorReceived
from sync.peer.progress import Direction, DocumentEnded, Ledger
from sync.peer.selection import EVERYTHING
from sync.peer.session import Reply, Session
from sync.replication.errors import TRANSIENT_STATUSES
from sync.replication.messages import DeliveryTerms, Failure, NoRev, Rev
from sync.store import Database, Revision, revisions

from . import limits, wire_bodies
from .send_outcomes import SendOutcomes
from .sender_types import ChangeInFlight, SendOptions

KNOWN: Final = 304
_DELTA_OVERHEAD: Final = 50
"""Additional message size, in bytes, if a delta is sent: the message must name the delta's base revision."""
_LARGEST: Final = 20 * 1024 * 1024
"""Maximum size, in bytes, of a document body that is sent.

This is Sync Gateway's limit, which is lower than our own limit on BLIP messages.
"""
_DELTA_REFUSED: Final = frozenset(
    {HTTPStatus.NOT_FOUND, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY}
)
"""HTTP status codes with which a peer reports that it lacks a delta's base or cannot apply the delta."""


class Deliveries:
    """Queue of the revisions that the peer has requested from one feed on one session."""

    def __init__(
        self,
        session: Session,
        database: Database,
        *,
        options: SendOptions,
        ledger: Ledger,
        outcomes: SendOutcomes,
        contested: Callable[[ChangeInFlight], None],
        follow: Callable[[ChangeInFlight], None],
    ) -> None:
        """Create an empty queue.

        Args:
            session: the session with the peer.
            database: the store.
            options: the options for sending.
            ledger: the counts and events of the replication.
            outcomes: the outcomes of changes.
            contested: called with a change that the peer requested and then rejected as a conflict.
            follow: called when the peer has received a branch's tombstone, with the change to propose next.
        """
        self._session, self._database, self._options = session, database, options
        self._ledger, self._outcomes = ledger, outcomes
        self._contested, self._follow = contested, follow
        self._wanted: deque[ChangeInFlight] = deque()
        self._ahead: dict[int, Revision] = {}
        """Revisions read from the store before they are sent, by local sequence."""
        self._in_flight = 0
        self._bytes = 0
        self.bytes_held = 0
        """Memory, in bytes, used by the records of queued revisions and of revisions in flight."""
        self._terms = DeliveryTerms(deltas=False)

    @property
    def waiting(self) -> int:
        """Number of requested revisions that have not been sent yet."""
        return len(self._wanted)

    @property
    def open(self) -> int:
        """Number of requested revisions that the peer has not confirmed yet."""
        return len(self._wanted) + self._in_flight

    @property
    def is_idle(self) -> bool:
        """True if no revision is waiting to be sent or in flight."""
        return not (self._wanted or self._in_flight)

    def apply_terms(self, terms: DeliveryTerms) -> None:
        """Apply the delivery terms that the peer has stated.

        If the terms do not mention deltas, the previous setting for deltas remains in effect.
        """
        deltas = self._terms.deltas if terms.deltas is None else terms.deltas
        self._terms = DeliveryTerms(terms.max_history, deltas, terms.blobs, terms.send_replacements)

    def want(self, sending: ChangeInFlight) -> None:
        """Queue a revision that the peer has requested."""
        self._wanted.append(sending)
        self.bytes_held += sending.bytes_held

    def forget_wanted(self) -> list[ChangeInFlight]:
        """Clear the queue, and return the requested revisions that were not sent."""
        wanted = list(self._wanted)
        self._wanted.clear()
        self.bytes_held -= sum(sending.bytes_held for sending in wanted)
        return wanted

    def clear(self) -> None:
        """Discard all requested revisions, because the session is over."""
        self._wanted.clear()
        self._ahead.clear()
        self._options = replace(self._options, selection=EVERYTHING)
        self.bytes_held = 0

    def pump(self) -> None:
        """Send queued revisions until a limit on data in flight is reached or the time is up."""
        connection, sent = self._session.connection, False
        while (
            self._wanted
            and self._in_flight < limits.REVISIONS_AWAITING
            and self._bytes < limits.BYTES_AWAITING
            and connection.queued < limits.MESSAGES_QUEUED
            and connection.queued_bytes < limits.BYTES_QUEUED
            and (not sent or self._session.has_time())
        ):
            self._send(self._wanted.popleft())
            sent = True

    def _send(self, sending: ChangeInFlight) -> None:
        change, terms, options = sending.change, self._terms, self._options
        self.bytes_held -= sending.bytes_held
        revision = self._read(sending)
        replaced = None
        if revision is None:
            if sending.then is not None:
                # The document has changed since the request, and the feed will contain the new change.
                self._outcomes.done(change)
                return
            revision = self._replacement(sending)
            if revision is None:
                return
            replaced = change.rev
        body, source = revision.raw, None
        if (
            sending.as_delta
            and options.deltas
            and terms.deltas
            and sending.ancestors
            and not revision.deleted
        ):
            body, source = self._delta(revision, sending.ancestors, blobs=terms.blobs)
        if source is None and not terms.blobs:
            body = wire_bodies.to_gateway(body, revisions.generation(revision.rev))
        if len(body) > _LARGEST:
            text = f"{change.id}: the document is too large to send: {len(body)} bytes"
            self._outcomes.failed(change, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
            return
        self._ledger.progress.deltas_pushed += source is not None
        if options.blobs is not None:
            sending.blobs = options.blobs.send(revision.raw)
        sending.size = len(body)
        self._in_flight += 1
        self._bytes += sending.size
        self.bytes_held += sending.bytes_held
        sending.attempts += 1
        self._session.request(
            Rev(
                revision.id,
                revision.rev,
                body,
                str(change.sequence),
                revision.deleted,
                tuple(self._history(revision, sending)),
                source,
                options.proposes,
                replaced,
                self._session.collection,
                deleted_branch=sending.closes,
            ).encode(),
            self._delivered,
            sending,
        )

    def _read(self, sending: ChangeInFlight) -> Revision | None:
        """Return the revision to send, and prefetch the revisions that follow it in the feed.

        Only documents with a single revision are prefetched, all in one query. With one query per document,
        most of the time would be spent on finding the documents. Return None if the revision is not stored.
        """
        change = sending.change
        revision = self._ahead.pop(change.sequence, None)
        if revision is None and not sending.ancestors and self._wanted and not sending.attempts:
            self._ahead.clear()
            first = last = change.sequence
            size = 0
            for following in islice(self._wanted, limits.READ_AHEAD):
                size += following.size
                if following.change.sequence != last + 1 or size > limits.COMMIT_BYTES:
                    break
                last += 1
            if last > first:
                self._ahead = self._database.first_revisions(first, last)
                revision = self._ahead.pop(first, None)
        if revision is not None and (revision.id, revision.rev) == (change.id, change.rev):
            return revision
        return self._revision(change.id, change.rev, sending)

    def _revision(self, document_id: str, revision: str, sending: ChangeInFlight) -> Revision | None:
        """Read a revision and its ancestors from the store; None if the revision is not stored.

        The list of ancestors ends with the first one that the peer has, or at the maximum number.
        """
        known = () if sending.is_guess else sending.ancestors
        return self._database.revision(document_id, revision, ancestors=known, limit=self._depth)

    @property
    def _depth(self) -> int:
        """Maximum number of ancestors to send with a revision, as stated by the peer or by default."""
        most = self._terms.max_history
        return limits.DEPTH if most is None else min(most, limits.DEPTH_MOST)

    def _history(self, revision: Revision, sending: ChangeInFlight) -> list[str]:
        history, known = revision.history, sending.ancestors
        onto = self._onto(revision, sending)
        if onto is not None:
            oldest = revisions.generation(onto)
            history = [ancestor for ancestor in history if revisions.generation(ancestor) > oldest]
            history.append(onto)
            known = (onto,)
        if sending.forks and sending.attempts > 1:
            history = list(takewhile(lambda ancestor: ancestor not in sending.forks, history))
        return revisions.handed_on(revision.rev, history, known=known, depth=self._depth)

    def _onto(self, revision: Revision, sending: ChangeInFlight) -> str | None:
        """Return the peer's revision that our revision replaces without being its descendant, or None."""
        if (
            sending.onto is not None
            or not sending.ancestors
            or not self._database.policy.is_single_writer(revision.id)
        ):
            return sending.onto
        if any(ancestor in revision.history for ancestor in sending.ancestors):
            return None
        # If a document has a single writer, every older revision is an ancestor, and was pruned here.
        older = [known for known in sending.ancestors if revisions.newer(revision.rev, known)]
        newest = max(older, key=revisions.split, default=None)
        if newest is None or revisions.generation(newest) == revisions.generation(revision.rev):
            return None
        return newest

    def _replacement(self, sending: ChangeInFlight) -> Revision | None:
        """Return the document's current revision, to be sent if the requested one is no longer stored.

        If no replacement may be sent, inform the peer that nothing will be sent, and return None.
        """
        change = sending.change
        if not self._options.proposes:
            current = self._database.get(change.id) if self._terms.send_replacements else None
            if (
                current is not None
                and current.rev != change.rev
                and self._options.selection.shows(self._database, change.id, deleted=current.deleted)
            ):
                return self._revision(change.id, current.rev, sending)
        # Without this message, the peer would wait for the revision instead of requesting it from others.
        self._session.request(
            NoRev(change.id, change.rev, str(change.sequence), collection=self._session.collection).encode()
        )
        self._outcomes.done(change)
        return None

    def _delta(
        self, revision: Revision, ancestors: tuple[str, ...], *, blobs: bool
    ) -> tuple[bytes, str | None]:
        selection, policy = self._options.selection, self._database.policy
        for ancestor in ancestors[:2]:
            if self._database.stored_bytes(revision.id) > limits.DELTA_STORED:
                break
            base = self._database.get(revision.id, rev=ancestor)
            if base is None or base.deleted or not selection.shows_revision(policy, base):
                continue
            if max(len(base.raw), len(revision.raw)) > limits.DELTA_BYTES:
                break
            old, new = base.raw, revision.raw
            if not blobs:  # the peer has stored the converted base revision, so the delta must apply to that
                old = wire_bodies.to_gateway(old, revisions.generation(ancestor))
                new = wire_bodies.to_gateway(new, revisions.generation(revision.rev))
            difference = delta.make_json(old, new, overhead=_DELTA_OVERHEAD)
            if difference is not None:
                return difference, ancestor
            break
        return revision.raw, None

    def _delivered(self, reply: Reply, sending: ChangeInFlight) -> None:
        self._in_flight -= 1
        self._bytes -= sending.size
        self.bytes_held -= sending.bytes_held
        if self._options.blobs is not None:
            self._options.blobs.sent(sending.blobs)
        change, outcomes = sending.change, self._outcomes
        if not isinstance(reply, ErrorReceived):
            if sending.then is not None:
                self._follow(sending.then)
                return
            progress = self._ledger.progress
            progress.pushed += 1
            progress.body_bytes_pushed += sending.size
            outcomes.hold(change.id, change.rev)
            outcomes.confirmed(change)
            if self._ledger.listens or self._ledger.failures:
                self._ledger.tell(DocumentEnded(Direction.PUSH, change.id, change.rev, change.deleted))
            return
        failure = Failure.decode(reply)
        status = failure.status
        if status in _DELTA_REFUSED and sending.as_delta and sending.ancestors and sending.attempts == 1:
            sending.as_delta = False
            self._wanted.appendleft(sending)
            self.bytes_held += sending.bytes_held
        elif status == KNOWN and sending.then is not None:
            self._follow(sending.then)
        elif status == KNOWN:
            outcomes.confirmed(change)
        elif status == HTTPStatus.CONFLICT and self._options.proposes:
            self._contested(sending)
        elif status in TRANSIENT_STATUSES or status == 0:
            outcomes.failed_transiently(sending, status, failure.text)
        else:
            outcomes.failed(change, status, f"{change.id}: {failure.text or 'the peer rejects the document'}")
