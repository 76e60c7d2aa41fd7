"""What a mesh is doing just now, for those who look at it."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from sync.mesh.manager import Mesh
from sync.mesh.routes import Route
from sync.mesh.streams import LIVE
from sync.net.authenticators import User
from sync.peer.peer import PeerBase

from .inbound_link import Inward
from .outbound_link import Outward

SILENT_AFTER: Final = 2.5
"""Seconds for which an answer may be owed. With a ping every 4 s whoever goes out of reach is told of within
7 s; the link itself is given up later (`vessel_endpoint.GRACE`), since to make it again costs more."""


class LinkState(Enum):
    """How it stands with a vessel."""

    LINKED = "linked"
    SILENT = "silent"
    """A link stands, and it no longer answers: out of reach, hanging, or on a very bad radio."""
    CONNECTING = "connecting"
    """We dial, and have had no answer yet; the problem is why not."""
    REFUSED = "refused"
    """It does not take us, or we do not take it; it is dialled again after a while."""
    IN_SIGHT = "in sight"
    """It is there, or was two minutes ago; no link is wanted, or the other one dials. The problem is why the
    last one ended."""


@dataclass(slots=True)
class PeerReport:
    """One vessel nearby, or an address that is dialled."""

    vessel: str
    """Its id, or the address if nobody has answered there yet."""
    state: LinkState
    address: str = ""
    dialled: bool = False
    """Whether we did."""
    up_for: float | None = None
    """Seconds that the link has stood."""
    behind: int = 0
    """Changes that it may not have yet; none only if there are none."""
    receiving: int = 0
    """Of what it has told us of: documents that are not here yet."""
    sent: int = 0
    received: int = 0
    """Bytes."""
    log: str = ""
    version: str = ""
    problem: str | None = None


@dataclass(slots=True)
class MeshReport:
    """All of it."""

    vessel: str
    fleet: str
    port: int | None
    peers: list[PeerReport] = field(default_factory=list)
    crew: list[tuple[str, str]] = field(default_factory=list)
    """Users that are connected, and from where."""
    routes: dict[str, Route] = field(default_factory=dict)
    clones: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def look(mesh: Mesh) -> MeshReport:
    """What the mesh is doing."""
    now = asyncio.get_running_loop().time()
    peers: dict[str, PeerReport] = {}
    for sighting in mesh.sightings:
        if sighting.vessel != mesh.vessel:
            address = sighting.addresses[0] if sighting.addresses else ""
            peers[sighting.vessel] = PeerReport(
                sighting.vessel, LinkState.IN_SIGHT, f"{address}:{sighting.port}", log=sighting.log
            )
    names = {key: outward.vessel or key for key, outward in mesh.outward.items()}
    for key, noted in mesh.problems.items():
        name = names.get(key, key)
        if not noted.passes:
            peers.setdefault(name, PeerReport(name, LinkState.REFUSED)).state = LinkState.REFUSED
        elif name not in peers:
            continue  # it has sailed away, and refused nobody
        peers[name].problem = noted.problem.text
    for key, outward in mesh.outward.items():
        name = names[key]
        _outward(peers.setdefault(name, PeerReport(name, LinkState.CONNECTING)), outward, now)
    for inward in mesh.inward:
        _inward(peers.setdefault(inward.vessel, PeerReport(inward.vessel, LinkState.IN_SIGHT)), inward, now)
    problems = [] if mesh.discovery is None or mesh.discovery.problem is None else [mesh.discovery.problem]
    return MeshReport(
        vessel=mesh.vessel,
        fleet=mesh.membership.identity.fleet,
        port=mesh.port,
        peers=sorted(peers.values(), key=lambda peer: peer.vessel),
        crew=[
            (connection.client.name, connection.remote)
            for connection in ([] if mesh.listener is None else mesh.listener.connections)
            if isinstance(connection.client, User)
        ],
        routes=mesh.traffic.routes.all,
        clones=[str(clone) for clone in mesh.clones.found],
        problems=[*problems, *(str(ahead) for ahead in mesh.clones.ahead)],
    )


def _outward(report: PeerReport, link: Outward, now: float) -> None:
    report.address = report.address or link.where.name
    report.dialled = True
    if link.is_up:
        _stands(report, link.silence)
        report.up_for = now - (link.up_since or now)
    else:
        if not link.has_ended:
            report.state = LinkState.CONNECTING
        report.problem = link.problem.text if link.problem else report.problem
    _say_who(report, None if link.greeting is None else (link.greeting.log, link.greeting.version))
    report.sent, report.received = link.transferred
    for peer in link.peers:
        _count(report, peer)


def _inward(report: PeerReport, link: Inward, now: float) -> None:
    if link.is_up:
        _stands(report, link.silence)
        report.dialled = False
        report.address = link.connections[LIVE.name].remote
        report.up_for = now - link.since
    _say_who(report, None if link.greeting is None else (link.greeting.log, link.greeting.version))
    sent, received = link.transferred
    report.sent, report.received = report.sent + sent, report.received + received
    for connection in link.connections.values():
        _count(report, connection.link.peer)


def _stands(report: PeerReport, silence: float) -> None:
    """A link stands. Of two with one vessel, which are soon settled, one that is answered is enough."""
    if silence < SILENT_AFTER:
        report.state, report.problem = LinkState.LINKED, None
    elif report.state is not LinkState.LINKED:
        report.state, report.problem = LinkState.SILENT, f"no answer for {silence:.0f} s"


def _say_who(report: PeerReport, told: tuple[str, str] | None) -> None:
    if told is not None:
        report.log, report.version = told[0] or report.log, told[1]


def _count(report: PeerReport, peer: PeerBase) -> None:
    if peer.sender is not None:
        report.behind += peer.sender.behind
    if peer.receiver is not None:
        report.receiving += peer.receiver.expected
