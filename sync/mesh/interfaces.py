"""The network interfaces and addresses of this machine, and the selection of interfaces for discovery."""

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

# linux/if_addr.h: flags of an IPv6 address that is tentative, duplicate, deprecated, or temporary. Such
# addresses are not advertised.
_UNFIT: Final = 0x40 | 0x08 | 0x20 | 0x01
_IF_INET6: Final = Path("/proc/net/if_inet6")

_SIOCGIFFLAGS: Final = 0x8913
_IFREQ: Final = "16sh22x"


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface, as reported by the kernel."""

    name: str
    index: int
    flags: int
    addresses: tuple[AnyAddress, ...]
    """Addresses of the interface, each with the prefix length of its network.

    IPv6 addresses are included only if they are stable.
    """

    @property
    def is_loopback(self) -> bool:
        """True if this is a loopback interface, which reaches only this machine."""
        return bool(self.flags & LOOPBACK)


def read_interfaces() -> tuple[Interface, ...]:
    """Return all interfaces that have an address, sorted by name. Raises OSError if they cannot be read."""
    unfit = _unfit_addresses()
    by_name: dict[str, tuple[int, list[AnyAddress]]] = {}
    for adapter in ifaddr.get_adapters():
        name = adapter.name.partition(":")[0]  # An alias, `eth0:1`, is another address of `eth0`.
        index, addresses = by_name.setdefault(name, (adapter.index or socket.if_nametoindex(name), []))
        for address in adapter.ips:
            if isinstance(address.ip, str):
                addresses.append(ipaddress.IPv4Interface(f"{address.ip}/{address.network_prefix}"))
            elif (ip := ipaddress.IPv6Address(address.ip[0].partition("%")[0])) and (index, ip) not in unfit:
                addresses.append(ipaddress.IPv6Interface(f"{ip}/{address.network_prefix}"))
    return tuple(
        Interface(name, index, flags, tuple(sorted(set(addresses), key=lambda a: (a.version, a))))
        for name, (index, addresses) in sorted(by_name.items())
        if (flags := _flags(name)) is not None
    )


class RecentInterfaces:
    """Cache of this machine's network interfaces. It avoids reading them again for each connection."""

    def __init__(
        self,
        read: Callable[[], tuple[Interface, ...]] = read_interfaces,
        *,
        clock: Callable[[], float] = time.monotonic,
        lasts: float = 1.0,
    ) -> None:
        """Create a cache. The interfaces are read again when the content is older than `lasts` seconds."""
        self._read, self._clock, self._lasts = read, clock, lasts
        self._interfaces: tuple[Interface, ...] = ()
        self._until = float("-inf")

    def __call__(self) -> tuple[Interface, ...]:
        """Return all interfaces that have an address. Raises OSError if they cannot be read."""
        now = self._clock()
        if now >= self._until:
            self._interfaces, self._until = self._read(), now + self._lasts
        return self._interfaces


def suitable(interfaces: Iterable[Interface], wanted: Sequence[str] = ("*",)) -> tuple[Interface, ...]:
    """Return the interfaces that discovery can use: those that are up, with a carrier, address and multicast.

    `wanted` contains patterns for names of interfaces, in which `*` matches any characters. The loopback
    interface must be listed by its full name. It is not required to have the multicast flag, because it
    carries multicast packets without that flag.
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
    """Return True if the local address of a connection belongs to an interface that `wanted` selects.

    Several interfaces may have the same link-local address. In that case, its zone identifies the interface.
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
    """Return interfaces in the form that zeroconf expects: IPv4 addresses, and IPv6 addresses or indexes.

    A link-local IPv6 address is preferred. A packet from such an address shows its receiver the interface on
    which the sender's link-local addresses can be reached.
    """
    every = [address.ip for interface in interfaces for address in interface.addresses]
    chosen: list[str | int] = []
    for interface in interfaces:
        ips = [address.ip for address in interface.addresses]
        chosen += [str(ip) for ip in ips if ip.version == 4][:1]
        six = sorted((ip for ip in ips if ip.version == 6), key=lambda ip: not ip.is_link_local)
        if six and not interface.is_loopback:  # multicast over ::1 has no route
            chosen.append(str(six[0]) if every.count(six[0]) == 1 else interface.index)
    return chosen


def advertised(interfaces: Sequence[Interface]) -> list[str]:
    """Return the addresses of these interfaces that a vessel advertises, without zones."""
    return [
        str(address.ip)
        for interface in interfaces
        for address in interface.addresses
        if not (interface.is_loopback and address.version == 6)
    ]


def dialable(
    addresses: Iterable[str], interfaces: Sequence[Interface], heard_from: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the addresses of a neighbour that can be dialled from this machine, the most likely first.

    The order is: addresses from which the neighbour sends, addresses in one of our networks, link-local
    addresses, and addresses that may be reached through a router. A link-local address is omitted if it has
    no zone, or if the neighbour sends from another address in that zone. Loopback addresses reach only this
    machine, so they are omitted unless the loopback interface is in use.

    In `addresses` and `heard_from`, the zone is the index of the interface (`fe80::1%2`). In the result, the
    zone is the name of the interface.
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
    """Return the kernel's flags of an interface, or None if the interface no longer exists."""
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
    except FileNotFoundError:  # a kernel without IPv6
        return set()
    unfit = set()
    for line in lines:
        address, index, _, _, flags, _ = line.split()
        if int(flags, 16) & _UNFIT:
            unfit.add((int(index, 16), ipaddress.IPv6Address(bytes.fromhex(address))))
    return unfit
