"""The passive peer: the side that accepts a connection.

This side stores the checkpoints of its peers, serves feeds, and receives changes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

import msgspec

from sync.blip import RequestReceived
from sync.peer.blob_access import BlobAccess
from sync.peer.blob_traffic import BlobServer
from sync.peer.checkpoints import PeersCheckpoints
from sync.peer.conflicts import ConflictResolver, default_resolver
from sync.peer.progress import Ledger
from sync.peer.quotas import Quota
from sync.peer.receiver import ChangeReceiver
from sync.peer.selection import EVERYTHING, Selection, Stream
from sync.peer.sender import FeedSender
from sync.peer.session import Session
from sync.replication.messages import (
    LITECORE_DOMAIN,
    Changes,
    GetRev,
    GetRevReply,
    LiteCoreCode,
    MessageError,
    NoRev,
    ProposeChanges,
    Rev,
    SubChanges,
    Versioning,
)
from sync.store import Database

from . import limits
from .echo_suppression import EchoSuppression
from .peer_base import PeerBase
from .revision_writer import IdRule, ReceiveOptions, Rule
from .sender_types import SendOptions

_KNOWN: Final = 304


@dataclass(frozen=True, slots=True, kw_only=True)
class PassiveOptions:
    """The options of a passive peer, which determine what the other side may read and write."""

    read_only: bool = False
    readable: Selection = EVERYTHING
    """Selection of the documents that the peer may read. Set only its attributes `within` and `filter`."""
    rule: Rule | None = None
    """Function that returns the reason to reject a pushed document, or None to accept it."""
    id_rule: IdRule | None = None
    """Function that may reject a document because of its id alone, before the body is read."""
    deltas: bool = True
    remote: str | None = None
    """Name under which the peer's revisions are recorded; None to use the id of the peer's checkpoint."""
    owner: str = ""
    """Owner of the peer's checkpoints, for example `user:<name>`; empty if the owner has no name."""
    quota: Quota | None = None
    """Quota for the documents that the peer pushes; None for no limit."""
    keeps: Callable[[str], bool] = lambda _: True
    """Function that returns True if the peer's revision of the document with the given id is recorded."""
    conflict_resolver: ConflictResolver = default_resolver
    """Resolver of conflicts between an edit and a deletion. Revisions with other conflicts are rejected."""
    streams: tuple[Stream, ...] = ()
    """Streams to which the peer may subscribe by name."""
    write_only: bool = False
    """True if the peer may push documents, but not read any."""


class PassivePeer(PeerBase):
    """A replication with one peer that connected to us."""

    def __init__(self, session: Session, database: Database, options: PassiveOptions, ledger: Ledger) -> None:
        super().__init__(session, database, ledger)
        self._options = options
        session.remote = options.remote
        self._echo = EchoSuppression()
        self._is_subscribed = False
        self._checkpoints = PeersCheckpoints(session, database, owner=options.owner)
        self._blobs = BlobAccess(database, options.readable)
        if not options.write_only:
            BlobServer(session, database, ledger=ledger, access=self._blobs)
        session.handle(SubChanges, self._subscribe)
        session.handle(GetRev, self._get_revision)
        session.handle(Changes, self._changes_received)
        session.handle(ProposeChanges, self._proposed)
        session.handle(Rev, self._pushed)
        session.handle(NoRev, self._not_pushed)
        self._taker = ChangeReceiver(
            session,
            database,
            options=ReceiveOptions(
                active=False,
                deltas=options.deltas,
                conflict_resolver=options.conflict_resolver,
                rule=options.rule,
                id_rule=options.id_rule,
                readable=options.readable,
                keeps=options.keeps,
                prove_blobs=not options.readable.is_everything,
                quota=lambda: options.quota,
            ),
            ledger=ledger,
            echo=self._echo,
        )
        self.receiver = self._taker

    # Pulls by the peer

    def _subscribe(self, request: SubChanges, event: RequestReceived) -> None:
        if self._is_subscribed:
            raise MessageError(
                "there is already a subscription", code=LiteCoreCode.NOT_IMPLEMENTED, domain=LITECORE_DOMAIN
            )
        if request.versioning is not Versioning.REV_TREES:
            raise MessageError(
                "this database uses revision trees, not version vectors",
                code=LiteCoreCode.NOT_IMPLEMENTED,
                domain=LITECORE_DOMAIN,
            )
        self._check_readable()
        stream = next((known for known in self._options.streams if known.name == request.filter), None)
        if request.filter is not None and stream is None:
            raise MessageError(
                f"the filter {request.filter[:80]!r} does not exist", code=HTTPStatus.NOT_FOUND
            )
        database, readable = self.database, self._options.readable
        last = database.last_sequence
        since = last if request.future else _number(request.since)
        if since > last:
            since = 0  # our store was restored to an earlier state after it had sent this sequence
        self._is_subscribed = True
        self.session.respond(event)
        self.sender = FeedSender(
            self.session,
            database,
            _UnrecordedProgress(),
            since=since,
            options=SendOptions(
                proposes=False,
                continuous=request.continuous,
                selection=replace(
                    readable,
                    channels=frozenset(request.channels),
                    document_ids=frozenset(request.document_ids),
                    live_only=request.active_only and not since,
                    stream=stream,
                ),
                batch=min(request.batch or limits.BATCH, limits.BATCH),
                deltas=self._options.deltas,
                keeps=self._options.keeps,
                insists=request.is_gateway,
                tells_departures=request.revocations,
                blobs=self._blobs,
            ),
            ledger=self.ledger,
            echo=self._echo,
        )

    def _get_revision(self, request: GetRev, event: RequestReceived) -> None:
        self._check_readable()
        connection = self.session.connection
        if connection.queued > limits.MESSAGES_QUEUED or connection.queued_bytes > limits.BYTES_QUEUED:
            raise MessageError(
                "too many requests; send fewer at the same time", code=HTTPStatus.SERVICE_UNAVAILABLE
            )
        document = self.database.get(request.id)
        readable = self._options.readable
        if (
            document is None
            or document.deleted
            or not readable.shows(self.database, document.id, deleted=False)
        ):
            raise MessageError(f"{request.id[:80]}: the document does not exist", code=HTTPStatus.NOT_FOUND)
        if document.rev == request.unless:
            raise MessageError("you already have the current revision", code=_KNOWN)
        self.session.respond(event, GetRevReply(document.rev, document.raw).encode())

    # Pushes by the peer

    def _changes_received(self, request: Changes, event: RequestReceived) -> None:
        if not request.changes:
            self.session.respond(event)
            return
        if request.insists:
            self._check_writable()
            self._taker.offered(request, event)
            return
        raise MessageError(
            "conflicting changes are not accepted; use proposeChanges", code=HTTPStatus.CONFLICT
        )

    def _proposed(self, request: ProposeChanges, event: RequestReceived) -> None:
        self._check_writable()
        self._taker.proposals(request, event)

    def _pushed(self, request: Rev, event: RequestReceived) -> None:
        self._check_writable()
        self._taker.rev(request, event)

    def _not_pushed(self, request: NoRev, event: RequestReceived) -> None:
        self._check_writable()
        self._taker.norev(request, event)

    def _check_readable(self) -> None:
        if self._options.write_only:
            raise MessageError("this database is write-only for you", code=HTTPStatus.FORBIDDEN)

    def _check_writable(self) -> None:
        if self._options.read_only:
            raise MessageError("this database is read-only for you", code=HTTPStatus.FORBIDDEN)

    @property
    def bytes_held(self) -> int:
        """Memory, in bytes, used on behalf of the peer."""
        return super().bytes_held + self._checkpoints.bytes_held

    def _own_deadline(self) -> float | None:
        return self._checkpoints.deadline

    def _advance(self) -> None:
        self._checkpoints.pump()
        if self.sender is None or self.sender.is_over:
            self._echo.clear()  # there is no sender that could send the revisions back


class _UnrecordedProgress:
    """Stand-in for the progress of a peer's subscription, which the peer records itself."""

    def is_complete(self, sequence: int) -> bool:  # noqa: ARG002
        """Return False, because nothing is recorded."""
        return False

    def scanned(self, through: int, pending: list[int]) -> None:
        """Ignore the sequence up to which the feed was read."""

    def complete(self, sequence: int) -> None:
        """Ignore that a change is complete."""

    def reopen(self, sequence: int) -> None:
        """Ignore that a change is reopened."""


def _number(since: str | None) -> int:
    """Return the sequence after which a peer asks to continue, or 0 (the beginning) if it is invalid."""
    if since is None:
        return 0
    try:
        return max(0, msgspec.json.decode(since.encode(), type=int))
    except msgspec.MsgspecError:
        return 0
