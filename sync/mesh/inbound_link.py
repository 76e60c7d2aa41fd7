"""Inbound links: the connections that other appliances have opened to our listener."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sync.blip.close_codes import CloseCode
from sync.net.authenticators import CertificateHolder
from sync.net.listener import PeerConnection
from sync.peer.problems import Domain, Problem

from .appliance_headers import ApplianceHeaders
from .link_streams import LIVE
from .outbound_link import STREAM_HEADER

_REPLACED = Problem(Domain.WEBSOCKET, CloseCode.NORMAL, "the same appliance has connected again")


@dataclass(eq=False, slots=True)
class InboundLink:
    """A link that another appliance has dialled, with all its connections to our listener."""

    vessel: str
    greeting: ApplianceHeaders | None
    since: float
    """Time at which the appliance connected, by the event loop's clock."""
    connections: dict[str, PeerConnection] = field(default_factory=dict)
    """Open connections, by the name of the stream that each of them carries."""
    unnamed: list[PeerConnection] = field(default_factory=list)
    """Connections that do not name a stream, for example from other programs on the vessel."""
    bytes_gone: tuple[int, int] = (0, 0)
    """Number of bytes sent and number of bytes received on connections that have closed."""
    _received: int = 0

    @property
    def all(self) -> list[PeerConnection]:
        """All open connections of the link."""
        return [*self.connections.values(), *self.unnamed]

    @property
    def is_up(self) -> bool:
        """True while the connection for the live stream is open."""
        return LIVE.name in self.connections

    def has_spoken(self) -> bool:
        """Return True if any bytes were received over the link since the last call of this method."""
        before, self._received = self._received, self.transferred[1]
        return self._received != before

    @property
    def transferred(self) -> tuple[int, int]:
        """Total numbers of bytes sent and of bytes received on all connections of the link."""
        sent, received = self.bytes_gone
        for connection in self.all:
            sent += connection.link.transport.bytes_sent
            received += connection.link.transport.bytes_received
        return sent, received

    @property
    def silence(self) -> float:
        """Seconds for which no connection of the link has answered a ping; 0 if one of them has."""
        silences = [connection.link.transport.silence for connection in self.all]
        return min(silences, default=0.0)


class InboundLinks:
    """Links that other appliances have dialled to this vessel."""

    def __init__(self, vessel_of: Callable[[PeerConnection], str | None]) -> None:
        self._vessel_of = vessel_of
        self._links: dict[tuple[str, str], InboundLink] = {}

    def __iter__(self) -> Iterator[InboundLink]:
        return iter(list(self._links.values()))

    def find(self, connection: PeerConnection) -> InboundLink | None:
        """Return the link to which a connection belongs, or None."""
        key = self._key(connection)
        return None if key is None else self._links.get(key)

    def add(self, connection: PeerConnection, now: float) -> InboundLink | None:
        """Add a connection to its link, and close an older connection for the same stream, if there is one.

        Return the connection's link, or None if the peer is not a vessel.
        """
        key = self._key(connection)
        if key is None:
            return None
        link = self._links.get(key)
        if link is None:
            link = self._links[key] = InboundLink(key[0], ApplianceHeaders.parse(connection.headers), now)
        stream = connection.headers.get(STREAM_HEADER, "")
        if not stream:
            link.unnamed.append(connection)
            return link
        before = link.connections.get(stream)
        link.connections[stream] = connection
        if before is not None:
            before.link.close(_REPLACED)
        return link

    def remove(self, connection: PeerConnection) -> None:
        """Remove a connection that has ended."""
        link = self.find(connection)
        if link is None:
            return
        transport = connection.link.transport
        sent, received = link.bytes_gone
        link.bytes_gone = (sent + transport.bytes_sent, received + transport.bytes_received)
        for stream, known in list(link.connections.items()):
            if known is connection:
                del link.connections[stream]
        if connection in link.unnamed:
            link.unnamed.remove(connection)
        if not link.all:
            del self._links[self._key(connection) or ("", "")]

    def _key(self, connection: PeerConnection) -> tuple[str, str] | None:
        if not isinstance(connection.client, CertificateHolder):
            return None
        vessel = self._vessel_of(connection)
        greeting = ApplianceHeaders.parse(connection.headers)
        return None if vessel is None else (vessel, greeting.board if greeting else "")
