"""Notification of changes to this machine's network interfaces and addresses.

Netlink events are collected until no more arrive, and then reported together. If netlink is not available,
the callback is called at regular intervals.
"""

import asyncio
import enum
import logging
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final

log = logging.getLogger(__name__)

# linux/rtnetlink.h
_GROUPS: Final = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_HEADER: Final = struct.Struct("=LHHLL")
_NEWLINK, _DELLINK, _NEWADDR, _DELADDR = 16, 17, 20, 21
_IFINFO_BYTES: Final = 16
_IFLA_WIRELESS: Final = 11
_BUFFER: Final = 64 * 1024

QUIET: Final = 0.2
"""Seconds without a further event before the callback is called. An interface comes up in several steps."""
AT_LATEST: Final = 1.0
"""Maximum seconds from the first event to the callback, even if an interface keeps changing."""
POLL: Final = 10.0
"""Seconds between two callbacks if netlink is not available."""


class Event(enum.Enum):
    """The kind of a change of interfaces or addresses, as reported by the kernel."""

    LINK = "link"
    """An interface appeared, disappeared, or gained or lost its carrier.

    Packets may have been lost, even if the interface has returned to its former state.
    """
    ADDRESS = "address"
    """An address appeared or disappeared, or its lifetime was renewed. A renewal needs no action."""


def parse_netlink(data: bytes) -> Iterator[Event]:
    """Yield the events in one netlink datagram. Truncated and unrelated messages are ignored.

    Wireless drivers report each scan as a change of the link. Such messages contain a special attribute, and
    are ignored.
    """
    while len(data) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        if not _HEADER.size <= length <= len(data):
            return
        if kind in (_NEWADDR, _DELADDR):
            yield Event.ADDRESS
        elif kind in (_NEWLINK, _DELLINK) and not _has_attribute(
            data[_HEADER.size + _IFINFO_BYTES : length], _IFLA_WIRELESS
        ):
            yield Event.LINK
        data = data[(length + 3) & ~3 :]


def _has_attribute(data: bytes, wanted: int) -> bool:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if kind == wanted:
            return True
        data = data[max(4, (length + 3) & ~3) :]
    return False


class InterfaceWatch:
    """Watcher that reports changes of the network interfaces, from `start` until `stop`.

    After `QUIET` seconds without a further event, it calls `on_change` with the kinds of events received.

    If netlink is not available, it calls `on_change` with Event.ADDRESS every `poll` seconds, and the caller
    must check whether anything has changed.
    """

    def __init__(
        self,
        on_change: Callable[[frozenset[Event]], None],
        *,
        quiet: float = QUIET,
        at_latest: float = AT_LATEST,
        poll: float = POLL,
    ) -> None:
        self._on_change = on_change
        self._quiet = quiet
        self._at_latest = at_latest
        self._poll = poll
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._events: set[Event] = set()

    def start(self) -> None:
        """Start watching in the running event loop."""
        loop = asyncio.get_running_loop()
        try:
            self._socket = _open_netlink()
        except OSError as error:
            log.warning(
                "checking network interfaces every %g s, because netlink is not available (%s)",
                self._poll,
                error.strerror or error,
            )
            self._timer = loop.call_later(self._poll, self._tick)
        else:
            loop.add_reader(self._socket, self._readable)

    def stop(self) -> None:
        """Stop watching. The callback is not called again."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._poll, self._tick)
        self._on_change(frozenset({Event.ADDRESS}))

    def _readable(self) -> None:
        assert self._socket is not None
        try:
            events = set(parse_netlink(self._socket.recv(_BUFFER)))
        except BlockingIOError:
            return
        except OSError:  # ENOBUFS: the kernel dropped events because the buffer was full
            events = {Event.LINK, Event.ADDRESS}
        if not events:
            return
        loop = asyncio.get_running_loop()
        if not self._events:
            self._deadline = loop.time() + self._at_latest
        self._events |= events
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(min(loop.time() + self._quiet, self._deadline), self._settled)

    def _settled(self) -> None:
        self._timer = None
        events, self._events = frozenset(self._events), set()
        self._on_change(events)


def _open_netlink() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    try:
        sock.bind((0, _GROUPS))
    except BaseException:
        sock.close()
        raise
    return sock
