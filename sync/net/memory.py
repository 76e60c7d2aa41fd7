"""How much the connections of a process hold for their peers together, and who goes if it is too much.

Each connection is bounded by itself (`sync.blip.limits`), and a hundred of them may come. So what they hold
is added up by whose they are. Beyond the budget the largest connection of whoever holds most is ended: that
is told to try again, and no other notices.

    memory().report(link, bytes)      after each turn
    memory().departed()               when a connection is over, even if it was never let in
    memory().most = …                 a small machine's budget
"""

import asyncio
import ctypes
import gc
import logging
from asyncio import sslproto
from collections import defaultdict
from contextlib import suppress
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from sync.blip.limits import KIB, MIB
from sync.net.turns import Owner

log = logging.getLogger(__name__)

MOST: Final = 512 * MIB
"""Bytes that connections may hold where nobody says otherwise."""
APPLIANCE_MOST: Final = 28 * MIB
"""The same on a machine of 512 MiB. Beside it the process has 60 MiB for itself, 16 MiB for two passwords
that are being checked, and some 15 MiB for a message that is being read. Together these are below the 120 MiB
that it may ever take."""
CONNECTION: Final = 220 * KIB
"""Bytes that a connection takes by being there: buffers of TLS, and objects. Measured."""
_READ: Final = 64 * KIB
"""Bytes that asyncio's TLS reads at once, a buffer for each connection; 256 KiB if it is not told."""
_TRIM_FROM: Final = 4 * MIB
"""Bytes that must have been let go of for the rest of them to be given back to the system."""
_DEPARTED: Final = 16
"""Connections that are over, after which their remains are collected. asyncio's TLS leaves cycles of objects,
with their buffers; the collector, which counts objects and not bytes, would let hundreds of them lie."""
_COLLECT_AFTER: Final = 0.5
"""Seconds between two such collections, at least: each takes some 20 ms."""
_MMAP_THRESHOLD: Final = 128 * KIB
"""Bytes of a block from which on it is given back as soon as it is free. It is glibc's own figure, which
grows if it is not set."""
# malloc.h
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


class Holder(Protocol):
    """A connection that holds something for its peer."""

    owner: Owner

    def shed(self) -> None:
        """End, since it is too much."""


class Memory:
    """What the connections of one event loop hold."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.total = 0
        self._held: dict[Holder, int] = {}
        self._peak = 0
        """The most since memory was given back last."""
        self._departed = 0
        self._collection: asyncio.TimerHandle | None = None

    def report(self, holder: Holder, held: int) -> None:
        """Take note that a connection holds so many bytes now; end one if all together hold too much."""
        self.total += held - self._held.get(holder, 0)
        self._held[holder] = held
        self._peak = max(self._peak, self.total)
        while self.total > self.most and self._held:
            self._shed()

    def forget(self, holder: Holder) -> None:
        """Take note that a connection is over, and holds nothing."""
        self.total -= self._held.pop(holder, 0)
        if self._peak - self.total >= _TRIM_FROM:
            self._peak = self.total
            asyncio.get_running_loop().run_in_executor(None, give_back)

    def departed(self) -> None:
        """Take note that a connection is over, also one that was never let in."""
        self._departed += 1
        if self._departed >= _DEPARTED and self._collection is None:
            self._collection = asyncio.get_running_loop().call_later(_COLLECT_AFTER, self._collect)

    def _collect(self) -> None:
        self._departed, self._collection = 0, None
        gc.collect()
        asyncio.get_running_loop().run_in_executor(None, give_back)

    def _shed(self) -> None:
        by_owner: defaultdict[Owner, int] = defaultdict(int)
        for holder, held in self._held.items():
            by_owner[holder.owner] += held
        greediest = max(by_owner, key=by_owner.__getitem__)
        theirs = {holder: held for holder, held in self._held.items() if holder.owner is greediest}
        largest = max(theirs, key=theirs.__getitem__)
        log.warning(
            "connections hold %d MiB, more than %d MiB: one of %s ends, which has %.1f MiB of it in %d",
            *(self.total // MIB, self.most // MIB, greediest.name, by_owner[greediest] / MIB, len(theirs)),
        )
        self.forget(largest)
        largest.shed()


_memories: WeakKeyDictionary[asyncio.AbstractEventLoop, Memory] = WeakKeyDictionary()


def memory() -> Memory:
    """Return the memory of the running event loop's connections."""
    loop = asyncio.get_running_loop()
    found = _memories.get(loop)
    if found is None:
        found = _memories[loop] = Memory()
    return found


def economise() -> None:
    """Make this process take little memory, and give back what it has taken. To be called at its start."""
    sslproto.SSLProtocol.max_size = _READ
    with suppress(OSError, AttributeError):  # Another C library than glibc: it has its own ways.
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        libc.mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give memory that is free back to the system, if the C library knows how; some milliseconds' work."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
