"""Links that others dialled: a vessel's connections with our listener, by board and stream."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sync.mesh.greeting import Greeting
from sync.mesh.streams import LIVE
from sync.net.authenticators import CertificateHolder
from sync.net.listener import Connection
from sync.peer.problems import Domain, Problem

from .outbound_link import STREAM_HEADER

_REPLACED = Problem(Domain.WEBSOCKET, 1000, "the same appliance has connected anew")


@dataclass(eq=False, slots=True)
class Inward:
    """One appliance that has dialled us."""

    vessel: str
    greeting: Greeting | None
    since: float
    """By the event loop's clock."""
    connections: dict[str, Connection] = field(default_factory=dict)
    """By stream."""
    unnamed: list[Connection] = field(default_factory=list)
    """Those of other programs of the vessel, which name no stream."""
    bytes_gone: tuple[int, int] = (0, 0)
    """Sent and received on connections that are over."""
    _received: int = 0

    @property
    def all(self) -> list[Connection]:
        """All that stand."""
        return [*self.connections.values(), *self.unnamed]

    @property
    def is_up(self) -> bool:
        """Whether the live connection stands."""
        return LIVE.name in self.connections

    def has_spoken(self) -> bool:
        """Whether anything came from there since this was last asked."""
        before, self._received = self._received, self.transferred[1]
        return self._received != before

    @property
    def transferred(self) -> tuple[int, int]:
        """Bytes sent and received."""
        sent, received = self.bytes_gone
        for connection in self.all:
            sent += connection.link.transport.bytes_sent
            received += connection.link.transport.bytes_received
        return sent, received

    @property
    def silence(self) -> float:
        """Seconds for which it has owed any sign of life, on all connections; 0 if all is well."""
        found = [connection.link.transport.silence for connection in self.all]
        return min(found, default=0.0)


class InwardLinks:
    """All of them."""

    def __init__(self, vessel_of: Callable[[Connection], str | None]) -> None:
        self._vessel_of = vessel_of
        self._links: dict[tuple[str, str], Inward] = {}

    def __iter__(self) -> Iterator[Inward]:
        return iter(list(self._links.values()))

    def of(self, connection: Connection) -> Inward | None:
        """The link that a connection belongs to."""
        key = self._key(connection)
        return None if key is None else self._links.get(key)

    def add(self, connection: Connection, now: float) -> Inward | None:
        """A connection has come; None if it is no vessel's. One that it replaces is closed."""
        key = self._key(connection)
        if key is None:
            return None
        link = self._links.get(key)
        if link is None:
            link = self._links[key] = Inward(key[0], Greeting.of(connection.headers), now)
        stream = connection.headers.get(STREAM_HEADER, "")
        if not stream:
            link.unnamed.append(connection)
            return link
        before = link.connections.get(stream)
        link.connections[stream] = connection
        if before is not None:
            before.link.close(_REPLACED)
        return link

    def remove(self, connection: Connection) -> None:
        """A connection is over."""
        link = self.of(connection)
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

    def _key(self, connection: Connection) -> tuple[str, str] | None:
        if not isinstance(connection.client, CertificateHolder):
            return None
        vessel = self._vessel_of(connection)
        greeting = Greeting.of(connection.headers)
        return None if vessel is None else (vessel, greeting.board if greeting else "")
