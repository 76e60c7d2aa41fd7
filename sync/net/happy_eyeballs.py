"""Connects a TCP socket to whichever address of a host answers first (RFC 8305).

The library `aiohappyeyeballs` also connects in this way, but it does not report the error of each attempt. If
two addresses fail with different error numbers, such as 111 and 113, version 2.7.1 raises a single `OSError`
without an `errno`. This module needs the `errno` of each attempt to select the problem to report.
"""

import asyncio
import errno
import ipaddress
import socket
from collections import deque
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Final

from sync.peer.problems import Domain, Problem, ProblemError

from .error_mapping import problem_of

STAGGER: Final = 0.25
"""Seconds between the starts of connection attempts to different addresses (RFC 8305, section 5)."""

_UNTELLING: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL})
"""Error numbers caused by an unsupported address family. Other errors are reported in preference to these."""

_Address = tuple[int, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


async def dial(
    host: str, port: int, *, network_interface: str | None = None, addresses: Sequence[str] = ()
) -> socket.socket:
    """Return a TCP socket that is connected to a host. The caller must close the socket.

    Args:
        host: a host name, or an address, with its zone if it is link-local (`fe80::1%eth0`).
        port: the TCP port.
        network_interface: the only interface to use, as a name or as an address of this machine.
        addresses: known addresses of the host, the most likely first. If given, `host` is not resolved.

    Raises:
        ProblemError: no connection to any address could be made.
    """
    doing = f"connecting to {_spelt(host)}:{port}"
    targets: list[_Address] = []
    failures: list[OSError] = []
    for one in addresses or (host,):
        try:
            targets += await _resolved(one, port)
        except OSError as error:  # the interface of this address may be down; other addresses may work
            failures.append(error)
        except UnicodeError as error:
            text = f"{doing}: not a valid host name: {error}"
            raise ProblemError(Problem(Domain.DNS, socket.EAI_NONAME, text)) from error
    if not targets:
        raise ProblemError(problem_of(failures[0], doing))
    sock = await _race(deque(targets) if addresses else _interleaved(targets), network_interface, failures)
    if sock is None:
        telling = [error for error in failures if error.errno not in _UNTELLING]
        raise ProblemError(problem_of((telling or failures)[0], doing))
    return sock


async def _resolved(host: str, port: int) -> list[_Address]:
    entries = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    return [(int(family), address) for family, _, _, _, address in entries]


def _spelt(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _interleaved(addresses: Sequence[_Address]) -> deque[_Address]:
    """Return the addresses with IPv4 and IPv6 alternating, so that an unusable family delays one attempt."""
    first = addresses[0][0]
    same = [address for address in addresses if address[0] == first]
    other = [address for address in addresses if address[0] != first]
    return deque(a for a in chain.from_iterable(zip_longest(same, other)) if a is not None)


async def _race(
    addresses: deque[_Address], interface: str | None, failures: list[OSError]
) -> socket.socket | None:
    pending: set[asyncio.Task[socket.socket]] = set()
    winner: socket.socket | None = None
    try:
        while winner is None and (addresses or pending):
            if addresses:
                pending.add(asyncio.create_task(_attempt(addresses.popleft(), interface)))
            done, pending = await asyncio.wait(
                pending, timeout=STAGGER if addresses else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                error = task.exception()
                if error is None and winner is None:
                    winner = task.result()
                elif error is None:
                    task.result().close()
                elif isinstance(error, OSError):
                    failures.append(error)
                else:
                    raise error
    finally:
        for task in pending:
            task.cancel()
        for late in await asyncio.gather(*pending, return_exceptions=True):
            if isinstance(late, socket.socket):
                late.close()
    return winner


async def _attempt(target: _Address, interface: str | None) -> socket.socket:
    family, address = target
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        if interface is not None:
            _bind(sock, interface)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, interface: str) -> None:
    try:
        ipaddress.ip_address(interface.partition("%")[0])
    except ValueError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        return
    try:
        entries = socket.getaddrinfo(
            interface, 0, sock.family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except socket.gaierror as error:  # The interface's address belongs to a different family.
        raise OSError(
            errno.EADDRNOTAVAIL, f"address {interface} belongs to a different address family"
        ) from error
    sock.bind(entries[0][4])
