"""Fair scheduler that assigns time slices (turns) of a few milliseconds to the connections of an event loop.

Processing a peer's data can take much more time than the peer needs to send the data. So a connection works
only until its turn is over. The event loop then handles all other events. The next turn goes to the
connection whose owner has used the least processor time recently. So an owner with little work waits for at
most one turn of another owner, even if many owners have a lot of work.

    turns.request(worker)      soon or immediately ──► worker.take_turn(until) ──► True: more work is left
"""

import asyncio
import math
from typing import Final, Protocol
from weakref import WeakKeyDictionary

TURN_S: Final = 0.010
"""Duration of a time slice, in seconds. All other connections must wait during a time slice.

Switching to another connection takes less than a hundredth of this time.
"""
HALF_LIFE_S: Final = 2.0
"""Half-life, in seconds, of the processor time charged to an owner. Time used long ago counts less."""


class ConnectionOwner:
    """The party to whom the processor time of connections is charged: a client, or a single connection."""

    __slots__ = ("__weakref__", "_at", "_spent", "name")

    def __init__(self, name: str) -> None:
        """Create an owner, which has used no processor time yet. `name` appears in messages."""
        self.name = name
        self._spent, self._at = 0.0, 0.0

    def spent(self, now: float) -> float:
        """Return the seconds of processor time used recently, as of the time `now`."""
        if now > self._at:
            self._spent *= math.exp2((self._at - now) / HALF_LIFE_S) if self._spent > 1e-6 else 0.0
            self._at = now
        return self._spent

    def charge(self, seconds: float, now: float) -> None:
        """Add processor time that the owner has used."""
        self._spent = self.spent(now) + seconds


class Worker(Protocol):
    """An object that does its work in the time slices that a scheduler assigns to it."""

    owner: ConnectionOwner

    def take_turn(self, until: float) -> bool:
        """Work until the time `until`, by the event loop's clock. Return True if more work is left."""


class TurnScheduler:
    """Scheduler that assigns time slices to all connections of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: dict[Worker, None] = {}
        self._until = 0.0
        """Time by the event loop's clock at which the loop must handle other events."""
        self._is_due = False
        """True while `_next` is scheduled. Until `_next` runs, workers may work only until `_until`."""
        self._is_giving = False

    def request(self, worker: Worker) -> None:
        """Schedule a time slice for a worker.

        It begins immediately if no other worker is waiting and there is time.
        """
        if worker in self._ready:
            return
        now = self._loop.time()
        if not self._is_due:
            self._begin(now)
        if self._is_giving or self._ready or now >= self._until:
            self._ready[worker] = None
        else:
            self._give(worker)

    def forget(self, worker: Worker) -> None:
        """Cancel the request of a worker that no longer needs a time slice."""
        self._ready.pop(worker, None)

    def _begin(self, now: float) -> None:
        self._is_due, self._until = True, now + TURN_S
        self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._is_due = False
        now = self._loop.time()
        if self._ready:
            self._begin(now)
        while self._ready and now < self._until:
            # If several workers are equal, `min` returns the first one, which has waited longest.
            worker = min(self._ready, key=self._spent)
            del self._ready[worker]
            self._give(worker)
            now = self._loop.time()

    def _spent(self, worker: Worker) -> float:
        return worker.owner.spent(self._loop.time())

    def _give(self, worker: Worker) -> None:
        began = self._loop.time()
        self._is_giving = True
        try:
            if worker.take_turn(self._until):
                self._ready[worker] = None
        finally:
            self._is_giving = False
            now = self._loop.time()
            worker.owner.charge(now - began, now)


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, TurnScheduler] = WeakKeyDictionary()


def turn_scheduler() -> TurnScheduler:
    """Return the scheduler of the running event loop."""
    loop = asyncio.get_running_loop()
    scheduler = _turns.get(loop)
    if scheduler is None:
        scheduler = _turns[loop] = TurnScheduler(loop)
    return scheduler
