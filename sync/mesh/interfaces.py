"""Which interfaces and addresses this machine has, and which of them serve for discovery.

What is known of an interface is read from the kernel (`read_interfaces`); what follows from it is plain
functions.
"""

import fcntl
import ipaddress
import socket
import struct
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import ifaddr

AnyAddress = ipaddress.IPv4Interface | ipaddress.IPv6Interface

# linux/if.h
UP: Final = 0x1
LOOPBACK: Final = 0x8
RUNNING: Final = 0x40
MULTICAST: Final = 0x1000

# linux/if_addr.h: an IPv6 address that is not settled, has lost against another's, is on its way out, or is
# one of those that change daily. None of them is worth telling to others.
_UNFIT: Final = 0x40 | 0x08 | 0x20 | 0x01
_IF_INET6: Final = Path("/proc/net/if_inet6")

_SIOCGIFFLAGS: Final = 0x8913
_IFREQ: Final = "16sh22x"


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface as the kernel shows it."""

    name: str
    index: int
    flags: int
    addresses: tuple[AnyAddress, ...]
    """With the length of their network's prefix; of IPv6 only those that are settled and stay."""

    @property
    def is_loopback(self) -> bool:
        """Whether it leads to this machine alone."""
        return bool(self.flags & LOOPBACK)


def read_interfaces() -> tuple[Interface, ...]:
    """All interfaces that have an address, by name. Raises OSError if the kernel does not tell."""
    unfit = _unfit_addresses()
    found: dict[str, tuple[int, list[AnyAddress]]] = {}
    for adapter in ifaddr.get_adapters():
        name = adapter.name.partition(":")[0]  # An alias, `eth0:1`, is another address of `eth0`.
        index, addresses = found.setdefault(name, (adapter.index or socket.if_nametoindex(name), []))
        for address in adapter.ips:
            if isinstance(address.ip, str):
                addresses.append(ipaddress.IPv4Interface(f"{address.ip}/{address.network_prefix}"))
            elif (ip := ipaddress.IPv6Address(address.ip[0].partition("%")[0])) and (index, ip) not in unfit:
                addresses.append(ipaddress.IPv6Interface(f"{ip}/{address.network_prefix}"))
    return tuple(
        Interface(name, index, flags, tuple(sorted(set(addresses), key=lambda a: (a.version, a))))
        for name, (index, addresses) in sorted(found.items())
        if (flags := _flags(name)) is not None
    )


class RecentInterfaces:
    """The interfaces as they were within the last second: who knocks all the time costs no reading."""

    def __init__(
        self,
        read: Callable[[], tuple[Interface, ...]] = read_interfaces,
        *,
        clock: Callable[[], float] = time.monotonic,
        lasts: float = 1.0,
    ) -> None:
        """`lasts`: seconds for which what was read counts."""
        self._read, self._clock, self._lasts = read, clock, lasts
        self._found: tuple[Interface, ...] = ()
        self._until = float("-inf")

    def __call__(self) -> tuple[Interface, ...]:
        """Return all interfaces that have an address. Raises OSError if the kernel does not tell."""
        now = self._clock()
        if now >= self._until:
            self._found, self._until = self._read(), now + self._lasts
        return self._found


def suitable(interfaces: Iterable[Interface], wanted: Sequence[str] = ("*",)) -> tuple[Interface, ...]:
    """Those that discovery can use: up, with a carrier, an address and multicast.

    `wanted` are names, with `*` for any letters. Loopback is taken only by its own name; it carries multicast
    without saying so.
    """
    return tuple(interface for interface in interfaces if _is_suitable(interface, wanted))


def _is_suitable(interface: Interface, wanted: Sequence[str]) -> bool:
    is_live = interface.flags & UP and interface.flags & RUNNING and interface.addresses
    if not is_live:
        return False
    if interface.is_loopback:
        return interface.name in wanted
    return bool(interface.flags & MULTICAST) and _is_named(interface, wanted)


def is_reached_by(local: str, interfaces: Iterable[Interface], wanted: Sequence[str]) -> bool:
    """Whether one of our own addresses is that of an interface of `wanted`: where a connection came in.

    A link-local address may be on several; its zone, if there is one, says on which.
    """
    bare, _, zone = local.partition("%")
    ip = ipaddress.ip_address(bare)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(
        (interface.name in wanted if interface.is_loopback else _is_named(interface, wanted))
        and zone in ("", interface.name)
        and (
            any(address.ip == ip for address in interface.addresses)
            or (interface.is_loopback and ip.is_loopback)
        )
        for interface in interfaces
    )


def _is_named(interface: Interface, wanted: Sequence[str]) -> bool:
    return any(fnmatchcase(interface.name, name) for name in wanted)


def multicast_choice(interfaces: Sequence[Interface]) -> list[str | int]:
    """One IPv4 and one IPv6 address of each (or its index), in zeroconf's terms.

    The link-local address goes first: what comes from it tells the receiver on which interface the sender's
    link-local addresses are.
    """
    every = [address.ip for interface in interfaces for address in interface.addresses]
    chosen: list[str | int] = []
    for interface in interfaces:
        ips = [address.ip for address in interface.addresses]
        chosen += [str(ip) for ip in ips if ip.version == 4][:1]
        six = sorted((ip for ip in ips if ip.version == 6), key=lambda ip: not ip.is_link_local)
        if six and not interface.is_loopback:  # Multicast over ::1 has no route.
            chosen.append(str(six[0]) if every.count(six[0]) == 1 else interface.index)
    return chosen


def advertised(interfaces: Sequence[Interface]) -> list[str]:
    """The addresses to tell others, without zones."""
    return [
        str(address.ip)
        for interface in interfaces
        for address in interface.addresses
        if not (interface.is_loopback and address.version == 6)
    ]


def dialable(
    addresses: Iterable[str], interfaces: Sequence[Interface], heard_from: Collection[str] = ()
) -> tuple[str, ...]:
    """Which of a neighbour's addresses can be dialled from here, the likeliest first.

    Those that it speaks from, then those in a network that we are in, then link-local ones, then those that a
    router may know. `addresses` and `heard_from` have the interface's index as zone (`fe80::1%2`); it becomes
    the name. A link-local one leads nowhere without zone, nor if its owner speaks from another one there. A
    stranger who names loopback means us: only where we use that ourselves.
    """
    names = {str(interface.index): interface.name for interface in interfaces}
    networks = [address.network for interface in interfaces for address in interface.addresses]
    zones_heard = {zone for source in heard_from if (zone := source.partition("%")[2])}
    uses_loopback = any(interface.is_loopback for interface in interfaces)
    ranked: list[tuple[int, int, str]] = []
    for text in dict.fromkeys(addresses):
        bare, _, zone = text.partition("%")
        ip = ipaddress.ip_address(bare)
        if ip.is_multicast or ip.is_unspecified or (ip.is_loopback and not uses_loopback):
            continue
        if ip.version == 6 and ip.is_link_local:
            if zone in names and (text in heard_from or zone not in zones_heard):
                ranked.append((0 if text in heard_from else 2, 6, f"{bare}%{names[zone]}"))
            continue
        is_near = any(ip.version == network.version and ip in network for network in networks)
        ranked.append((0 if text in heard_from else 1 if is_near else 3, ip.version, bare))
    return tuple(text for _, _, text in sorted(ranked))


def _flags(name: str) -> int | None:
    """None if it has just gone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack(_IFREQ, name.encode(), 0))
        except OSError:
            return None
    flags: int = struct.unpack(_IFREQ, answer)[1]
    return flags & 0xFFFF


def _unfit_addresses() -> set[tuple[int, ipaddress.IPv6Address]]:
    try:
        lines = _IF_INET6.read_text().splitlines()
    except FileNotFoundError:  # A kernel without IPv6.
        return set()
    found = set()
    for line in lines:
        address, index, _, _, flags, _ = line.split()
        if int(flags, 16) & _UNFIT:
            found.add((int(index, 16), ipaddress.IPv6Address(bytes.fromhex(address))))
    return found
