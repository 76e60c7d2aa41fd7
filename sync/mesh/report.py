"""The current state of a vessel's mesh, as shown to users."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from sync.mesh.manager import Mesh
from sync.mesh.routes import Route
from sync.net.authenticators import User
from sync.peer.peer_base import PeerBase

from .inbound_link import InboundLink
from .link_state import LinkState
from .link_streams import LIVE
from .outbound_link import OutboundLink

SILENT_AFTER: Final = 2.5
"""Seconds without an answer to a ping after which a vessel is reported as silent.

Pings are sent every 4 s, so a vessel that goes out of range is reported within 7 s. The link itself is closed
later (`sync.mesh.vessel_endpoint.GRACE`), because establishing a new link is expensive.
"""


@dataclass(slots=True)
class PeerReport:
    """The state of the link with one vessel, or of the link to one configured address."""

    vessel: str
    """Id of the vessel, or the address that is dialled if no vessel has answered there yet."""
    state: LinkState
    address: str = ""
    dialled: bool = False
    """True if we dialled the link."""
    up_for: float | None = None
    """Seconds since the link opened; None if no link is open."""
    behind: int = 0
    """Upper bound on the number of our changes that the vessel has not received yet.

    It is 0 only if the vessel has received all changes.
    """
    receiving: int = 0
    """Number of documents that the vessel has announced and that are not stored here yet."""
    sent: int = 0
    """Number of bytes sent to the vessel over the open links."""
    received: int = 0
    """Number of bytes received from the vessel over the open links."""
    log: str = ""
    version: str = ""
    problem: str | None = None


@dataclass(slots=True)
class MeshReport:
    """The state of the whole mesh."""

    vessel: str
    fleet: str
    port: int | None
    peers: list[PeerReport] = field(default_factory=list)
    crew: list[tuple[str, str]] = field(default_factory=list)
    """User name and network address of each connected crew member."""
    routes: dict[str, Route] = field(default_factory=dict)
    clones: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def mesh_report(mesh: Mesh) -> MeshReport:
    """Return the current state of the mesh."""
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
            continue  # the vessel is no longer in sight, and neither side has refused the link
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


def _outward(report: PeerReport, link: OutboundLink, now: float) -> None:
    report.address = report.address or link.where.name
    report.dialled = True
    if link.is_up:
        _report_open_link(report, link.silence)
        report.up_for = now - (link.up_since or now)
    else:
        if not link.has_ended:
            report.state = LinkState.CONNECTING
        report.problem = link.problem.text if link.problem else report.problem
    _add_identity(report, None if link.greeting is None else (link.greeting.log, link.greeting.version))
    report.sent, report.received = link.transferred
    for peer in link.peers:
        _count(report, peer)


def _inward(report: PeerReport, link: InboundLink, now: float) -> None:
    if link.is_up:
        _report_open_link(report, link.silence)
        report.dialled = False
        report.address = link.connections[LIVE.name].remote
        report.up_for = now - link.since
    _add_identity(report, None if link.greeting is None else (link.greeting.log, link.greeting.version))
    sent, received = link.transferred
    report.sent, report.received = report.sent + sent, report.received + received
    for connection in link.connections.values():
        _count(report, connection.link.peer)


def _report_open_link(report: PeerReport, silence: float) -> None:
    """Add an open link to a vessel's report. A vessel with two links is silent only if both are silent."""
    if silence < SILENT_AFTER:
        report.state, report.problem = LinkState.LINKED, None
    elif report.state is not LinkState.LINKED:
        report.state, report.problem = LinkState.SILENT, f"no answer for {silence:.0f} s"


def _add_identity(report: PeerReport, identity: tuple[str, str] | None) -> None:
    if identity is not None:
        report.log, report.version = identity[0] or report.log, identity[1]


def _count(report: PeerReport, peer: PeerBase) -> None:
    if peer.sender is not None:
        report.behind += peer.sender.behind
    if peer.receiver is not None:
        report.receiving += peer.receiver.expected
