"""The Couchbase gateway: replicates with a Sync Gateway, or any listener ashore, for as long as it takes.

    configuration = CouchbaseGatewayConfiguration("office", "wss://sync.example.org:4984/fleet")
    gateway = CouchbaseGateway(database, configuration, vessel="argo")
    gateway.start()

Each part of the policy has a replication, a connection and a checkpoint of its own, so that alarms do not
wait behind a month of readings; what the office sends is pulled on one more (`way`). The first connects
before the others (`dialling`). Where a person must do something, this tries again all the same, more rarely.

A document that the gateway refuses is not ashore. It is kept with the reason, told, and offered again: all of
them after a start and on `retry`, one for each reason now and then.
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
from sync.gateway.dialling import Dialling
from sync.gateway.enduring import PAUSE_S, Endurance
from sync.gateway.forwarded import Forwarded, Sign, unsigned
from sync.gateway.policy import Part, Situation, parts
from sync.gateway.progress import Rate
from sync.gateway.report import (
    MOST_NAMED,
    GatewayReport,
    GatewayState,
    RefusedDocument,
    words_of_refused,
)
from sync.gateway.way import Way, WayOptions
from sync.net.authenticators import Authenticator, Credentials
from sync.net.endpoints import URLEndpoint
from sync.net.replicator import ReplicatorConfiguration
from sync.net.retrying import MAX_WAIT_S, Backoff
from sync.net.throttle import TokenBucket
from sync.peer.arrivals import Rule
from sync.peer.failed import FailedDocuments
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction, DocumentEnded
from sync.peer.quotas import Quota
from sync.peer.selection import Stream
from sync.replication import messages
from sync.replication.checkpoint import PushProgress
from sync.replication.checkpoint_id import Peer
from sync.store import Change, Database, Document, Watcher

log = logging.getLogger(__name__)

_LOOK_EVERY: Final = 5.0
"""Seconds between looks at what nobody tells of: the policy, other vessels' bounds."""
_WRITE_EVERY: Final = 30.0
"""Seconds between two notes of what is ashore, while it grows."""
_LAST_LOOKS: Final = 40
"""Goes at what is ashore when we end; the rest is looked at after the next start."""
_SCAN: Final = 500
"""Changes counted before others in the event loop have their turn."""
PERSON_S: Final = 60.0
"""Least seconds between attempts where a person has to do something."""
RETRY_EVERY_S: Final = 3600.0
"""Seconds between offers of a refused document for each reason: a sync function is mended without our being
told, and a document costs what it has on a metered link."""


@dataclass(frozen=True, slots=True)
class CouchbaseGatewayConfiguration:
    """One gateway. Raises ValueError, in words, for what cannot be."""

    name: str
    """Its checkpoints go by this, not by its address; all vessels that forward there call it so."""
    url: str
    """`wss://host:port/database`, or `ws://`."""
    authenticator: Authenticator | None = None
    roots: tuple[x509.Certificate, ...] | None = None
    """The CAs that may vouch for it; the system's if None."""
    credentials: Callable[[], Credentials] | None = None
    """Called before each attempt to connect, for `authenticator` and `roots` as they are then."""
    pinned: str | None = None
    """SHA-256 fingerprint of its certificate; then nothing else is looked at."""
    now: Callable[[], datetime] | None = None
    """The time that certificates are judged by (aware); the clock's if None."""
    push: bool = True
    pull: bool = False
    channels: frozenset[str] = frozenset()
    """What is pulled; all that we may read if empty."""
    pull_rule: Rule | None = None
    """Why not to take a document that comes."""
    pull_quota: Quota | None = None
    """How much may come; None for anything."""
    parts: tuple[Part, ...] = field(default_factory=lambda: parts(()))
    limit: float | None = None
    """Bytes a second that all parts together send at most."""

    def __post_init__(self) -> None:
        URLEndpoint(self.url)
        if not self.name:
            msg = "a gateway needs a name"
            raise ValueError(msg)
        if not (self.push or self.pull):
            msg = "a gateway is pushed to, pulled from, or both"
            raise ValueError(msg)
        if self.limit is not None and not self.limit > 0:
            msg = "a limit must be more than 0 bytes a second"
            raise ValueError(msg)


class CouchbaseGateway:
    """One gateway, from `start` to `stop`. All of it runs in one event loop."""

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
        """`vessel`: whose gateway this is; `situation`: how it is just now, for the policy; `sign` signs what
        this vessel says is ashore.

        Raises StoreError.
        """
        self.configuration: Final = configuration
        self.forwarded: Final = Forwarded(database, configuration.name, vessel, sign=sign)
        self._endurance: Final = Endurance(database, configuration.name)
        self._database, self._situation, self._look_every = database, situation, look_every
        self._rng = rng or random.Random()  # noqa: S311 -- jitter
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._rate = Rate(time.monotonic)
        self._counted = 0
        self._begins_anew = False
        """Whether everything is to be looked at once more."""
        self._written_at = 0.0
        self._retry_every, self._probed_at = retry_every, time.monotonic()
        self._dialling = Dialling(Backoff(self._rng, max_wait_s=longest_wait), person_wait=person_wait)
        self._ways = self._made_ways()
        self._adopt_refused()
        self._known = {each.id: each.revision for way in self._ways for each in way.failed}
        """Revisions that were refused and logged, by document: not logged each time they are offered."""
        self._report = GatewayReport(configuration.name, "couchbase", configuration.url, since=time.time())

    # What users call

    def start(self) -> None:
        """Begin, in the running event loop. Whatever goes wrong later is in `report`."""
        if self._task is None:
            self.forwarded.everything()
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End, and keep what was acknowledged."""
        self._is_stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    def network_changed(self) -> None:
        """Interfaces came or went: try at once."""
        self._dialling.try_at_once()
        self._wake.set()

    def retry(self) -> int:
        """Connect now, and offer all refused documents again; return how many there are.

        Raises StoreError.
        """
        for way in self._ways:
            way.forget_spared()
        self.network_changed()
        return sum(way.offer_refused() for way in self._ways)

    def report(self) -> GatewayReport:
        """What it does just now."""
        report = self._report
        pushes = [way for way in self._ways if way.part is not None]
        refused = self._refused()
        report.refused_documents, report.refused = len(refused), refused[-MOST_NAMED:]
        report.backlog_documents = len(refused) + sum(way.backlog.documents for way in pushes)
        report.backlog_bytes = sum(way.backlog.bytes for way in pushes)
        report.rate = self._rate.value()
        state, problem = self._state()
        if problem is not None and problem != report.problem:
            log.warning("gateway %s: %s", report.name, problem)
        if state is GatewayState.CONNECTED:
            state, problem = self._state_of_documents()  # they were logged one by one
        problem = problem or self._endurance.words
        if state is not report.state:
            report.state, report.since = state, time.time()
        report.problem = problem
        return report

    @property
    def database(self) -> Database:
        """The store."""
        return self._database

    @property
    def transferred(self) -> tuple[int, int]:
        """Bytes sent and received so far, on all connections."""
        both = [way.transferred for way in self._ways]
        return sum(sent for sent, _ in both), sum(received for _, received in both)

    def _state(self) -> tuple[GatewayState, str | None]:
        wanted = [way for way in self._ways if way.is_wanted]
        if not wanted:
            return GatewayState.WAITING, None
        judged = [way.judged for way in wanted if not way.is_held]
        for state, problem in judged:
            if state is GatewayState.REFUSED:
                return state, problem
        for state, problem in judged or [(GatewayState.CONNECTING, None)]:
            if state is GatewayState.CONNECTING:
                return state, problem
        return GatewayState.CONNECTED, None

    def _state_of_documents(self) -> tuple[GatewayState, str | None]:
        """How it stands while there are connections: what of the documents does not get through?"""
        if refused := self._refused():
            has_more = any(way.failed.has_overflowed for way in self._ways)
            words = words_of_refused(self.configuration.name, refused, has_more=has_more)
            return GatewayState.REFUSED, words
        for way in self._ways:
            for document in way.failed.newest(Direction.PULL):
                text = f"a document from there cannot be taken, {document.id}: {document.reason}"
                return GatewayState.CONNECTED, text
        return GatewayState.CONNECTED, None

    def _refused(self) -> list[RefusedDocument]:
        """What it refuses, the newest at the end."""
        found = [each for way in self._ways for each in way.failed.newest(Direction.PUSH)]
        found.sort(key=lambda each: each.when)
        return [RefusedDocument(each.id, each.reason, each.when) for each in found]

    # Its work

    async def _run(self) -> None:
        is_counted = False
        with self._database.watch() as watcher:
            while not self._is_stopping:
                self._wake.clear()
                wait = min(PAUSE_S, self._look_every)
                try:
                    while not is_counted:  # else it would be said that all is ashore
                        is_counted = not self._count()
                        await asyncio.sleep(0)
                    wait = await self._turn(watcher)
                    self._endurance.is_over()
                except Exception as error:  # noqa: BLE001 -- no document ends the forwarding of all others
                    if not self._endurance.outlasts(error):
                        break
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
                await asyncio.sleep(0)
        ended = await asyncio.gather(*(way.end() for way in self._ways), return_exceptions=True)
        try:
            if not any(isinstance(each, BaseException) for each in ended):
                self._note(ends=True)
        except Exception as error:  # noqa: BLE001 -- the next start looks at the rest
            self._endurance.outlasts(error)

    async def _turn(self, watcher: Watcher) -> float:
        """Do what is due; return the seconds until there may be more. Raises StoreError."""
        is_told = watcher.drain() | watcher.ask() and self.forwarded.look()
        if is_told:
            log.info("gateway %s was begun anew: looking at everything once more", self._report.name)
        if is_told or self._begins_anew:
            self._begins_anew = False
            for way in self._ways:
                await way.reset()
        wait = await self._connect()
        await self._probe()
        has_more = self._count()
        has_more |= self._note(ends=False)
        self.report()  # says what is new of it
        return 0.0 if has_more else min(wait, self._look_every)

    async def _connect(self) -> float:
        """Connect and end what is to be, as things are; seconds until there may be more to do."""
        situation = self._situation()
        for way in self._ways:
            way.is_wanted = way.part is None or way.part.when.holds(situation)
            if not way.is_wanted:
                await way.rest()
        wanted = [way for way in self._ways if way.is_wanted]
        wait = self._dialling.attend(wanted, time.monotonic())
        return self._look_every if wait is None else wait

    async def _probe(self) -> None:
        """Offer something of what is refused again, now and then. Raises StoreError."""
        for way in self._ways:
            if way.is_up and way.failed.has_overflowed and way.failed.has_room:
                await way.reset()  # what could not be kept by name is found by looking at everything
        if time.monotonic() - self._probed_at >= self._retry_every:
            self._probed_at = time.monotonic()
            for way in self._ways:
                way.forget_spared()
                way.probe()

    def _count(self) -> bool:
        """Count a part of the feed that nobody has counted; whether there is more. Raises StoreError."""
        changes = self._database.changes(self._counted, limit=_SCAN)
        for change in changes:
            for way in self._ways:
                if way.waits(change):
                    way.backlog.add(change)
                    break
        if changes:
            self._counted = changes[-1].sequence
        return len(changes) == _SCAN

    def _note(self, *, ends: bool) -> bool:
        """Move our bounds on, and write them down now and then; whether there is more to be looked at."""
        has_more = self.forwarded.advance(self._is_there)
        for _ in range(_LAST_LOOKS if ends else 0):
            has_more = has_more and self.forwarded.advance(self._is_there)
        now = time.monotonic()
        is_idle = all(way.is_idle for way in self._ways)
        if ends or (now - self._written_at >= (self._look_every if is_idle else _WRITE_EVERY)):
            self._written_at = now
            self.forwarded.write()
        return has_more

    def _is_there(self, document: Document) -> bool:
        way = self._way_of(document.id)
        return way is not None and way.is_there(document.id, document.sequence)

    def _way_of(self, document_id: str) -> Way | None:
        return next((way for way in self._ways if way.holds(document_id)), None)

    # Its ways

    def _made_ways(self) -> list[Way]:
        configuration, name = self.configuration, self.configuration.name
        whole = (
            None if configuration.limit is None else TokenBucket(configuration.limit, now=time.monotonic())
        )
        parts: list[tuple[Part | None, str]] = []
        if configuration.push:
            parts += [(part, f"refused:{part.name}") for part in configuration.parts]
        if configuration.pull:
            parts.append((None, "untaken"))
        return [
            Way(
                self,
                WayOptions(
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
            authenticator=configuration.authenticator,
            pinned_server_certificate=configuration.pinned,
            roots=configuration.roots,
            credentials=configuration.credentials,
            now=configuration.now,
            peer=Peer.gateway(configuration.name),
            limits=blip.APPLIANCE,
            message_limits=messages.APPLIANCE,
            **more,
        )

    def _adopt_refused(self) -> None:
        """Take over what an earlier version kept: ids alone, for all parts together. Raises StoreError."""
        kept = self._database.get_local(f"gateway:{self.configuration.name}:refused")
        if kept is None:
            return
        with self._database.transaction():
            for document_id in kept.body.get("ids", ()):
                way = self._way_of(document_id)
                if way is not None:
                    way.failed.note(Direction.PUSH, document_id, "", _REFUSED_BEFORE)
            for way in self._ways:
                way.failed.save()
            self._database.delete_local(kept.key, parent=kept.rev)

    # What replications tell

    def acknowledged(self, way: Way, change: Change, *, was_refused: bool) -> None:
        """The gateway has said that it has a change; `was_refused`: it refused it before."""
        if not was_refused:
            way.backlog.remove(change.id, change.size)
        self._known.pop(change.id, None)
        self._report.last_acknowledged = time.time()
        self._rate.add()
        self.forwarded.acknowledged(change.id)

    def ended(self, way: Way, told: Sequence[DocumentEnded]) -> None:
        """What became of documents."""
        for document in told:
            if document.problem is None or document.is_transient:
                continue
            if self._known.get(document.id) != document.revision:
                self._known[document.id] = document.revision
                way.backlog.remove(document.id, 0)
                does = "refuses" if document.direction is Direction.PUSH else "sends what cannot be taken:"
                log.warning("gateway %s %s %s: %s", self._report.name, does, document.id, document.problem)
        self._wake.set()

    def begun(self, way: Way, progress: PushProgress) -> None:
        """A connection begins to push from here on."""
        # Each copy of the checkpoint goes there first, then here: it says less than ours only if it was put
        # back to what it was before, and with it the documents.
        has_lost = progress.lacks(way.stored)
        if (has_lost or (progress.local == 0 and way.has_pushed)) and not self.forwarded.is_empty:
            log.warning(
                "gateway %s has lost what it had: all that is here goes there once more", self._report.name
            )
            self.forwarded.begin_anew()
            self._begins_anew = has_lost and progress.local > 0
        way.has_pushed = True

    def changed(self) -> None:
        """Something is otherwise with a replication."""
        self._wake.set()


_REFUSED_BEFORE: Final = Problem(
    Domain.WEBSOCKET, 0, "refused before an update of Logboat; the reason was not kept"
)
