"""The passive peer: it was connected to, keeps checkpoints, serves feeds, takes in what is pushed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from sync.blip import RequestReceived
from sync.peer.blob_access import BlobAccess
from sync.peer.blob_traffic import BlobServer
from sync.peer.checkpoints import PeersCheckpoints
from sync.peer.conflicts import Resolvers
from sync.peer.peer import PeerBase
from sync.peer.progress import Ledger
from sync.peer.quotas import Quota
from sync.peer.receiver import Receiver
from sync.peer.selection import EVERYTHING, Selection, Stream
from sync.peer.sender import Sender
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
from .echo_suppression import Echo
from .revision_writer import IdRule, ReceiveOptions, Rule
from .sender_types import SendOptions

_FORBIDDEN: Final = 403
_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_UNAVAILABLE: Final = 503
_KNOWN: Final = 304


@dataclass(frozen=True, slots=True, kw_only=True)
class PassiveOptions:
    """What peers may do here."""

    read_only: bool = False
    readable: Selection = EVERYTHING
    """What the peer may see. Of a Selection only `within` and `filter` make sense here."""
    rule: Rule | None = None
    """Which of what it pushes is refused, and why."""
    id_rule: IdRule | None = None
    """The same, as far as the id alone tells: asked before a body is read."""
    deltas: bool = True
    remote: str | None = None
    """Who it is, if that is known: what it holds is kept under this name, else under its checkpoint's."""
    owner: str = ""
    """Whose its checkpoints are: `user:<name>` or `vessel:<name>`; empty if it has no name."""
    quota: Quota | None = None
    """What it may bring; None for anything."""
    keeps: Callable[[str], bool] = lambda _: True
    resolvers: Resolvers = field(default_factory=Resolvers)
    """For edits that meet a deletion; other conflicts are refused."""
    streams: tuple[Stream, ...] = ()
    """Parts that a peer may subscribe to, by name."""
    write_only: bool = False
    """Whether it may push, and read nothing."""


class PassivePeer(PeerBase):
    """Serves one peer over one connection."""

    def __init__(self, session: Session, database: Database, options: PassiveOptions, ledger: Ledger) -> None:
        super().__init__(session, database, ledger)
        self._options = options
        session.remote = options.remote
        self._echo = Echo()
        self._is_subscribed = False
        self._checkpoints = PeersCheckpoints(session, database, owner=options.owner)
        self._blobs = BlobAccess(database, options.readable)
        if not options.write_only:
            BlobServer(session, database, ledger=ledger, access=self._blobs)
        session.handle(SubChanges, self._subscribe)
        session.handle(GetRev, self._get_revision)
        session.handle(Changes, self._told)
        session.handle(ProposeChanges, self._proposed)
        session.handle(Rev, self._pushed)
        session.handle(NoRev, self._not_pushed)
        self._taker = Receiver(
            session,
            database,
            options=ReceiveOptions(
                active=False,
                deltas=options.deltas,
                resolvers=options.resolvers,
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

    # Pulled from us

    def _subscribe(self, request: SubChanges, event: RequestReceived) -> None:
        if self._is_subscribed:
            raise MessageError(
                "there is a subscription already", code=LiteCoreCode.NOT_IMPLEMENTED, domain=LITECORE_DOMAIN
            )
        if request.versioning is not Versioning.REV_TREES:
            raise MessageError(
                "revision ids here are those of revision trees",
                code=LiteCoreCode.NOT_IMPLEMENTED,
                domain=LITECORE_DOMAIN,
            )
        self._check_readable()
        stream = next((known for known in self._options.streams if known.name == request.filter), None)
        if request.filter is not None and stream is None:
            raise MessageError(f"there is no filter {request.filter[:80]!r} here", code=_NOT_FOUND)
        database, readable = self.database, self._options.readable
        last = database.last_sequence
        since = last if request.future else _number(request.since)
        if since > last:
            since = 0  # of another life of this store: it was restored from an older state
        self._is_subscribed = True
        self.session.respond(event)
        self.sender = Sender(
            self.session,
            database,
            _Unlogged(),
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
            raise MessageError("ask for less at once", code=_UNAVAILABLE)
        document = self.database.get(request.id)
        readable = self._options.readable
        if (
            document is None
            or document.deleted
            or not readable.shows(self.database, document.id, deleted=False)
        ):
            raise MessageError(f"{request.id[:80]}: there is no such document", code=_NOT_FOUND)
        if document.rev == request.unless:
            raise MessageError("it is the revision that you have", code=_KNOWN)
        self.session.respond(event, GetRevReply(document.rev, document.raw).encode())

    # Pushed to us

    def _told(self, request: Changes, event: RequestReceived) -> None:
        if not request.changes:
            self.session.respond(event)
            return
        if request.insists:
            self._check_writable()
            self._taker.offered(request, event)
            return
        raise MessageError("propose changes: no conflicts are taken here", code=_CONFLICT)

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
            raise MessageError("nothing is given out here", code=_FORBIDDEN)

    def _check_writable(self) -> None:
        if self._options.read_only:
            raise MessageError("this database is read-only for you", code=_FORBIDDEN)

    def _own_deadline(self) -> float | None:
        return self._checkpoints.deadline

    def _advance(self) -> None:
        self._checkpoints.pump()
        if self.sender is None or self.sender.is_over:
            self._echo.clear()  # nobody is there to send it back


class _Unlogged:
    """The feed of a subscription: the peer keeps its place itself."""

    def is_complete(self, sequence: int) -> bool:  # noqa: ARG002
        """Nothing is."""
        return False

    def scanned(self, through: int, pending: list[int]) -> None:
        """Not kept."""

    def complete(self, sequence: int) -> None:
        """Not kept."""

    def reopen(self, sequence: int) -> None:
        """Not kept."""


def _number(since: str | None) -> int:
    """A sequence of ours that a peer gives back; 0 for what is none, which is to begin at the start."""
    if since is None:
        return 0
    try:
        return max(0, msgspec.json.decode(since.encode(), type=int))
    except msgspec.MsgspecError:
        return 0
