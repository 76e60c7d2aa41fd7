"""A fleet with real stores and peers on one machine, whose clock and links are simulated.

The links have a bandwidth and a latency, and the two streams of a link share its bandwidth in each direction.
`sync.mesh.link_plan` selects the links from the sightings. Events are processed in order of simulated time,
without real waiting.
"""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from sync import documents
from sync.blip import RequestReceived
from sync.blip.frames import KIND_MASK, FrameKind, decode_header
from sync.fleet.conflict_resolvers import Resolvers
from sync.mesh.link_plan import MeshNode, wanted
from sync.mesh.link_streams import STREAMS
from sync.peer.active import ActiveOptions, ActivePeer
from sync.peer.passive import PassiveOptions, PassivePeer
from sync.peer.peer_base import PeerBase
from sync.peer.progress import Ledger
from sync.peer.session import Session
from sync.replication.checkpoint_id import Peer as PeerName
from sync.replication.fields import EncodedMessage
from tests.peer.rig import Clock, contents, open_database

LOG: Final = "abcdef"
BUFFER: Final = 64 * 1024
"""Number of unsent bytes at which a simulated transport reports that its buffer is full."""
MOST_EVENTS: Final = 20_000_000

Sight = dict[str, set[str]]
"""Vessels that each vessel has discovered. Sightings are always mutual."""


@dataclass(frozen=True, slots=True)
class Radio:
    """Properties of a simulated radio link."""

    latency: float = 0.010
    """Latency in seconds, in one direction."""
    bandwidth: float = 1_000_000.0
    """Bandwidth in bytes per second, in each direction."""


@dataclass(slots=True)
class Traffic:
    """Traffic of the whole simulated fleet, or of one link."""

    sent: Counter[str] = field(default_factory=Counter)
    """Number of bytes sent, by message type. The type `reply` includes replies and acknowledgements.
    """
    told: Counter[str] = field(default_factory=Counter)
    """Number of times that each document was announced or proposed, by document id."""
    bodies: Counter[str] = field(default_factory=Counter)
    """Number of received revisions of each document, by document id."""

    @property
    def bytes(self) -> int:
        return sum(self.sent.values())

    @property
    def bytes_telling(self) -> int:
        return self.sent["changes"] + self.sent["proposeChanges"]


class Simulation:
    """Simulated clock, and a queue of future events."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.traffic = Traffic()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    @property
    def now(self) -> float:
        return self.clock.now

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (max(when, self.now), next(self._numbers), what))

    def run(self, until: float, *, done: Callable[[], bool] | None = None) -> None:
        """Process events for `until` simulated seconds, or until `done` returns True."""
        end = self.now + until
        for _ in range(MOST_EVENTS):
            if done is not None and done():
                return
            if not self._queue or self._queue[0][0] > end:
                self.clock.now = end
                return
            when, _, what = heapq.heappop(self._queue)
            self.clock.now = when
            what()
        raise AssertionError("the fleet never comes to rest")


class Lane:
    """Single direction of a simulated link, in which frames are sent one after another."""

    def __init__(self, simulation: Simulation, radio: Radio) -> None:
        self._simulation, self._radio = simulation, radio
        self._free = 0.0

    def send(self, size: int) -> tuple[float, float]:
        """Send a frame of this size. Return the times at which it leaves the sender and arrives."""
        self._free = max(self._free, self._simulation.now) + size / self._radio.bandwidth
        return self._free, self._free + self._radio.latency


class Endpoint:
    """End of a simulated connection, which drives a peer in place of `sync.net.peer_driver`."""

    def __init__(self, vessel: "Vessel", peer: PeerBase, lane: Lane, traffic: list[Traffic]) -> None:
        self.vessel, self.peer = vessel, peer
        self.other: Endpoint | None = None
        self._lane, self._traffic = lane, traffic
        self._simulation = vessel.simulation
        self._buffered = 0
        self._due: float | None = None
        self._runs = False
        self._profiles: dict[int, str] = {}
        self._watch_requests()
        peer.session.nudge = self.soon
        vessel.endpoints.append(self)

    def run(self) -> None:
        """Let the peer do all work that is due, and send as many frames as fit into the buffer."""
        self._runs = False
        peer = self.peer
        while not peer.session.is_over:
            peer.turn()
            sent = False
            while self._buffered < BUFFER and (frame := peer.next_frame()) is not None:
                self._send(frame)
                sent = True
            if not sent:
                break
        if peer.session.is_over:
            assert peer.session.problem is None, peer.session.problem
            self.close()
            return
        deadline = peer.deadline
        if deadline is not None and (self._due is None or deadline < self._due):
            self._due = deadline
            self._simulation.at(deadline, partial(self._rung, deadline))
        self.vessel.look()

    def soon(self) -> None:
        """Schedule a call of `run` at the current simulated time, after the events already queued for it."""
        if not self._runs:
            self._runs = True
            self._simulation.at(self._simulation.now, self.run)

    def wake(self) -> None:
        """Notify the peer that its store has changed."""
        self.peer.wake()
        self.soon()

    def close(self) -> None:
        """Break the connection at both ends."""
        for end in (self, self.other):
            if end is not None and end in end.vessel.endpoints:
                end.vessel.endpoints.remove(end)
                end.peer.session.end()

    def _send(self, frame: bytes) -> None:
        number, flags, _ = decode_header(frame)
        is_request = flags & KIND_MASK == FrameKind.REQUEST
        name = self._profiles.get(number, "other") if is_request else "reply"
        for traffic in self._traffic:
            traffic.sent[name] += len(frame)
        left, arrived = self._lane.send(len(frame))
        self._buffered += len(frame)
        self._simulation.at(left, partial(self._left, len(frame)))
        assert self.other is not None
        self._simulation.at(arrived, partial(self.other._take, frame))

    def _left(self, size: int) -> None:
        was_full = self._buffered >= BUFFER
        self._buffered -= size
        if was_full and self._buffered < BUFFER:
            self.soon()

    def _take(self, frame: bytes) -> None:
        if not self.peer.session.is_over:
            self.peer.receive([frame])
            self.soon()

    def _rung(self, due: float) -> None:
        if self._due == due:
            self._due = None
            self.run()

    def _watch_requests(self) -> None:
        session = self.peer.session
        request, requested = session.request, session._requested

        def sending(message: EncodedMessage, *given: Any, **more: Any) -> None:
            # BLIP numbers requests in the same order, beginning with 1.
            self._profiles[len(self._profiles) + 1] = message.properties["Profile"]
            request(message, *given, **more)

        def came(event: RequestReceived) -> None:
            if event.profile == "rev":
                document_id = event.properties["id"]
                for traffic in self._traffic:
                    traffic.bodies[document_id] += 1
            elif event.profile in ("changes", "proposeChanges") and event.body:
                place = 1 if event.profile == "changes" else 0
                ids = [entry[place] for entry in msgspec.json.decode(event.body)]
                for traffic in self._traffic:
                    traffic.told.update(ids)
            requested(event)

        session.request = sending  # type: ignore[method-assign]
        session._requested = came  # type: ignore[method-assign]


class Vessel:
    """Simulated vessel with its document store and the endpoints of its connections."""

    def __init__(self, simulation: Simulation, name: str, folder: Path) -> None:
        self.simulation, self.name = simulation, name
        self.database = open_database(folder / f"{name}.db")
        self._watcher = self.database.watch()
        self.endpoints: list[Endpoint] = []
        self.writes = 0

    def look(self) -> None:
        """Wake the peers of all connections if the vessel's store has changed since the last call."""
        if self._watcher.drain():
            for endpoint in self.endpoints:
                endpoint.wake()

    def write(self, rng: random.Random) -> None:
        """Write one document, which is a window of readings, a current value or an alarm."""
        self.writes += 1
        number, name = self.writes, self.name
        sensor = f"s{rng.randrange(4)}"
        match number % 4:
            case 0:
                self._put(documents.equipment_id(name, sensor), {"type": "equipment", "value": rng.random()})
            case 1:
                body = {"type": "alarm", "severity": "alarm", "raised": number, "acks": []}
                self._put(documents.alarm_id(name, sensor, LOG, number), body)
            case _:
                samples = [[n * 1000, round(rng.uniform(20, 30), 2)] for n in range(30)]
                body = {"type": "reading", "path": "propulsion.main.revolutions", "samples": samples}
                self._put(documents.reading_id(name, sensor, LOG, number), body)
        self.look()

    def _put(self, document_id: str, body: dict[str, Any]) -> None:
        found = self.database.get(document_id)
        self.database.put(document_id, body, parent=None if found is None else found.rev)

    def close(self) -> None:
        self._watcher.close()
        self.database.close()


class Fleet:
    """Simulated fleet of vessels and the links between them."""

    def __init__(self, folder: Path, count: int) -> None:
        self.simulation = Simulation()
        self.rng = random.Random(1)
        names = [f"v{number:02d}" for number in range(count)]
        self.vessels = {name: Vessel(self.simulation, name, folder) for name in names}
        self.links: dict[tuple[str, str], Traffic] = {}

    @property
    def traffic(self) -> Traffic:
        return self.simulation.traffic

    def close(self) -> None:
        for vessel in self.vessels.values():
            vessel.close()

    # Links

    def meet(self, sight: Sight, *, max_peers: int, radio: Radio) -> None:
        """Connect all pairs of vessels that choose each other from their sightings."""
        for one, other in sorted(chosen_links(sight, max_peers)):
            self.connect(one, other, radio)

    def connect(self, one: str, other: str, radio: Radio) -> None:
        """Connect two vessels with a link of two streams. The first vessel is the active peer of both."""
        dialling, listening = self.vessels[one], self.vessels[other]
        simulation, clock = self.simulation, self.simulation.clock
        there, here = Lane(simulation, radio), Lane(simulation, radio)
        traffic = [self.traffic, self.links.setdefault((one, other), Traffic())]
        for stream in STREAMS:
            active = ActivePeer(
                Session(clock=clock),
                dialling.database,
                ActiveOptions(
                    peer=PeerName.member("vessel", other, listening.database.uuid),
                    continuous=True,
                    stream=stream,
                    keeps=_keeps,
                    conflict_resolver=Resolvers(),
                ),
                Ledger(),
            )
            remote = ActiveOptions(peer=PeerName.member("vessel", one, dialling.database.uuid)).remote
            passive = PassivePeer(
                Session(clock=clock),
                listening.database,
                PassiveOptions(remote=remote, streams=STREAMS, keeps=_keeps, conflict_resolver=Resolvers()),
                Ledger(),
            )
            near = Endpoint(dialling, active, there, traffic)
            far = Endpoint(listening, passive, here, traffic)
            near.other, far.other = far, near
            active.start()
            near.soon()

    # Work

    def write_all(self, each: int, *, over: float) -> None:
        """Let each vessel write `each` documents at random times during the next `over` simulated seconds."""
        now = self.simulation.now
        for vessel in self.vessels.values():
            for _ in range(each):
                self.simulation.at(now + self.rng.uniform(0, over), partial(vessel.write, self.rng))
        self.simulation.run(over)

    def converge(self, within: float) -> float:
        """Run until all vessels have all documents, and return the simulated time in seconds."""
        began = self.simulation.now
        while self.simulation.now < began + within:
            if self.has_converged:
                return self.simulation.now - began
            self.simulation.run(0.05)
        raise AssertionError(f"not all have all after {within} s")

    @property
    def has_converged(self) -> bool:
        found = (
            {change.id: change.rev for change in vessel.database.changes()}
            for vessel in self.vessels.values()
        )
        first = next(found)
        return all(other == first for other in found)

    def assert_same(self) -> None:
        first, *others = (contents(vessel.database) for vessel in self.vessels.values())
        assert all(other == first for other in others)


def chosen_links(sight: Sight, max_peers: int) -> set[tuple[str, str]]:
    """Return the links that vessels with these sightings choose, each with the smaller id first."""
    links: Sight = {vessel: set() for vessel in sight}
    for _ in range(len(sight)):
        before = {vessel: set(others) for vessel, others in links.items()}
        for vessel, others in sight.items():
            seen = {other: frozenset(links[other]) for other in others}
            for other in wanted(MeshNode(vessel, max_peers=max_peers), seen):
                links[vessel].add(other)
                links[other].add(vessel)
        if links == before:
            break
    return {(one, other) for one, others in links.items() for other in others if one < other}


def everybody(names: list[str]) -> Sight:
    """Return sightings in which every vessel has discovered every other vessel."""
    return {name: set(names) - {name} for name in names}


def in_a_row(names: list[str]) -> Sight:
    """Return sightings in which each vessel has discovered only the previous and the next vessel."""
    sight: Sight = {name: set() for name in names}
    for one, other in itertools.pairwise(names):
        sight[one].add(other)
        sight[other].add(one)
    return sight


def _keeps(document_id: str) -> bool:
    return not documents.is_immutable(document_id)


@contextmanager
def fleet(folder: Path, count: int) -> Iterator[Fleet]:
    made = Fleet(folder, count)
    try:
        yield made
    finally:
        made.close()
