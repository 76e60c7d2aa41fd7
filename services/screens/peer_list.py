"""The vessels nearby, their links and routes, and the gateways, as text and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sensors.units import format_bytes, format_duration
from services.console.environment import Environment
from services.console.errors import UsageError
from services.screens.status_lines import quota_words, radio_key_words
from services.state.sync_state import LiveGateway, LiveMesh, LivePeer, LiveRoute, Sight
from services.terminal.present import Screen, Style, StyledLine, count, paint, thousands, time_text, wrap
from services.terminal.table import fitted
from sync.gateway.report import GatewayState
from sync.mesh.link_state import LinkState

if TYPE_CHECKING:
    from services.schemas.mesh import Peers, VesselRoute

UNKNOWN: Final = "?"
"""Placeholder for a part of a route that no vessel has reported (`sync.mesh.routes`)."""
NOT_NEAR: Final = "not near"
_STYLES: Final[Mapping[str, Style]] = {
    LinkState.LINKED: Style.GOOD,
    LinkState.SILENT: Style.WARN,
    LinkState.CONNECTING: Style.WARN,
    LinkState.REFUSED: Style.BAD,
}
_SHORE_STYLES: Final[Mapping[str, Style]] = {
    GatewayState.CONNECTED: Style.GOOD,
    GatewayState.REFUSED: Style.BAD,
}
_ORDER: Final[tuple[str, ...]] = (
    LinkState.REFUSED,
    LinkState.CONNECTING,
    LinkState.SILENT,
    LinkState.LINKED,
    LinkState.IN_SIGHT,
    NOT_NEAR,
)
"""Display order of link states: states that need attention first, vessels out of range last."""
_STATE_WORDS: Final[Mapping[str, str]] = {LinkState.IN_SIGHT: "in range", NOT_NEAR: "out of range"}
"""Display text for states whose names in JSON are not plain English; other names are shown unchanged."""
_LINES_KEPT: Final = 2
"""Number of screen lines left free, for the prompt and for the line that counts the omitted vessels."""


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A vessel in the list, which may be nearby or out of range."""

    vessel: str
    peer: LivePeer | None
    route: LiveRoute | None

    @property
    def state(self) -> str:
        """State of the link to the vessel."""
        return NOT_NEAR if self.peer is None else self.peer.state

    @property
    def words(self) -> str:
        """State of the link to the vessel, as human-readable text."""
        return _STATE_WORDS.get(self.state, self.state)


def why_not(sight: Sight) -> str | None:
    """Return the reason why there is no mesh, and what to do; None if the mesh is running."""
    if not sight.is_live or sight.state is None:
        start = (
            "to start it: systemctl restart logboat-sync; to see why it stopped: journalctl -u logboat-sync"
        )
        return f"{sight.why_not}; {start}"
    if sight.state.fault is not None:
        return f"no mesh: {sight.state.fault}"
    return None


def rows(state: LiveMesh) -> list[PeerRow]:
    """Return a row for each vessel that is nearby or whose documents have arrived, most urgent first."""
    near = {peer.vessel: peer for peer in state.peers}
    peers = [PeerRow(name, near.get(name), state.routes.get(name)) for name in near | state.routes]
    return sorted(peers, key=_rank)


def _rank(row: PeerRow) -> tuple[int, int, str]:
    place = _ORDER.index(row.state) if row.state in _ORDER else 0
    return place, -(row.peer.behind if row.peer is not None else 0), row.vessel


def chosen(peers: Sequence[PeerRow], vessel: str) -> PeerRow:
    """Return the row for a vessel. Raise UsageError if the vessel is not in the list."""
    for row in peers:
        if row.vessel == vessel:
            return row
    known = ", ".join(sorted(row.vessel for row in peers)) or "none"
    raise UsageError(f"unknown vessel {vessel!r}; known vessels: {known}")


# Overview on one screen


def overview(state: LiveMesh, where: Screen, utc: float, *, everything: bool = False) -> list[str]:
    """Return a line for each problem of the mesh, then a line for each vessel that fits on the screen."""
    top = _top(state, where.width, utc)
    room = where.height - _LINES_KEPT - len(top) if where.is_terminal and not everything else None
    shown = [*top, *_table(rows(state), where.width, utc, room)]
    return [paint(line.text, line.style, where) for line in shown]


def all_lines(state: LiveMesh, width: int, utc: float) -> list[StyledLine]:
    """Return the lines of `overview` for all vessels, each at most `width` columns wide."""
    return [*_top(state, width, utc), *_table(rows(state), width, utc, None)]


def shore_lines(state: LiveMesh, width: int, utc: float) -> list[StyledLine]:
    """Return a line for each gateway."""
    return [
        line
        for gateway in state.gateways
        for line in _styled(shore_line(gateway, utc), _SHORE_STYLES.get(gateway.state, Style.WARN), width)
    ]


def _top(state: LiveMesh, width: int, utc: float) -> list[StyledLine]:
    top = _styled(headline(state), Style.TITLE, width)
    for clone in state.clones:
        top += _styled(f"DUPLICATE IDENTITY: {clone}", Style.BAD, width)
    for problem in state.problems:
        top += _styled(f"problem: {problem}", Style.WARN, width)
    if state.radio_key is not None and state.radio_key.is_ahead:
        top += _styled(radio_key_words(state.radio_key), None, width)
    top += shore_lines(state, width, utc)
    for quota in state.quotas:
        top += _styled(f"rejected: {quota_words(quota, utc)}", Style.WARN, width)
    if state.crew:
        users = ", ".join(f"{each.user} ({each.address})" for each in state.crew)
        top += _styled(f"crew: {users}", None, width)
    return top


def _styled(text: str, style: Style | None, width: int) -> list[StyledLine]:
    return [StyledLine(line, style) for line in wrap(text, width)]


def shore_line(gateway: LiveGateway, utc: float) -> str:
    """Return the text for a gateway.

    For example, `shore office (couchbase): connected, up to date, last acknowledged 3 s ago`.
    """
    parts = [gateway.state]
    if gateway.backlog_documents:
        parts.append(f"{count(gateway.backlog_documents, 'document')} to send")
        parts.append(format_bytes(gateway.backlog_bytes))
        if gateway.estimated_seconds is not None:
            parts.append(f"about {format_duration(gateway.estimated_seconds)}")
        if gateway.refused_documents:
            parts.append(f"{thousands(gateway.refused_documents)} of them rejected")
    elif gateway.state == GatewayState.CONNECTED:
        parts.append("up to date")
    if gateway.last_acknowledged is not None:
        parts.append(f"last acknowledged {format_duration(max(0.0, utc - gateway.last_acknowledged))} ago")
    words = f"shore {gateway.name} ({gateway.kind}): {', '.join(parts)}"
    return words if gateway.problem is None else f"{words}: {gateway.problem}"


def headline(state: LiveMesh) -> str:
    """Return a heading such as `argo (fleet north): linked to 2 of 3 nearby vessels, port 4984`."""
    where = "outgoing connections only" if state.port is None else f"port {state.port}"
    return (
        f"{state.vessel} (fleet {state.fleet}): linked to {len(state.linked)} of {len(state.nearby)} "
        f"nearby vessels, {where}"
    )


def _table(peers: Sequence[PeerRow], width: int, utc: float, room: int | None) -> list[StyledLine]:
    if not peers:
        return _styled("no vessels in range, and no documents received from other vessels yet", None, width)
    head, blocks = fitted(
        [("vessel", "state", "behind", "pending", "route", "last", "sent", "received")]
        + [_cells(row, utc) for row in peers],
        right=(2, 3, 5, 6, 7),
        plain=(1,),
        width=width,
    )
    shown, left = [StyledLine(line, Style.TITLE) for line in head], len(peers)
    for row, lines in zip(peers, blocks, strict=True):
        words = row.peer.problem if row.peer is not None else None
        block = [StyledLine(line, _STYLES.get(row.state)) for line in lines]
        block += [StyledLine(more) for more in wrap(words, width, indent="  ")] if words else []
        if room is not None and len(shown) + len(block) > room:
            break
        shown += block
        left -= 1
    return shown + ([StyledLine(f"and {count(left, 'more vessel')}: use --all")] if left else [])


def _cells(row: PeerRow, utc: float) -> tuple[str, ...]:
    peer, route = row.peer, row.route
    figures = ("", "", "", "")
    if peer is not None and peer.has_link:
        figures = (
            thousands(peer.behind),
            thousands(peer.receiving),
            format_bytes(peer.sent),
            format_bytes(peer.received),
        )
    behind, to_come, sent, received = figures
    came_by, last = ("", "") if route is None else (_shortened(describe_route(route)), _ago(route, utc))
    return row.vessel, row.words, behind, to_come, came_by, last, sent, received


def describe_route(route: LiveRoute) -> str:
    """Return the vessels that pass the documents on, in order of the route; `direct` if there are none."""
    between = route.path[-2::-1] if len(route.path) > 1 else []
    return " > ".join(between) or "direct"


def _shortened(way: str) -> str:
    first, *between, last = way.split(" > ") if way.count(" > ") > 1 else (way, "")
    return f"{first} > … > {last}" if between else way


def _ago(route: LiveRoute, utc: float) -> str:
    # Rounded to the second: a finer age would show jumps in the other vessel's clock.
    return format_duration(max(round(utc - route.utc), 0))


# Details of one vessel


def route_lines(state: LiveMesh, row: PeerRow, where: Screen, utc: float) -> Iterator[str]:
    """Yield lines with all known facts about one vessel."""
    peer, route = row.peer, row.route
    for line in wrap(f"{row.vessel}: {row.words}", where.width):
        yield paint(line, _STYLES.get(row.state, Style.TITLE), where)
    if peer is not None:
        yield from wrap(_link_words(peer), where.width, indent="  ")
        if peer.problem:
            yield from wrap(f"problem: {peer.problem}", where.width, indent="  ")
    if route is None:
        yield from wrap("no documents received from it yet", where.width, indent="  ")
        return
    whole = " > ".join([*reversed(route.path), state.vessel])
    yield from wrap(f"route of its documents: {whole}", where.width, indent="  ")
    links = count(route.hops, "link")
    if UNKNOWN in route.path:
        yield from wrap(
            f"at least {links}; {UNKNOWN} stands for vessels that have not reported their route",
            where.width,
            indent="  ",
        )
    else:
        yield f"  {links}"
    yield from wrap(
        f"last document {_ago(route, utc)} ago, {time_text(route.utc, where.zone)}",
        where.width,
        indent="  ",
    )


def _link_words(peer: LivePeer) -> str:
    parts = [f"at {peer.address}"] if peer.address else []
    if peer.up_for is not None:
        who = "outgoing connection" if peer.dialled else "incoming connection"
        parts += [f"{who}, up for {format_duration(round(peer.up_for))}"]
        parts += [f"{format_bytes(peer.sent)} sent, {format_bytes(peer.received)} received"]
        parts += [f"{count(peer.behind, 'change')} behind, {count(peer.receiving, 'document')} pending"]
    if peer.log:
        parts.append(f"log {peer.log}")
    if peer.version:
        parts.append(f"Logboat {peer.version}")
    return "; ".join(parts) or "address unknown"


def as_json(sight: Sight, vessel: str | None, world: Environment) -> "Peers":
    """Return the mesh as an object for JSON output. `vessel` limits the output to one vessel."""
    from services.schemas.mesh import Peers, VesselRow

    state = sight.state
    if state is None:
        return Peers(live=sight.is_live, why_not=why_not(sight))
    return Peers(
        live=sight.is_live,
        why_not=why_not(sight),
        vessel=state.vessel,
        fleet=state.fleet,
        port=state.port,
        fingerprint=state.fingerprint,
        clones=state.clones,
        problems=state.problems,
        crew=state.crew,
        gateways=state.gateways,
        quotas=state.quotas,
        radio_key=state.radio_key,
        vessels=[
            VesselRow(
                vessel=row.vessel, state=row.state, link=row.peer, route=_route_json(row.route, world.utc)
            )
            for row in rows(state)
            if vessel in (None, row.vessel)
        ],
    )


def _route_json(route: LiveRoute | None, utc: float) -> "VesselRoute | None":
    from services.schemas.mesh import VesselRoute

    if route is None:
        return None
    return VesselRoute(path=route.path, hops=route.hops, utc=route.utc, age=utc - route.utc)
