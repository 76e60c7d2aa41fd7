"""The Couchbase gateway: replicates with a Sync Gateway, or any listener ashore, for as long as it takes.

    configuration = CouchbaseGatewayConfiguration("office", "wss://sync.example.org:4984/fleet")
    gateway = CouchbaseGateway(database, configuration, vessel="argo")
    gateway.start()

Each part of the policy has a replication, a connection and a checkpoint of its own, so that alarms do not
wait behind a month of readings; what the office sends is pulled on one more. A replicator gives up where a
person must do something; this tries again all the same, more rarely, since nobody may be there to tell it.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509

from sync.gateway.forwarded import Forwarded
from sync.gateway.policy import Part, Situation, parts
from sync.gateway.progress import Backlog, Rate
from sync.gateway.report import GatewayReport, GatewayState
from sync.net.authenticators import Authenticator
from sync.net.endpoints import URLEndpoint
from sync.net.replicator import Replicator, ReplicatorConfiguration
from sync.net.retrying import MAX_WAIT_S, Backoff
from sync.net.throttle import TokenBucket
from sync.peer.active import Activity
from sync.peer.arrivals import Rule
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction, DocumentEnded
from sync.peer.selection import Stream
from sync.replication.checkpoint import PushProgress
from sync.replication.checkpoint_id import Peer
from sync.store import Change, Database, Document, StoreError

log = logging.getLogger(__name__)

_LOOK_EVERY: Final = 5.0
"""Seconds between looks at what nobody tells of: the policy, other vessels' bounds."""
_WRITE_EVERY: Final = 30.0
"""Seconds between two notes of what is ashore, while it grows."""
_STOP_S: Final = 3.0
"""For what is on its way to arrive, when we end."""
_LAST_LOOKS: Final = 40
"""Goes at what is ashore when we end; the rest is looked at after the next start."""
_SCAN: Final = 500
"""Changes counted before others in the event loop have their turn."""
PERSON_S: Final = 60.0
"""Least seconds between attempts where a person has to do something."""
_UP: Final = frozenset({Activity.BUSY, Activity.IDLE})
_PORTAL: Final = frozenset({200, 301, 302, 303, 307, 308, 511})
"""Answers to a WebSocket's handshake that web pages give, or RFC 6585, section 6."""
_PORTAL_WORDS: Final = (
    "a web page answers there, no gateway: this network may want somebody to log in first (a captive portal),"
    " or the address is wrong"
)
MOST_REFUSED: Final = 10_000
"""Documents remembered that the gateway does not take."""


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


def judge_problem(problem: Problem) -> tuple[GatewayState, str]:
    """How it stands with a gateway after this, and that in words."""
    if problem.domain is Domain.WEBSOCKET and problem.code in _PORTAL:
        return GatewayState.CONNECTING, f"{problem.text}: {_PORTAL_WORDS}"
    if problem.domain is Domain.WEBSOCKET and problem.code in _WORDS:
        return GatewayState.REFUSED, f"{problem.text}: {_WORDS[problem.code]}"
    if problem.domain in {Domain.TLS, Domain.LITECORE, Domain.BLIP}:
        return GatewayState.REFUSED, problem.text
    if problem.domain is Domain.WEBSOCKET and 400 <= problem.code < 500 and problem.code not in {408, 429}:
        return GatewayState.REFUSED, problem.text
    return GatewayState.CONNECTING, problem.text


_WORDS: Final = {
    401: "user, password or session is wrong; check them, there and here",
    403: "this user may not do that; it is for the gateway's operator to allow",
    404: "there is no such database; check the end of the address",
}


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
    ) -> None:
        """`vessel`: whose gateway this is; `situation`: how it is just now, for the policy.

        Raises StoreError.
        """
        self.configuration: Final = configuration
        self.forwarded: Final = Forwarded(database, configuration.name, vessel)
        self._database, self._situation, self._look_every = database, situation, look_every
        self._rng = rng or random.Random()  # noqa: S311 -- jitter
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._rate = Rate(time.monotonic)
        self._refused = _Refused(database, configuration.name)
        self._counted = 0
        self._begins_anew = False
        """Whether everything is to be looked at once more."""
        self._written_at = 0.0
        now = time.monotonic()
        whole = None if configuration.limit is None else TokenBucket(configuration.limit, now=now)
        waits = (longest_wait, person_wait)
        self._ways = [_Way(self, part, whole, waits) for part in configuration.parts if configuration.push]
        if configuration.pull:
            self._ways.append(_Way(self, None, None, waits))
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
        for way in self._ways:
            way.try_at_once()
        self._wake.set()

    def report(self) -> GatewayReport:
        """What it does just now."""
        report = self._report
        pushes = [way for way in self._ways if way.part is not None]
        report.backlog_documents = sum(way.backlog.documents for way in pushes)
        report.backlog_bytes = sum(way.backlog.bytes for way in pushes)
        report.rate = self._rate.value()
        state, problem = self._state()
        if state is not report.state:
            report.state, report.since = state, time.time()
        if problem is not None and problem != report.problem:
            log.warning("gateway %s: %s", report.name, problem)
        report.problem = problem
        return report

    @property
    def transferred(self) -> tuple[int, int]:
        """Bytes sent and received so far, on all connections."""
        both = [way.transferred for way in self._ways]
        return sum(sent for sent, _ in both), sum(received for _, received in both)

    def _state(self) -> tuple[GatewayState, str | None]:
        judged = [way.judged for way in self._ways if way.is_wanted]
        for wanted in (GatewayState.REFUSED, GatewayState.CONNECTING, GatewayState.CONNECTED):
            for state, problem in judged:
                if state is wanted:
                    return state, problem
        return GatewayState.WAITING, None

    # Its work

    async def _run(self) -> None:
        try:
            with self._database.watch() as watcher:
                while self._count():  # noqa: ASYNC110 -- else it would be said that all is ashore
                    await asyncio.sleep(0)
                while not self._is_stopping:
                    self._wake.clear()
                    is_told = watcher.drain() | watcher.ask() and self.forwarded.look()
                    if is_told:
                        log.info(
                            "gateway %s was begun anew: looking at everything once more", self._report.name
                        )
                    if is_told or self._begins_anew:
                        self._begins_anew = False
                        for way in self._ways:
                            await way.reset()
                    situation = self._situation()
                    for way in self._ways:
                        await way.attend(situation)
                    has_more = self._count()
                    has_more |= self._note(ends=False)
                    self.report()  # says what is new of it
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.0 if has_more else self._look_every):
                            await self._wake.wait()
                    await asyncio.sleep(0)
            await asyncio.gather(*(way.end() for way in self._ways))
            self._note(ends=True)
        except StoreError as error:
            # The daemon sees the store's state itself, and ends for it.
            log.error("gateway %s: the store: %s", self._report.name, error)
            await asyncio.gather(*(way.end() for way in self._ways), return_exceptions=True)

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
        return way is not None and document.id not in self._refused.ids and way.is_complete(document.sequence)

    def _way_of(self, document_id: str) -> "_Way | None":
        return next((way for way in self._ways if way.holds(document_id)), None)

    # What replications tell

    def acknowledged(self, way: "_Way", change: Change) -> None:
        """The gateway has said that it has it."""
        way.backlog.remove(change.id, change.size)
        self._report.last_acknowledged = time.time()
        self._rate.add()
        self.forwarded.acknowledged(change.id)
        self._refused.remove(change.id)

    def ended(self, told: Sequence[DocumentEnded]) -> None:
        """What became of documents."""
        for document in told:
            if document.direction is Direction.PUSH and document.problem and not document.is_transient:
                self._refused.add(document.id)
                log.warning("gateway %s refuses %s: %s", self._report.name, document.id, document.problem)

    def begun(self, way: "_Way", progress: PushProgress) -> None:
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

    @property
    def database(self) -> Database:
        """The store."""
        return self._database

    @property
    def rng(self) -> random.Random:
        """Chance."""
        return self._rng


class _Refused:
    """Documents that the gateway does not take, kept durably: they are done with, and not ashore."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._key = database, f"gateway:{name}:refused"
        kept = database.get_local(self._key)
        self.ids: set[str] = set() if kept is None else set(kept.body.get("ids", ()))

    def add(self, document_id: str) -> None:
        if document_id not in self.ids and len(self.ids) < MOST_REFUSED:
            self.ids.add(document_id)
            self._save()

    def remove(self, document_id: str) -> None:
        if document_id in self.ids:
            self.ids.discard(document_id)
            self._save()

    def _save(self) -> None:
        kept = self._database.get_local(self._key)
        self._database.put_local(
            self._key, {"ids": sorted(self.ids)}, parent=None if kept is None else kept.rev
        )


class _Way:
    """One replication with a gateway: of a part, or what is pulled."""

    def __init__(
        self,
        gateway: CouchbaseGateway,
        part: Part | None,
        whole: TokenBucket | None,
        waits: tuple[float, float],
    ) -> None:
        configuration = gateway.configuration
        self.part: Final = part
        self.backlog: Final = Backlog()
        self.is_wanted = False
        """Whether the policy allows it just now."""
        self.has_pushed = False
        """Whether something was pushed there before."""
        self._gateway, self._whole = gateway, whole
        self._longest, self._person = waits
        self._backoff = Backoff(gateway.rng, max_wait_s=self._longest)
        self._again_at: float | None = None
        self._resets = False
        self._problem: Problem | None = None
        self._replicator = Replicator(
            ReplicatorConfiguration(
                gateway.database,
                URLEndpoint(configuration.url),
                push=part is not None,
                pull=part is None,
                continuous=True,
                channels=configuration.channels if part is None else frozenset(),
                pull_rule=configuration.pull_rule if part is None else None,
                push_stream=None if part is None else Stream(part.name, self.is_sent),
                authenticator=configuration.authenticator,
                pinned_server_certificate=configuration.pinned,
                roots=configuration.roots,
                now=configuration.now,
                peer=Peer.gateway(configuration.name),
                max_attempt_wait_time=self._longest,
                bandwidth=self._bucket(),
                acknowledged=lambda change: gateway.acknowledged(self, change),
                begun=lambda progress: gateway.begun(self, progress),
            ),
            on_status=lambda _status: gateway.changed(),
            on_documents=gateway.ended,
            rng=gateway.rng,
        )
        self.has_pushed = part is not None and self._replicator.pushed.local > 0

    def holds(self, document_id: str) -> bool:
        """Whether a document is one of these."""
        return self.part is not None and self.part.holds(document_id)

    def is_sent(self, document_id: str) -> bool:
        """Whether a document goes out here: not what others have brought ashore."""
        return self.holds(document_id) and not self._gateway.forwarded.is_ashore(document_id)

    def waits(self, change: Change) -> bool:
        """Whether a change has yet to go out here."""
        return self.is_sent(change.id) and not self.is_complete(change.sequence)

    def is_complete(self, sequence: int) -> bool:
        """Whether the change at this sequence need not go there any more."""
        return self._replicator.pushed.is_complete(sequence)

    @property
    def stored(self) -> PushProgress:
        """What our own copy of the checkpoint says need not go there any more."""
        return self._replicator.stored

    @property
    def transferred(self) -> tuple[int, int]:
        """Bytes sent and received so far."""
        return self._replicator.transferred

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be done."""
        return self._replicator.status.activity is not Activity.BUSY

    @property
    def judged(self) -> tuple[GatewayState, str | None]:
        """How it stands, and why."""
        status = self._replicator.status
        if status.activity in _UP:
            return GatewayState.CONNECTED, None
        problem = status.problem or self._problem
        return (GatewayState.CONNECTING, None) if problem is None else judge_problem(problem)

    async def attend(self, situation: Situation) -> None:
        """Begin, end, or try again, as things are."""
        self.is_wanted = self.part is None or self.part.when.holds(situation)
        activity = self._replicator.status.activity
        if activity in _UP:
            self._backoff.succeeded()
            self._problem = None
        if activity is Activity.IDLE and self.part is not None:
            self.backlog.reset()
        if not self.is_wanted:
            if activity is not Activity.STOPPED:
                await self._replicator.stop()
            self._again_at = None
        elif activity is Activity.STOPPED:
            self._begin_again()

    def _begin_again(self) -> None:
        now = time.monotonic()
        problem = self._replicator.status.problem
        if problem is not None and self._again_at is None:
            self._problem = problem
            wait = self._backoff.next_delay() or 0.0
            if judge_problem(problem)[0] is GatewayState.REFUSED:
                wait = max(wait, self._person)
            self._again_at = now + wait
            asyncio.get_running_loop().call_later(wait, self._gateway.changed)
        elif self._again_at is None or now >= self._again_at:
            self._again_at = None
            self._replicator.start(reset_checkpoint=self._resets)
            self._resets = False

    def try_at_once(self) -> None:
        """The network is another one."""
        self._backoff.reachability_changed()
        if self._again_at is not None:
            self._again_at = 0.0
        self._replicator.reachability_changed()

    async def reset(self) -> None:
        """Look at everything once more."""
        if self.part is not None:
            self._resets, self.has_pushed = True, False
            await self._replicator.stop()
            self._again_at = 0.0

    async def end(self) -> None:
        """End in good order, if that does not take long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._replicator.stop()

    def _bucket(self) -> TokenBucket | None:
        limit = None if self.part is None else self.part.limit
        if limit is None:
            return self._whole
        return TokenBucket(limit, now=time.monotonic(), lower=self._whole)
