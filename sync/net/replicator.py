"""The active side of a replication between a local and a remote database, with reconnection.

    replicator = Replicator(ReplicatorConfiguration(database, URLEndpoint("wss://10.1.2.3:4984/log")))
    status = await replicator.run()

`sync.peer.active` replicates over one connection. This module opens connections, and decides when to connect
again.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Final

from cryptography import x509

from sync import blip
from sync.blip.close_codes import CloseCode
from sync.net.authenticators import Authenticator, Credentials
from sync.net.endpoints import Endpoint, Security
from sync.net.throttle import ThrottledTransport, TokenBucket
from sync.net.tls_contexts import Judge
from sync.net.transport import Transport
from sync.net.ws_client import WITHOUT_COLLECTIONS
from sync.peer.active import ActiveOptions, ActivePeer, Activity
from sync.peer.checkpoints import stored
from sync.peer.conflicts import ConflictResolver, default_resolver
from sync.peer.failed_documents import FailedDocuments
from sync.peer.problems import Domain, Problem, ProblemError
from sync.peer.progress import Direction, DocumentEnded, Ledger, Progress
from sync.peer.quotas import Quota
from sync.peer.revision_writer import Rule
from sync.peer.selection import DocumentFilter, Selection, Stream
from sync.peer.sender_types import Acknowledged
from sync.peer.session import Session
from sync.replication import messages
from sync.replication.checkpoint import PushProgress
from sync.replication.checkpoint_id import Peer
from sync.store import Database, StoreError

from .backoff import MAX_WAIT_S, Backoff, is_worth_retrying, max_attempts
from .peer_driver import PeerDriver

log = logging.getLogger(__name__)

_GATEWAY: Final = "Couchbase Sync Gateway"
"""Prefix of a Sync Gateway's `Server` header."""


STOP_GRACE_S: Final = 10.0
"""Seconds for which `stop` waits until the peer has stored the checkpoint: a few satellite round trips.

If the checkpoint is not stored, some work is repeated on the next connection.
"""
_CONNECTED: Final = frozenset({Activity.BUSY, Activity.IDLE})


class ReplicatorType(Enum):
    """The direction of a replication, as in Couchbase Lite."""

    PUSH = "push"
    PULL = "pull"
    PUSH_AND_PULL = "push_and_pull"


@dataclass(frozen=True, slots=True)
class ReplicatorConfiguration:
    """Configuration of a replication.

    Raises ValueError if `replicator_type` contradicts `push` or `pull`.
    """

    database: Database
    endpoint: Endpoint
    push: bool = True
    pull: bool = True
    continuous: bool = False
    channels: frozenset[str] = frozenset()
    """Channels whose documents are pulled; empty for all channels."""
    document_ids: frozenset[str] = frozenset()
    """Ids of the documents to replicate, in both directions; empty for all documents."""
    push_filter: DocumentFilter | None = None
    """Function that returns True if a document is to be pushed.

    It is called for each change, so it must be fast.
    """
    pull_filter: DocumentFilter | None = None
    """Function that returns True if a pulled document may be stored."""
    pull_rule: Rule | None = None
    """Function to use instead of `pull_filter`. It returns the reason to reject a document, or None."""
    pull_quota: Callable[[], Quota | None] = lambda: None
    """Function that returns the quota for pulled documents; None for no limit."""
    filter_name: str | None = None
    """Name that identifies the push filter and the pull filter. It is part of the checkpoint's name.

    Change this name when a filter changes. Otherwise, documents that the old filter rejected are not offered
    again.
    """
    conflict_resolver: ConflictResolver = default_resolver
    """Function that resolves a conflict between our revision and the peer's; see `sync.peer.conflicts`."""
    authenticator: Authenticator | None = None
    pinned_server_certificate: str | x509.Certificate | None = None
    accept_only_self_signed: bool = False
    roots: tuple[x509.Certificate, ...] | None = None
    credentials: Callable[[], Credentials] | None = None
    """Function that returns the credentials for a connection attempt. It is called for each attempt.

    If it is set, `authenticator` and `roots` are not used. It is intended for credentials in files that may
    change, and may raise ProblemError.
    """
    expected_uri: str | None = None
    """URI that the server's certificate must contain. If it is set, the host name is not checked."""
    now: Callable[[], datetime] | None = None
    """Function that returns the time for checking certificates, as an aware datetime.

    If it is None, the system clock is used.
    """
    judge: Judge | None = None
    """Function that decides whether to accept a certificate that chains to `roots`.

    If it is set, this function replaces the usual checks of dates and host name.
    """
    headers: Mapping[str, str] = field(default_factory=dict)
    max_attempts: int | None = None
    """Maximum number of attempts to connect, including the first.

    None or 0 (as in Couchbase Lite) means 10 for a one-shot replication, and no limit for a continuous
    replication.
    """
    max_attempt_wait_time: float = MAX_WAIT_S
    heartbeat: float = 300.0
    """Seconds between pings."""
    enable_delta_sync: bool = True
    enable_auto_purge: bool = False
    """True to purge a local document that this replication may no longer read at the peer.

    A document becomes unreadable when it leaves the pulled channels, or when access to these channels is
    revoked. By default, the local document is kept. A deletion is not a loss of access, and is always pulled.
    """
    stream: Stream | None = None
    """Stream to replicate in both directions, instead of `channels`. The peer must have the same stream."""
    push_stream: Stream | None = None
    """Stream to push. The peer does not have to define it. `channels` selects the documents to pull."""
    acknowledged: Acknowledged | None = None
    """Function to call for each local change that the peer has confirmed, even if the peer already had it."""
    begun: Callable[[PushProgress], None] | None = None
    """Function to call on each connection before any change is pushed.

    Its argument is the progress from which the push continues. The attribute `local` of the progress is 0 if
    the whole feed will be pushed.
    """
    failed: FailedDocuments | None = None
    """List in which to record documents that fail permanently.

    If it is None, a list that is named after the checkpoint is used, provided that the identity of the peer
    is known before connecting.
    """
    bandwidth: TokenBucket | None = None
    """Limit on the sending rate; None for no limit."""
    peer: Peer | Callable[[Transport], Peer] | None = None
    """Identity of the peer, if its address may change; None to derive the identity from the endpoint.

    If this is a function, it is called with the open connection, and may derive the identity from the peer's
    certificate.
    """
    limits: blip.ConnectionLimits = field(default_factory=blip.ConnectionLimits)
    message_limits: messages.MessageLimits = messages.DEFAULT
    on_connected: Callable[[PeerDriver], None] | None = None
    """Function to call with each new connection, before data is sent on the connection."""
    replicator_type: ReplicatorType | None = None
    """Direction of the replication. If it is set, it determines `push` and `pull`."""

    def __post_init__(self) -> None:
        kind = self.replicator_type
        if kind is None:
            return
        push, pull = kind is not ReplicatorType.PULL, kind is not ReplicatorType.PUSH
        if (push and not self.push) or (pull and not self.pull):
            raise ValueError(f"replicator_type is {kind.value}, but push={self.push} and pull={self.pull}")
        object.__setattr__(self, "push", push)
        object.__setattr__(self, "pull", pull)


@dataclass(frozen=True, slots=True)
class Status:
    """The current state of a replicator."""

    activity: Activity
    progress: Progress
    problem: Problem | None = None
    """Problem that has stopped the replicator, its connection or its pull; None if there is no problem."""


StatusListener = Callable[[Status], None]


class Replicator:
    """A replication that runs from `start` until it is complete, is stopped, or fails permanently."""

    def __init__(
        self,
        configuration: ReplicatorConfiguration,
        *,
        on_status: StatusListener | None = None,
        on_documents: Callable[[list[DocumentEnded]], None] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Create a replicator.

        Args:
            configuration: the configuration of the replication.
            on_status: called with the new status whenever it changes.
            on_documents: called with batches of documents that were replicated or failed.
            rng: random source of the jitter in waiting times; None to create one.
        """
        self.configuration: Final = configuration
        self._on_status = on_status
        self._ledger = Ledger(None if on_documents is None else lambda outcomes: on_documents(list(outcomes)))
        most = configuration.max_attempts or max_attempts(continuous=configuration.continuous)
        self._backoff = Backoff(
            rng or random.Random(),  # noqa: S311 -- jitter
            max_attempts=most,
            max_wait_s=configuration.max_attempt_wait_time,
        )
        self._status = Status(Activity.STOPPED, self._ledger.progress)
        self._task: asyncio.Task[Status] | None = None
        self._link: PeerDriver | None = None
        self._peer: ActivePeer | None = None
        self._over: asyncio.Future[Problem | None] | None = None
        self._nudge = asyncio.Event()
        self._stopping = False
        self._resets = False
        self._failed = configuration.failed
        self._has_offered = False
        """True once the documents that failed in earlier runs have been offered to the peer again."""
        self.bytes_sent = self.bytes_received = 0
        """Number of payload bytes sent, or received, on connections that have ended.

        `transferred` also includes the open connection.
        """

    # Public methods

    def start(self, *, reset_checkpoint: bool = False) -> None:
        """Start the replication in the running event loop.

        With `reset_checkpoint`, the changes feeds of both sides are read from the beginning.
        """
        if self._task is None or self._task.done():
            self._stopping, self._resets = False, reset_checkpoint
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def run(self, *, reset_checkpoint: bool = False) -> Status:
        """Start the replication, wait until it ends, and return its final status."""
        self.start(reset_checkpoint=reset_checkpoint)
        return await self.wait()

    async def wait(self) -> Status:
        """Wait until the replication ends, and return its final status."""
        if self._task is None:
            return self._status
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if not self._task.done():
                self._abandon()
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)
            raise

    async def stop(self, *, grace: float = STOP_GRACE_S) -> Status:
        """Store the checkpoint, stop the replication, and return its final status.

        After `grace` seconds, the connection is closed even if the peer has not confirmed the checkpoint.
        """
        self._stopping = True
        self._nudge.set()
        if self._peer is not None and self._link is not None:
            self._peer.stop()
            self._link.run()
        late = asyncio.get_running_loop().call_later(grace, self.cut)
        try:
            return await self.wait()
        finally:
            late.cancel()

    def cut(self, problem: Problem | None = None) -> None:
        """Stop the replication immediately, without storing the checkpoint.

        `problem` is reported as the cause.
        """
        self._stopping = True
        self._nudge.set()
        if self._link is not None and not self._link.is_closed:
            self._link.close(problem)

    def offer_again(self, document_ids: Iterable[str]) -> None:
        """Try again to push the given documents, immediately or on the next connection.

        On the first connection, all documents that failed in earlier runs are retried automatically. Raises
        StoreError if the store fails.
        """
        failed, offered = self.failed, list(document_ids)
        if failed is None:
            return
        failed.offer(offered)
        if self._peer is not None and self._status.activity in _CONNECTED:
            self._peer.offer(offered)

    def reachability_changed(self) -> None:
        """Connect immediately, because the network has changed or the peer was detected."""
        self._backoff.reachability_changed()
        self._nudge.set()

    @property
    def status(self) -> Status:
        """The replicator's current activity, progress and problem."""
        if self._peer is not None and self._status.activity in _CONNECTED:
            return Status(self._peer.activity, self._ledger.progress, self._peer.unfed)
        return self._status

    @property
    def peer(self) -> ActivePeer | None:
        """The active peer that replicates over the open connection; None if no connection is open."""
        return None if self._peer is None or self._peer.session.is_over else self._peer

    @property
    def failures(self) -> Mapping[str, Problem]:
        """Last problem of each document, by document id, for the 1000 documents that failed most recently."""
        return self._ledger.failures

    @property
    def failed(self) -> FailedDocuments | None:
        """The list of documents that have failed permanently in this run or earlier ones.

        It is None if no list is configured and the peer is known only after connecting. Raises StoreError if
        the store fails.
        """
        configuration = self.configuration
        peer = configuration.peer or configuration.endpoint.peer
        if self._failed is None and not callable(peer):
            name = self._options(peer, is_gateway=False).checkpoint_of(configuration.database)
            self._failed = FailedDocuments(configuration.database, f"failed:{name}")
        return self._failed

    @property
    def must_be_repeated(self) -> int:
        """Number of documents that failed temporarily and that the next run must retry."""
        return 0 if self._peer is None else self._peer.must_be_repeated

    @property
    def transferred(self) -> tuple[int, int]:
        """Payload bytes sent and payload bytes received, in total, since the replicator was created."""
        sent, received = self.bytes_sent, self.bytes_received
        if self._link is not None and not self._link.is_closed:
            sent += self._link.transport.bytes_sent
            received += self._link.transport.bytes_received
        return sent, received

    @property
    def silence(self) -> float | None:
        """Seconds since the last ping if no data has arrived after it, otherwise 0; None if not connected."""
        return None if self._link is None or self._link.is_closed else self._link.transport.silence

    def pending_document_ids(self) -> set[str]:
        """Return the ids of the documents that are to be pushed, and whose last change is not confirmed yet.

        Before the first connection, the result is derived from the stored checkpoint. The changes feed is
        read from the first change that is not pushed yet.
        """
        if not self.configuration.push:
            return set()
        database, pushed, selection = self.configuration.database, self._pushed(), self._push_selection
        return {
            change.id
            for change in database.changes(pushed.local)
            if not pushed.is_complete(change.sequence)
            and selection.shows(database, change.id, deleted=change.deleted)
        }

    @property
    def pushed(self) -> PushProgress:
        """Progress of the push. Before the first connection, it is derived from the stored checkpoint.

        The caller must not modify the returned object.
        """
        return self._pushed()

    def is_document_pending(self, document_id: str) -> bool:
        """Return True if a document is to be pushed, and the peer has not confirmed its last change."""
        database = self.configuration.database
        document = database.get(document_id)
        return (
            document is not None
            and self.configuration.push
            and not self._pushed().is_complete(document.sequence)
            and self._push_selection.shows(database, document_id, deleted=document.deleted)
        )

    @property
    def stored(self) -> PushProgress:
        """Progress of the push according to our own copy of the checkpoint, even if the peer's copy differs.

        The caller must not modify the returned object.
        """
        return self._stored()

    def _pushed(self) -> PushProgress:
        if self._peer is not None and self._peer.pushed is not None:
            return self._peer.pushed
        return self._stored()

    def _stored(self) -> PushProgress:
        configuration, checkpoint = self.configuration, None
        peer = configuration.peer or configuration.endpoint.peer
        if not (self._resets or callable(peer)):  # A function can identify the peer only on a connection.
            options = self._options(peer, is_gateway=False)
            checkpoint = stored(configuration.database, options.checkpoint_of(configuration.database))
        return PushProgress(None if checkpoint is None else checkpoint.completed)

    # The outer loop

    async def _run(self) -> Status:
        problem: Problem | None = None
        try:
            while not self._stopping:
                self._say(Activity.CONNECTING, None)
                problem = await self._once()
                if problem is None or self._stopping:
                    break
                if not is_worth_retrying(problem, continuous=self.configuration.continuous):
                    break
                delay = self._backoff.next_delay()
                if delay is None:
                    break
                log.info("%s: %s; next attempt in %.0f s", self.configuration.endpoint.name, problem, delay)
                self._say(Activity.OFFLINE, problem)
                await self._rest(delay)
        except Exception as error:
            log.exception("%s: replication stopped: internal error", self.configuration.endpoint.name)
            problem = Problem(Domain.BLIP, CloseCode.INTERNAL_ERROR, f"internal error: {error!r}")
        finally:
            self._abandon()
        self._say(Activity.STOPPED, None if self._stopping else problem)
        return self._status

    async def _rest(self, delay: float) -> None:
        self._nudge.clear()
        if self._stopping:
            return
        try:
            async with asyncio.timeout(delay):
                await self._nudge.wait()
        except TimeoutError:
            return

    async def _once(self) -> Problem | None:
        """Open a connection, and wait until it ends.

        Return the problem that prevented or ended the connection; None after a normal end.
        """
        configuration = self.configuration
        self._over = asyncio.get_running_loop().create_future()
        try:
            await configuration.endpoint.connect(
                self._receiver, self._security(), dict(configuration.headers), configuration.heartbeat
            )
        except ProblemError as error:
            return error.problem
        except StoreError as error:
            return Problem(Domain.STORE, 0, str(error))
        link, peer = self._link, self._peer
        assert link is not None
        assert peer is not None
        self._backoff.succeeded()
        try:
            peer.start()
            self._resets = False
        except StoreError as error:
            peer.session.fail(error)
        if self._stopping:
            peer.stop()
        link.run()
        self._say(Activity.BUSY, None)
        problem = await self._over
        self.bytes_sent += link.transport.bytes_sent
        self.bytes_received += link.transport.bytes_received
        return problem

    def _security(self) -> Security:
        """Return the credentials and trusted roots for one connection attempt.

        Raises ProblemError if they are unusable.
        """
        configuration = self.configuration
        credentials = Credentials(configuration.authenticator, configuration.roots)
        if configuration.credentials is not None:
            credentials = configuration.credentials()
        return Security(
            credentials.authenticator,
            configuration.pinned_server_certificate,
            configuration.accept_only_self_signed,
            credentials.roots,
            configuration.expected_uri,
            configuration.judge,
            configuration.now,
        )

    def _receiver(self, transport: Transport) -> PeerDriver:
        configuration = self.configuration
        loop = asyncio.get_running_loop()
        session = Session(
            clock=loop.time, limits=configuration.limits, message_limits=configuration.message_limits
        )
        headers = getattr(transport, "headers", None) or {}
        is_gateway = str(headers.get("Server", "")).startswith(_GATEWAY)
        known = configuration.peer
        peer = known(transport) if callable(known) else known or configuration.endpoint.peer
        self._remember()
        options = replace(
            self._options(peer, is_gateway=is_gateway),
            names_collection=getattr(transport, "subprotocol", None) not in WITHOUT_COLLECTIONS,
        )
        self._peer = ActivePeer(session, configuration.database, options, self._ledger)
        if configuration.bandwidth is None:
            self._link = PeerDriver(self._peer, transport, over=self._ended, turned=self._turned)
        else:
            throttled = ThrottledTransport(transport, configuration.bandwidth)
            self._link = PeerDriver(self._peer, throttled, over=self._ended, turned=self._turned)
            throttled.has_room = self._link.writable
        if configuration.on_connected is not None:
            configuration.on_connected(self._link)
        return self._link

    def _begun(self, progress: PushProgress) -> None:
        """Offer the documents again that failed in earlier runs, and call the configured function `begun`."""
        if self._failed is not None and self._peer is not None:
            self._peer.offer(self._failed.unanswered)
        if self.configuration.begun is not None:
            self.configuration.begun(progress)

    def _remember(self) -> None:
        """Load the list of documents that failed in earlier runs.

        If the list has overflowed in the past and has room again, the whole feed is read again.
        """
        failed = self._ledger.failed = self.failed
        if failed is None:
            return
        if not self._has_offered:
            self._has_offered = True
            failed.offer(failed.ids(Direction.PUSH))
        if failed.has_overflowed and failed.has_room:
            self._resets = True
        if self._resets:
            failed.retry_all()

    @property
    def _push_selection(self) -> Selection:
        configuration = self.configuration
        return Selection(
            document_ids=configuration.document_ids,
            filter=configuration.push_filter,
            stream=configuration.stream or configuration.push_stream,
        )

    def _options(self, peer: Peer, *, is_gateway: bool) -> ActiveOptions:
        configuration, policy = self.configuration, self.configuration.database.policy
        return ActiveOptions(
            peer=peer,
            stream=configuration.stream,
            push_stream=configuration.push_stream,
            acknowledged=configuration.acknowledged,
            begun=self._begun,
            push=configuration.push,
            pull=configuration.pull,
            continuous=configuration.continuous,
            channels=configuration.channels,
            document_ids=configuration.document_ids,
            push_selection=self._push_selection,
            filter_name=configuration.filter_name,
            pull_rule=configuration.pull_rule or _rule(configuration.pull_filter),
            pull_quota=configuration.pull_quota,
            conflict_resolver=configuration.conflict_resolver,
            deltas=configuration.enable_delta_sync,
            keeps=lambda document_id: not policy.is_immutable(document_id),
            is_gateway=is_gateway,
            purges_removed=configuration.enable_auto_purge,
            reset_checkpoint=self._resets,
        )

    def _ended(self, problem: Problem | None) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(problem)

    def _turned(self) -> None:
        """Report the status if the peer has become idle or busy."""
        if self._peer is not None and self._status.activity in _CONNECTED:
            activity = self._peer.activity
            if activity in _CONNECTED and activity is not self._status.activity:
                self._say(activity, None)

    def _abandon(self) -> None:
        """Abort the connection, if one is open."""
        if self._link is not None and not self._link.is_closed:
            self._link.peer.session.end()
            self._link.transport.abort()

    def _say(self, activity: Activity, problem: Problem | None) -> None:
        if self._peer is not None and activity in _CONNECTED:
            problem = problem or self._peer.unfed
        self._status = Status(activity, self._ledger.progress, problem)
        if self._on_status is not None:
            self._on_status(self._status)


def _rule(accepts: DocumentFilter | None) -> Rule | None:
    if accepts is None:
        return None
    return lambda document: None if accepts(document) else "the pull filter rejects the document"
