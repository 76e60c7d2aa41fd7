"""The source addresses of mDNS announcements, by the announced name.

A machine with two interfaces announces all its addresses on both. The networks of two boats often have the
same address range, because it is the default of their routers. So a vessel could dial an address that belongs
to the other boat's network, but reach a different machine in its own network. Only the source address of a
packet is certain to reach the sender, on the interface that received the packet.

zeroconf does not report the source address, so this module receives the same packets itself. Linux delivers
multicast packets to every socket on the port if any of these sockets has joined the group.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

from zeroconf import DNSIncoming, DNSService  # type: ignore[attr-defined]  # exported, not in __all__

from sync.mesh.sightings import SERVICE_TYPE

log = logging.getLogger(__name__)

PORT: Final = 5353
NAMES: Final = 512
"""Maximum number of names kept. The least recently announced names are dropped first."""
ADDRESSES: Final = 8
"""Maximum number of source addresses kept for one name."""

_MARK: Final = SERVICE_TYPE.partition(".")[0].encode()


class MdnsSources:
    """The source addresses from which each name was announced in the last `memory` seconds."""

    def __init__(self, *, memory: float, clock: Callable[[], float]) -> None:
        self._memory = memory
        self._clock = clock
        self._heard: dict[str, dict[str, float]] = {}
        self._transports: list[asyncio.DatagramTransport] = []

    async def start(self) -> None:
        """Start listening. Raises OSError if the port is unavailable for both IPv4 and IPv6."""
        errors = []
        for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 -- multicast
            try:
                sock = _open(family, anywhere)
            except OSError as error:
                errors.append(error)
                continue
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _MdnsProtocol(self.process_packet), sock=sock
            )
            self._transports.append(transport)
        if not self._transports:
            raise errors[0]

    def stop(self) -> None:
        """Stop listening for packets."""
        for transport in self._transports:
            transport.close()
        self._transports.clear()

    def process_packet(self, data: bytes, source: str) -> None:
        """Record the names that a packet announces.

        `source` is the packet's source address. The zone of a link-local address is the interface's index.
        """
        if _MARK not in data:
            return
        packet = DNSIncoming(data)
        if not packet.valid or packet.is_query():
            return
        for record in packet.answers():
            if isinstance(record, DNSService) and record.ttl and record.name.endswith(f".{SERVICE_TYPE}"):
                sources = self._heard.pop(record.name, {})
                sources.pop(source, None)
                self._heard[record.name] = dict([*sources.items(), (source, self._clock())][-ADDRESSES:])
        while len(self._heard) > NAMES:
            del self._heard[next(iter(self._heard))]

    def sources(self, name: str) -> frozenset[str]:
        """Return the source addresses from which a name was announced recently."""
        since = self._clock() - self._memory
        return frozenset(source for source, at in self._heard.get(name, {}).items() if at >= since)


class _MdnsProtocol(asyncio.DatagramProtocol):
    def __init__(self, hear: Callable[[bytes, str], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        address = str(addr[0]).partition("%")[0]
        zone = addr[3] if len(addr) > 3 else 0
        try:
            self._hear(data, f"{address}%{zone}" if zone else address)
        except Exception as error:  # noqa: BLE001 -- a malformed packet must not end the reception of others
            log.debug("a packet of %s cannot be read: %s: %s", address, type(error).__name__, error)


def _open(family: socket.AddressFamily, anywhere: str) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((anywhere, PORT))
    except BaseException:
        sock.close()
        raise
    return sock
