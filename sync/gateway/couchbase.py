"""The Couchbase gateway: permanent replication with a Sync Gateway or another listener ashore.

    configuration = CouchbaseGatewayConfiguration("office", "wss://sync.example.org:4984/fleet")
    gateway = CouchbaseGateway(database, configuration, vessel="argo")
    gateway.start()

Each part of the forwarding policy (`policy`) has its own replication, connection and checkpoint, so that
alarms do not wait while a month of readings is sent. One more replication pulls documents from the gateway
(`gateway_replication`). The first replication connects before the others (`connection_timing`). If a user
must solve a problem before a connection is possible, the gateway still tries to connect, but less often.

A document that the gateway rejects counts as not forwarded. It is listed with the reason, reported, and
offered again. All rejected documents are offered again after a start and on `retry`. At regular intervals,
one document is offered again for each reason.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography import x509

from sync import blip
from sync.fleet.conflict_resolvers import Resolvers
from sync.gateway.forwarded import Forwarded, Sign, unsigned
from sync.gateway.policy import PolicyPart, Situation, parts
from sync.gateway.progress import Rate
from sync.gateway.report import (
    MOST_NAMED,
    GatewayReport,
    GatewayState,
    RefusedDocument,
    describe_refused,
)
from sync.net.authenticators import Authenticator, Credentials
from sync.net.backoff import MAX_WAIT_S, Backoff
from sync.net.endpoints import URLEndpoint
from sync.net.replicator import ReplicatorConfiguration
from sync.net.throttle import TokenBucket
from sync.peer.failed_documents import FailedDocuments
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction, DocumentEnded
from sync.peer.quotas import Quota
from sync.peer.revision_writer import Rule
from sync.peer.selection import Stream
from sync.replication import messages
from sync.replication.checkpoint import PushProgress
from sync.replication.checkpoint_id import Peer
from sync.store import ChangeWatcher, Database, Document, DocumentChange

from .connection_timing import ConnectionTimer
from .gateway_replication import GatewayReplication, GatewayReplicationOptions
from .task_errors import PAUSE_S, TaskErrors

log = logging.getLogger(__name__)

_LOOK_EVERY: Final = 5.0
"""Seconds between checks of inputs that change without notification, such as the time of day."""
_WRITE_EVERY: Final = 30.0
"""Seconds between two writes of this vessel's `forwarded` document while documents are being forwarded."""
_LAST_LOOKS: Final = 40
"""Maximum number of steps for updating the record of forwarded documents when the gateway stops.

Any logs that remain are checked after the next start.
"""
_SCAN: Final = 500
"""Number of changes counted for the backlog before other tasks of the event loop may run."""
PERSON_S: Final = 60.0
"""Minimum number of seconds between attempts to connect if a user must solve a problem first."""
RETRY_EVERY_S: Final = 3600.0
"""Seconds between retries. Each retry offers one rejected document for each reason of rejection.

The gateway's sync function may be corrected at any time, but each offer transfers the whole document, perhaps
over a metered link.
"""


@dataclass(frozen=True, slots=True)
class CouchbaseGatewayConfiguration:
    """Configuration of one Couchbase gateway. Creating it raises ValueError if a value is invalid."""

    name: str
    """Name of the gateway, which must be the same on all vessels that forward to it.

    The names of the gateway's checkpoints depend on this name, not on the gateway's address.
    """
    url: str
    """Address of the database: `wss://host:port/database`, or `ws://…`."""
    authenticator: Authenticator | None = None
    roots: tuple[x509.Certificate, ...] | None = None
    """The trusted CAs for the gateway's certificate; None for the CAs of the system."""
    credentials: Callable[[], Credentials] | None = None
    """Function that returns the credentials, called before each attempt to connect.

    If it is given, `authenticator` and `roots` are not used.
    """
    pinned: str | None = None
    """SHA-256 fingerprint of the gateway's certificate.

    If it is given, the certificate is not checked in any other way.
    """
    now: Callable[[], datetime] | None = None
    """Function that returns the current time as an aware datetime, for checking certificates.

    None for the system clock.
    """
    push: bool = True
    pull: bool = False
    channels: frozenset[str] = frozenset()
    """Channels to pull; empty for all channels that the gateway allows us to read."""
    pull_rule: Rule | None = None
    """Function that returns the reason to reject a pulled document, or None to accept it."""
    pull_quota: Quota | None = None
    """Quota for pulled documents; None for no limit."""
    parts: tuple[PolicyPart, ...] = field(default_factory=lambda: parts(()))
    limit: float | None = None
    """Maximum sending rate of all parts of the policy combined, in bytes per second; None for no limit."""

    def __post_init__(self) -> None:
        URLEndpoint(self.url)
        if not self.name:
            msg = "the gateway has no name"
            raise ValueError(msg)
        if not (self.push or self.pull):
            msg = "the gateway needs push, pull or both"
            raise ValueError(msg)
        if self.limit is not None and not self.limit > 0:
            msg = "the limit must be more than 0 bytes per second"
            raise ValueError(msg)


class CouchbaseGateway:
    """A Couchbase gateway. It runs from `start` to `stop`, in one event loop."""

    def __init__(
        self,
        database: Database,
        configuration: CouchbaseGatewayConfiguration,
        *,
        vessel: str,
        situation: Callable[[], Situation] = lambda: Situation(frozenset()),
        rng: random.Random | None = None,
        longest_wait: float = MAX_WAIT_S,
        person_wait: float = PERSON_S,
        look_every: float = _LOOK_EVERY,
        retry_every: float = RETRY_EVERY_S,
        sign: Sign = unsigned,
    ) -> None:
        """Create a gateway.

        Args:
            database: the store whose documents are forwarded.
            configuration: the gateway's configuration.
            vessel: id of this vessel.
            situation: returns the current situation, on which the policy depends.
            rng: random number generator for the jitter in waiting times; None for a new one.
            longest_wait: maximum number of seconds between attempts to connect.
            person_wait: minimum number of seconds between attempts to connect if a user must solve a problem.
            look_every: seconds between checks of inputs that change without notification.
            retry_every: seconds between offers of rejected documents.
            sign: signs this vessel's `forwarded` document.

        Raises:
            StoreError: the store cannot be read or written.
        """
        self.configuration: Final = configuration
        self.forwarded: Final = Forwarded(database, configuration.name, vessel, sign=sign)
        self._endurance: Final = TaskErrors(database, configuration.name)
        self._database, self._situation, self._look_every = database, situation, look_every
        self._rng = rng or random.Random()  # noqa: S311 -- jitter
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._rate = Rate(time.monotonic)
        self._counted = 0
        self._begins_anew = False
        """True if all replications must start from the beginning of the changes feed."""
        self._written_at = 0.0
        self._retry_every, self._probed_at = retry_every, time.monotonic()
        self._dialling = ConnectionTimer(Backoff(self._rng, max_wait_s=longest_wait), person_wait=person_wait)
        self._replications = self._make_replications()
        self._adopt_refused()
        self._known = {
            each.id: each.revision for replication in self._replications for each in replication.failed
        }
        """Revision of each rejected document when its rejection was last logged, by document id."""
        self._report = GatewayReport(configuration.name, "couchbase", configuration.url, since=time.time())

    # Public methods

    def start(self) -> None:
        """Start in the running event loop. `report` shows errors that occur later."""
        if self._task is None:
            self.forwarded.everything()
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop the gateway, and store the record of forwarded documents."""
        self._is_stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    def network_changed(self) -> None:
        """Try to connect immediately, because network interfaces have changed."""
        self._dialling.try_at_once()
        self._wake.set()

    def retry(self) -> int:
        """Connect immediately, and offer all rejected documents again. Return the number of these documents.

        Raises StoreError if the store fails.
        """
        for replication in self._replications:
            replication.forget_spared()
        self.network_changed()
        return sum(replication.offer_refused() for replication in self._replications)

    def report(self) -> GatewayReport:
        """Return the current state of the gateway."""
        report = self._report
        pushes = [replication for replication in self._replications if replication.part is not None]
        refused = self._refused()
        report.refused_documents, report.refused = len(refused), refused[-MOST_NAMED:]
        report.backlog_documents = len(refused) + sum(replication.backlog.documents for replication in pushes)
        report.backlog_bytes = sum(replication.backlog.bytes for replication in pushes)
        report.rate = self._rate.value()
        state, problem = self._state()
        if problem is not None and problem != report.problem:
            log.warning("gateway %s: %s", report.name, problem)
        if state is GatewayState.CONNECTED:
            state, problem = self._state_of_documents()  # each document was already logged
        problem = problem or self._endurance.words
        if state is not report.state:
            report.state, report.since = state, time.time()
        report.problem = problem
        return report

    @property
    def database(self) -> Database:
        """The store whose documents are forwarded."""
        return self._database

    @property
    def transferred(self) -> tuple[int, int]:
        """Total numbers of bytes sent and received on all connections."""
        both = [replication.transferred for replication in self._replications]
        return sum(sent for sent, _ in both), sum(received for _, received in both)

    def _state(self) -> tuple[GatewayState, str | None]:
        wanted = [replication for replication in self._replications if replication.is_wanted]
        if not wanted:
            return GatewayState.WAITING, None
        judged = [replication.state for replication in wanted if not replication.is_held]
        for state, problem in judged:
            if state is GatewayState.REFUSED:
                return state, problem
        for state, problem in judged or [(GatewayState.CONNECTING, None)]:
            if state is GatewayState.CONNECTING:
                return state, problem
        return GatewayState.CONNECTED, None

    def _state_of_documents(self) -> tuple[GatewayState, str | None]:
        """Return the gateway's state while connected, and the problem with rejected documents, or None."""
        if refused := self._refused():
            has_more = any(replication.failed.has_overflowed for replication in self._replications)
            words = describe_refused(self.configuration.name, refused, has_more=has_more)
            return GatewayState.REFUSED, words
        for replication in self._replications:
            for document in replication.failed.newest(Direction.PULL):
                text = f"a document from the gateway cannot be stored: {document.id}: {document.reason}"
                return GatewayState.CONNECTED, text
        return GatewayState.CONNECTED, None

    def _refused(self) -> list[RefusedDocument]:
        """Return the documents that the gateway rejects, most recently rejected last."""
        failures = [
            each for replication in self._replications for each in replication.failed.newest(Direction.PUSH)
        ]
        failures.sort(key=lambda each: each.when)
        return [RefusedDocument(each.id, each.reason, each.when) for each in failures]

    # The main task

    async def _run(self) -> None:
        is_counted = False
        with self._database.watch() as watcher:
            while not self._is_stopping:
                self._wake.clear()
                wait = min(PAUSE_S, self._look_every)
                try:
                    while not is_counted:  # otherwise the report would state that everything is forwarded
                        is_counted = not self._count()
                        await asyncio.sleep(0)
                    wait = await self._turn(watcher)
                    self._endurance.is_over()
                except Exception as error:  # noqa: BLE001 -- no document may end the forwarding of the others
                    if not self._endurance.outlasts(error):
                        break
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
                await asyncio.sleep(0)
        ended = await asyncio.gather(
            *(replication.end() for replication in self._replications), return_exceptions=True
        )
        try:
            if not any(isinstance(each, BaseException) for each in ended):
                self._note(ends=True)
        except Exception as error:  # noqa: BLE001 -- the rest is checked after the next start
            self._endurance.outlasts(error)

    async def _turn(self, watcher: ChangeWatcher) -> float:
        """Do the work that is due now.

        Return the number of seconds until the next call. Raises StoreError if the store fails.
        """
        is_told = watcher.drain() | watcher.ask() and self.forwarded.read_bounds()
        if is_told:
            log.info("gateway %s was reset: checking all documents again", self._report.name)
        if is_told or self._begins_anew:
            self._begins_anew = False
            for replication in self._replications:
                await replication.reset()
        wait = await self._connect()
        await self._probe()
        has_more = self._count()
        has_more |= self._note(ends=False)
        self.report()  # log what has changed
        return 0.0 if has_more else min(wait, self._look_every)

    async def _connect(self) -> float:
        """Start and stop replications as the policy requires.

        Return the number of seconds until the next check.
        """
        situation = self._situation()
        for replication in self._replications:
            replication.is_wanted = replication.part is None or replication.part.when.are_met(situation)
            if not replication.is_wanted:
                await replication.suspend()
        wanted = [replication for replication in self._replications if replication.is_wanted]
        wait = self._dialling.attend(wanted, time.monotonic())
        return self._look_every if wait is None else wait

    async def _probe(self) -> None:
        """Offer some of the rejected documents again if a retry is due.

        Raises StoreError if the store fails.
        """
        for replication in self._replications:
            if replication.is_up and replication.failed.has_overflowed and replication.failed.has_room:
                await replication.reset()  # only the whole feed contains the unlisted documents
        if time.monotonic() - self._probed_at >= self._retry_every:
            self._probed_at = time.monotonic()
            for replication in self._replications:
                replication.forget_spared()
                replication.probe()

    def _count(self) -> bool:
        """Add the next changes in the feed to the backlogs of the replications.

        Return True if there are more changes. Raises StoreError if the store fails.
        """
        changes = self._database.changes(self._counted, limit=_SCAN)
        for change in changes:
            for replication in self._replications:
                if replication.is_waiting(change):
                    replication.backlog.add(change)
                    break
        if changes:
            self._counted = changes[-1].sequence
        return len(changes) == _SCAN

    def _note(self, *, ends: bool) -> bool:
        """Update the record of documents that this vessel has forwarded, and write it if a write is due.

        Return True if more documents must be checked.
        """
        has_more = self.forwarded.advance(self._has_arrived)
        for _ in range(_LAST_LOOKS if ends else 0):
            has_more = has_more and self.forwarded.advance(self._has_arrived)
        now = time.monotonic()
        is_idle = all(replication.is_idle for replication in self._replications)
        if ends or (now - self._written_at >= (self._look_every if is_idle else _WRITE_EVERY)):
            self._written_at = now
            self.forwarded.write()
        return has_more

    def _has_arrived(self, document: Document) -> bool:
        replication = self._replication_of(document.id)
        return replication is not None and replication.has_arrived(document.id, document.sequence)

    def _replication_of(self, document_id: str) -> GatewayReplication | None:
        return next(
            (replication for replication in self._replications if replication.includes(document_id)), None
        )

    # Replications

    def _make_replications(self) -> list[GatewayReplication]:
        configuration, name = self.configuration, self.configuration.name
        whole = (
            None if configuration.limit is None else TokenBucket(configuration.limit, now=time.monotonic())
        )
        parts: list[tuple[PolicyPart | None, str]] = []
        if configuration.push:
            parts += [(part, f"refused:{part.name}") for part in configuration.parts]
        if configuration.pull:
            parts.append((None, "untaken"))
        return [
            GatewayReplication(
                self,
                GatewayReplicationOptions(
                    part,
                    FailedDocuments(self._database, f"gateway:{name}:{kept}"),
                    self.forwarded.is_ashore,
                    whole,
                ),
                self._configured,
                rng=self._rng,
            )
            for part, kept in parts
        ]

    def _configured(self, push_stream: Stream | None, **more: Any) -> ReplicatorConfiguration:
        configuration = self.configuration
        pulls = push_stream is None
        return ReplicatorConfiguration(
            self._database,
            URLEndpoint(configuration.url),
            push=not pulls,
            pull=pulls,
            continuous=True,
            push_stream=push_stream,
            channels=configuration.channels if pulls else frozenset(),
            pull_rule=configuration.pull_rule if pulls else None,
            pull_quota=lambda: configuration.pull_quota,
            conflict_resolver=Resolvers(),
            authenticator=configuration.authenticator,
            pinned_server_certificate=configuration.pinned,
            roots=configuration.roots,
            credentials=configuration.credentials,
            now=configuration.now,
            peer=Peer("gateway", configuration.name),
            limits=blip.APPLIANCE,
            message_limits=messages.APPLIANCE,
            **more,
        )

    def _adopt_refused(self) -> None:
        """Convert an earlier version's list of rejected documents, which contains only ids.

        Raises StoreError if the store fails.
        """
        document = self._database.get_local(f"gateway:{self.configuration.name}:refused")
        if document is None:
            return
        with self._database.transaction():
            for document_id in document.body.get("ids", ()):
                replication = self._replication_of(document_id)
                if replication is not None:
                    replication.failed.note(Direction.PUSH, document_id, "", _REFUSED_BEFORE)
            for replication in self._replications:
                replication.failed.save()
            self._database.delete_local(document.key, parent=document.rev)

    # Calls from the replications

    def acknowledged(
        self, replication: GatewayReplication, change: DocumentChange, *, was_refused: bool
    ) -> None:
        """Record that the gateway has acknowledged a change, which it may have rejected before."""
        if not was_refused:
            replication.backlog.remove(change.id, change.size)
        self._known.pop(change.id, None)
        self._report.last_acknowledged = time.time()
        self._rate.add()
        self.forwarded.acknowledged(change.id)

    def ended(self, replication: GatewayReplication, outcomes: Sequence[DocumentEnded]) -> None:
        """Log the documents whose replication has failed permanently."""
        for document in outcomes:
            if document.problem is None or document.is_transient:
                continue
            if self._known.get(document.id) != document.revision:
                self._known[document.id] = document.revision
                replication.backlog.remove(document.id, 0)
                does = (
                    "refuses"
                    if document.direction is Direction.PUSH
                    else ("sends a document that cannot be stored,")
                )
                log.warning("gateway %s %s %s: %s", self._report.name, does, document.id, document.problem)
        self._wake.set()

    def push_begins(self, replication: GatewayReplication, progress: PushProgress) -> None:
        """At the beginning of a connection, check whether the gateway has lost documents."""
        # Each checkpoint is stored at the gateway first, then here. So the gateway's copy is older than ours
        # only if the gateway was restored to an earlier state. Then later documents are missing too.
        has_lost = progress.lacks(replication.stored)
        if (has_lost or (progress.local == 0 and replication.has_pushed)) and not self.forwarded.is_empty:
            log.warning("gateway %s has lost its documents: sending all documents again", self._report.name)
            self.forwarded.begin_epoch()
            self._begins_anew = has_lost and progress.local > 0
        replication.has_pushed = True

    def changed(self) -> None:
        """Wake the main task, because the state of a replication has changed."""
        self._wake.set()


_REFUSED_BEFORE: Final = Problem(
    Domain.WEBSOCKET, 0, "rejected before Logboat was updated; the reason was not stored"
)
