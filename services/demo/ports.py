"""Selects TCP ports for programs whose port must be known in advance and stay the same after a restart."""

import contextlib
import itertools
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_OUTGOING: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""File with the range of ports that Linux assigns to outgoing connections; see ip(7)."""

_LOWEST: Final = 12_000
"""Lowest port to use. Lower ports belong to well-known services, some of which run on test machines."""


def fixed_ports() -> range:
    """Return the ports that Linux never assigns to outgoing connections.

    When a program closes such a port, Linux does not assign the port to another connection.

    The kernel may assign a port that it picked for `bind(0)` to the next outgoing connection from any
    program. So a port picked that way may be free at first, but in use a second later when a daemon tries to
    listen on it.
    """
    try:
        lowest_outgoing = int(_OUTGOING.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        lowest_outgoing = 32_768
    return range(_LOWEST, lowest_outgoing) if lowest_outgoing > 2 * _LOWEST else range(_LOWEST, 32_768)


def free_ports(among: range | None = None, *, first: int | None = None) -> Iterator[int]:
    """Yield each port on which no program listens, starting at position `first` in a range.

    Args:
        among: the ports to select from; `fixed_ports` by default.
        first: a position in the range, taken modulo its length. The default is random, because two programs
            that look for ports at the same time should not both find the same port.
    """
    ports = among or fixed_ports()
    start = random.randrange(len(ports)) if first is None else first  # noqa: S311 - not used for security
    for place in itertools.islice(itertools.count(start), len(ports)):
        port = ports[place % len(ports)]
        if _is_free(port):
            yield port


def _is_free(port: int) -> bool:
    """Return True if a server could listen on this port at every address, including IPv6 addresses."""
    with contextlib.ExitStack() as stack:
        try:
            for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104
                try:
                    sock = stack.enter_context(socket.socket(family))
                except OSError:
                    continue  # the kernel has no IPv6
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((anywhere, port))
        except OSError:
            return False
    return True
