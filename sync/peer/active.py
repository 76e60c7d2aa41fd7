"""The active peer: the side that connects.

This side owns the checkpoint, pushes, pulls and ends the connection.

The states of one connection::

    start ── getCheckpoint ──► reconciled ──► sender, subscription ──► idle ⇄ busy ──► checkpoint ──► over

An active peer does not open connections. Its caller connects, and reconnects after a failure.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from http import HTTPStatus
from typing import Final

from sync.blip import ErrorReceived
from sync.peer.blob_access import BlobAccess
from sync.peer.blob_traffic import BlobServer
from sync.peer.checkpoints import OwnCheckpoint
from sync.peer.conflicts import ConflictResolver, default_resolver
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction, DocumentEnded, Ledger
from sync.peer.quotas import Quota
from sync.peer.receiver import ChangeReceiver
from sync.peer.selection import EVERYTHING, Selection, Stream
from sync.peer.sender import FeedSender
from sync.peer.session import Reply, Session
from sync.replication.checkpoint import Checkpoint, PullProgress, PushProgress
from sync.replication.checkpoint_id import Peer as PeerName
from sync.replication.checkpoint_id import Replication, checkpoint_id
from sync.replication.messages import Changes, Failure, NoRev, Rev, SubChanges
from sync.store import Database

from . import conflicts, limits
from .echo_suppression import EchoSuppression
from .missing_revision_fetch import MissingRevisionFetch
from .peer_base import PeerBase
from .revision_writer import ReceiveOptions, Rule
from .sender_types import Acknowledged, SendOptions

log = logging.getLogger(__name__)

_NOT_THAT_FEED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_IMPLEMENTED})
"""HTTP status codes with which a peer rejects a subscription of a kind that it does not support."""


class Activity(Enum):
    """The current activity of a replication."""

    CONNECTING = "connecting"
    BUSY = "busy"
    IDLE = "idle"
    """The replication is continuous, and is waiting for the next change."""
    OFFLINE = "offline"
    """The replication is waiting to reconnect."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveOptions:
    """Options of a replication. They stay the same when the replication reconnects."""

    peer: PeerName
    push: bool = True
    pull: bool = True
    continuous: bool = False
    channels: frozenset[str] = frozenset()
    """Channels whose documents are pulled; empty for all channels."""
    document_ids: frozenset[str] = frozenset()
    """Ids of the documents to push and pull; empty for all documents."""
    push_selection: Selection = EVERYTHING
    """Selection of the documents to push."""
    filter_name: str | None = None
    """Name of the application's filters. If the name changes, the replication uses a new checkpoint."""
    stream: Stream | None = None
    """Stream to push and pull, which the peer must also have; None for all documents."""
    push_stream: Stream | None = None
    """Stream to push if `stream` is None; None for all documents. The peer need not define this stream."""
    acknowledged: Acknowledged | None = None
    """Function to call for each change that the peer has confirmed."""
    begun: Callable[[PushProgress], None] | None = None
    """Function to call once the checkpoint is known, before any change is selected for sending.

    Its argument is the progress from which pushing continues.
    """
    pull_rule: Rule | None = None
    """Function that decides which received documents are rejected."""
    pull_quota: Callable[[], Quota | None] = lambda: None
    """Function that returns the quota for data received from the peer; None for no limit."""
    conflict_resolver: ConflictResolver = default_resolver
    deltas: bool = True
    keeps: Callable[[str], bool] = lambda _: True
    is_gateway: bool = False
    """True if the peer is a Sync Gateway.

    A Sync Gateway must receive a branch's tombstone before the revision that replaces the branch.
    """
    purges_removed: bool = False
    """True to purge local documents that leave the pulled channels or become inaccessible."""
    reset_checkpoint: bool = False
    """True to ignore the stored checkpoint on the next connection, and replicate from the beginning."""
    names_collection: bool = False
    """True to begin the connection with a getCollections request, as CBMobile_3 and later require."""

    def __post_init__(self) -> None:
        if self.stream is not None and self.channels:
            raise ValueError(
                "stream and channels cannot be combined, because the protocol has only one filter"
            )
        if self.stream is not None and self.push_stream is not None:
            raise ValueError(
                "stream and push_stream cannot be combined, because stream applies to both directions"
            )
        for channel in self.channels:
            if not channel or "," in channel:
                raise ValueError(f"channel {channel!r}: a channel name must not be empty or contain a comma")

    @property
    def pushed(self) -> Selection:
        """Selection of the documents to push. The peer may also read the blobs of these documents."""
        return replace(self.push_selection, stream=self.stream or self.push_stream)

    @property
    def remote(self) -> str:
        """Name under which the peer's revisions are recorded."""
        return f"{self.peer.kind}:{self.peer.name}"

    def checkpoint_of(self, database: Database) -> str:
        """Return the name of this replication's checkpoint for a given store."""
        return checkpoint_id(
            Replication(
                database=database.uuid,
                peer=self.peer,
                push=self.push,
                pull=self.pull,
                channels=self.channels,
                document_ids=self.document_ids,
                filter=self.filter_name,
                parameters=self._parameters,
            )
        )

    @property
    def _parameters(self) -> dict[str, str]:
        streams = {"stream": self.stream, "pushStream": self.push_stream}
        return {key: stream.name for key, stream in streams.items() if stream is not None}


class ActivePeer(PeerBase):
    """A replication with one peer over one connection."""

    def __init__(self, session: Session, database: Database, options: ActiveOptions, ledger: Ledger) -> None:
        super().__init__(session, database, ledger)
        self._options = options
        session.remote = options.remote
        self._checkpoint = OwnCheckpoint(session, database, options.checkpoint_of(database))
        self._push: PushProgress | None = None
        self._pull: PullProgress | None = None
        self._unfed: Problem | None = None
        """Reason why the peer rejected the pull, if the push continues nevertheless; None otherwise."""
        self._inquiry: MissingRevisionFetch | None = None
        self._offered: list[str] = []
        """Ids of documents to offer again as soon as the sender has been created."""
        self._stopping = False
        self._started = False
        self._blobs = BlobAccess(database, options.pushed)
        if options.push:
            BlobServer(session, database, ledger=ledger, access=self._blobs)

    def start(self) -> None:
        """Start the replication on an open connection."""
        if self._options.reset_checkpoint:
            self._checkpoint.forget()
        self._checkpoint.load(self._begin, names_collection=self._options.names_collection)

    def stop(self) -> None:
        """Store the checkpoint, then stop. Documents that are still in flight are sent again next time."""
        self._stopping = True

    def offer(self, document_ids: Iterable[str]) -> None:
        """Propose documents again that the peer has previously rejected.

        If the sender does not exist yet, the documents are proposed as soon as the sender is created.
        """
        if self.sender is None:
            self._offered.extend(document_ids)
            return
        self.sender.offer(document_ids)
        self.session.nudge()

    @property
    def activity(self) -> Activity:
        """The current activity of the replication."""
        if self.session.is_over:
            return Activity.STOPPED
        if not self._started:
            return Activity.CONNECTING
        return Activity.IDLE if self._is_idle else Activity.BUSY

    @property
    def unfed(self) -> Problem | None:
        """Reason why the peer rejected the pull, if the push continues nevertheless; None otherwise."""
        return self._unfed

    @property
    def must_be_repeated(self) -> int:
        """Number of documents that failed temporarily and that the next replication must retry."""
        unsent = 0 if self.sender is None else self.sender.failed_for_now
        return unsent + (0 if self.receiver is None else self.receiver.failed_for_now)

    @property
    def pending(self) -> int:
        """Number of local changes that are selected for the push and are not pushed yet."""
        return 0 if self._push is None else self._push.pending

    @property
    def pushed(self) -> PushProgress | None:
        """Progress of the push; None if the replication does not push, or until the checkpoint is known."""
        return self._push

    def is_pending(self, sequence: int) -> bool:
        """Return True if the change at a local sequence is not pushed yet."""
        return self._push is None or not self._push.is_complete(sequence)

    def _begin(self, checkpoint: Checkpoint) -> None:
        options, session = self._options, self.session
        self._started = True
        echo = EchoSuppression() if options.push and options.pull else None
        if options.pull:
            self._resolve_open()
            self._pull = PullProgress(checkpoint.remote)
            self.receiver = receiver = ChangeReceiver(
                session,
                self.database,
                options=ReceiveOptions(
                    active=True,
                    deltas=options.deltas,
                    conflict_resolver=options.conflict_resolver,
                    rule=options.pull_rule,
                    keeps=options.keeps,
                    purges_removed=options.purges_removed,
                    quota=options.pull_quota,
                ),
                ledger=self.ledger,
                echo=echo,
                progress=self._pull,
                stored=self.wake,
                outdated=self._outdated,
            )
            patience = limits.FEED_PATIENCE if options.continuous else 0.0
            self._inquiry = MissingRevisionFetch(session, self.database, receiver, patience=patience)
            session.handle(Changes, receiver.changes)
            session.handle(Rev, receiver.rev)
            session.handle(NoRev, receiver.norev)
            session.request(
                SubChanges(
                    since=checkpoint.remote,
                    batch=limits.BATCH,
                    continuous=options.continuous,
                    revocations=options.purges_removed or self.ledger.listens,
                    send_replacements=True,
                    channels=tuple(sorted(options.channels)),
                    document_ids=tuple(sorted(options.document_ids)),
                    filter=None if options.stream is None else options.stream.name,
                    collection=session.collection,
                ).encode(),
                self._subscribed,
            )
        if options.push:
            self._push = PushProgress(checkpoint.completed)
            if options.begun is not None:
                options.begun(self._push)
            self.sender = FeedSender(
                session,
                self.database,
                self._push,
                since=self._push.local,
                options=SendOptions(
                    proposes=True,
                    continuous=options.continuous,
                    selection=options.pushed,
                    deltas=options.deltas,
                    keeps=options.keeps,
                    inquirer=self._inquiry,
                    is_gateway=options.is_gateway,
                    acknowledged=options.acknowledged,
                    blobs=self._blobs,
                ),
                ledger=self.ledger,
                echo=EchoSuppression() if echo is None else echo,
            )
            self.sender.offer(self._offered)

    def _outdated(self, document_id: str) -> None:
        if self.sender is not None:
            self.sender.tell_again(document_id)

    def _resolve_open(self) -> None:
        """Resolve conflicts that are still unresolved after a crash or a failure of the resolver."""
        for document_id in self.database.conflicts():
            result = conflicts.resolve(self.database, document_id, self._options.conflict_resolver)
            if isinstance(result, Problem):
                self.ledger.tell(DocumentEnded(Direction.PULL, document_id, "", problem=result))

    def _subscribed(self, reply: Reply, _: None) -> None:
        if isinstance(reply, ErrorReceived):
            failure = Failure.decode(reply)
            text = f"the peer refuses the changes feed: {failure.text or failure.code}"
            is_too_much = self._options.continuous and bool(self._options.document_ids)
            is_too_much = is_too_much and failure.status in _NOT_THAT_FEED
            if is_too_much:
                text = (
                    "the peer does not support continuous replication of selected documents"
                    f" ({failure.text or failure.code}); use channels instead, or pull periodically"
                )
            problem = Problem(Domain.WEBSOCKET, failure.status or failure.code, text)
            if (failure.status == HTTPStatus.FORBIDDEN or is_too_much) and self._options.push:
                log.warning("%s; pushing continues", problem.text)
                self._unfed, self.receiver, self._inquiry = problem, None, None
                if self.sender is not None:
                    self.sender.cannot_pull(problem)
            else:
                self.session.end(problem)

    @property
    def _is_idle(self) -> bool:
        receiver, sender = self.receiver, self.sender
        return (
            (receiver is None or (receiver.is_caught_up and receiver.is_idle))
            and (sender is None or sender.is_idle)
            and (self._inquiry is None or self._inquiry.is_idle)
        )

    def _advance(self) -> None:
        if not self._started:
            if self._stopping:
                self.session.end()
            return
        if self._inquiry is not None:
            self._inquiry.pump()
            if self.sender is not None:
                self.sender.propose_again()
        checkpoint = self._reached()
        saved = self._checkpoint
        ends = self._stopping or (not self._options.continuous and self._is_idle)
        is_due = self.session.clock() >= saved.saved_at + limits.CHECKPOINT_EVERY
        if not saved.is_saved(checkpoint) and (ends or is_due):
            saved.save(checkpoint)
        if ends and not saved.is_saving:
            if self.sender is not None:
                self.sender.settle()
            self.session.end(self._unfed if self.sender is None else self.sender.refused or self._unfed)

    def _reached(self) -> Checkpoint:
        push, pull = self._push, self._pull
        position = None if pull is None else pull.position
        return Checkpoint(remote=position) if push is None else Checkpoint(push.completed, position)

    def _own_deadline(self) -> float | None:
        asks = None if self._inquiry is None else self._inquiry.deadline
        if not self._started or self._checkpoint.is_saving or self._checkpoint.is_saved(self._reached()):
            return asks
        saves = self._checkpoint.saved_at + limits.CHECKPOINT_EVERY
        return saves if asks is None else min(asks, saves)
