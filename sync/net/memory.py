"""A memory budget for all connections of a process. If the budget is exceeded, connections are closed.

The memory of each connection is limited (`sync.blip.limits`), but there may be a hundred connections. So this
module adds up the memory that all connections use. When the total exceeds the budget, it selects the owner
whose connections use the most memory, and closes the one of these connections that uses the most. The close
code asks the peer to connect again. Other peers are not affected.

    memory().report(link, bytes)      after each time slice of a connection
    memory().departed()               when a connection is over, even if it was never admitted
    memory().most = …                 sets the budget, for example on a small machine
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

from .turn_scheduler import ConnectionOwner

log = logging.getLogger(__name__)

MOST: Final = 512 * MIB
"""Default maximum memory, in bytes, that all connections combined may use."""
APPLIANCE_MOST: Final = 28 * MIB
"""Maximum memory, in bytes, that all connections combined may use on a machine with 512 MiB of RAM.

In addition, the process needs 60 MiB for itself, 16 MiB to check two passwords at once, and about 15 MiB for
a message that is being decoded. The sum is below 120 MiB, the memory limit of the process.
"""
CONNECTION: Final = 220 * KIB
"""Memory, in bytes, used by the TLS buffers and objects of one open connection, as measured."""
_READ: Final = 64 * KIB
"""Size, in bytes, of asyncio's read buffer for each TLS connection. asyncio's default is 256 KiB."""
_TRIM_FROM: Final = 4 * MIB
"""Number of bytes that connections must have freed before free memory is returned to the system."""
_DEPARTED: Final = 16
"""Number of ended connections after which Python's garbage collector is run.

asyncio's TLS code leaves reference cycles that contain buffers. Python's collector counts objects, not bytes,
so without these additional runs, hundreds of such buffers would remain in memory.
"""
_COLLECT_AFTER: Final = 0.5
"""Delay of a garbage collection, in seconds, so that collections run less often. Each takes about 20 ms."""
_MMAP_THRESHOLD: Final = 128 * KIB
"""Minimum size in bytes of memory blocks that are returned to the system as soon as they are freed.

This is glibc's default, but glibc increases it automatically unless the value is set.
"""
# malloc.h
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


class MemoryHolder(Protocol):
    """A connection that uses memory for its peer, and that can be closed to free the memory."""

    owner: ConnectionOwner

    def shed(self) -> int:
        """Close the connection to free memory. Return the number of bytes that it still uses."""


class MemoryBudget:
    """The memory budget that all connections of one event loop share."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.total = 0
        self._held: dict[MemoryHolder, int] = {}
        self._closing: set[MemoryHolder] = set()
        """Connections that are being closed, and still use memory."""
        self._peak = 0
        """Highest `total`, in bytes, since memory was last returned to the system."""
        self._departed = 0
        self._collection: asyncio.TimerHandle | None = None

    def report(self, holder: MemoryHolder, held: int) -> None:
        """Record the number of bytes that a connection uses now.

        If the total of all connections then exceeds the budget, close connections until it no longer does.
        """
        self._note(holder, held)
        while self.total > self.most and len(self._held) > len(self._closing):
            self._shed()

    def _note(self, holder: MemoryHolder, held: int) -> None:
        self.total += held - self._held.get(holder, 0)
        self._held[holder] = held
        self._peak = max(self._peak, self.total)

    def forget(self, holder: MemoryHolder) -> None:
        """Record that a connection is over and uses no memory."""
        self.total -= self._held.pop(holder, 0)
        self._closing.discard(holder)
        if self._peak - self.total >= _TRIM_FROM:
            self._peak = self.total
            asyncio.get_running_loop().run_in_executor(None, release_free_memory)

    def departed(self) -> None:
        """Count a connection that has ended, even if it was never admitted."""
        self._departed += 1
        if self._departed >= _DEPARTED and self._collection is None:
            self._collection = asyncio.get_running_loop().call_later(_COLLECT_AFTER, self._collect)

    def _collect(self) -> None:
        self._departed, self._collection = 0, None
        gc.collect()
        asyncio.get_running_loop().run_in_executor(None, release_free_memory)

    def _shed(self) -> None:
        by_owner: defaultdict[ConnectionOwner, int] = defaultdict(int)
        open_now = {holder: held for holder, held in self._held.items() if holder not in self._closing}
        for holder, held in open_now.items():
            by_owner[holder.owner] += held
        greediest = max(by_owner, key=by_owner.__getitem__)
        theirs = {holder: held for holder, held in open_now.items() if holder.owner is greediest}
        largest = max(theirs, key=theirs.__getitem__)
        log.warning(
            "connections use %d MiB, more than %d MiB: closing a connection of %s, which uses %.1f MiB in %d"
            " connections",
            *(self.total // MIB, self.most // MIB, greediest.name, by_owner[greediest] / MIB, len(theirs)),
        )
        self._closing.add(largest)
        self._note(largest, largest.shed())


_memories: WeakKeyDictionary[asyncio.AbstractEventLoop, MemoryBudget] = WeakKeyDictionary()


def memory() -> MemoryBudget:
    """Return the memory budget for the connections of the running event loop."""
    loop = asyncio.get_running_loop()
    budget = _memories.get(loop)
    if budget is None:
        budget = _memories[loop] = MemoryBudget()
    return budget


def economise() -> None:
    """Configure this process to use little memory, and to return freed memory early.

    Call this when the process starts.
    """
    sslproto.SSLProtocol.max_size = _READ
    with suppress(OSError, AttributeError):  # a C library other than glibc may have no mallopt
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        libc.mallopt(_M_ARENA_MAX, 1)


def release_free_memory() -> None:
    """Return free memory to the system if the C library supports that. This takes some milliseconds."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
