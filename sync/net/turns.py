"""Whose turn it is: the connections of an event loop take turns, each of a few milliseconds.

What a peer sends can cost much more than it took to send. So a connection works until its time is up, then
the event loop looks at everything else, and then the connection goes on whose owner has had least of late:
whoever asks for little waits for one turn of somebody else's, however many others ask for much.

    turns.request(worker)      soon, or at once ──► worker.take_turn(until) ──► True: it wants another
"""

import asyncio
import math
from typing import Final, Protocol
from weakref import WeakKeyDictionary

TURN_S: Final = 0.010
"""Seconds of one turn: what anybody else waits for, and hundreds of times what changing over costs."""
HALF_LIFE_S: Final = 2.0
"""Seconds after which half of what somebody has had is forgotten."""


class Owner:
    """On whose account connections work: a user, a vessel, or one connection by itself."""

    __slots__ = ("__weakref__", "_at", "_spent", "name")

    def __init__(self, name: str) -> None:
        """`name` is for people."""
        self.name = name
        self._spent, self._at = 0.0, 0.0

    def spent(self, now: float) -> float:
        """Seconds of the processor that it has had of late."""
        if now > self._at:
            self._spent *= math.exp2((self._at - now) / HALF_LIFE_S) if self._spent > 1e-6 else 0.0
            self._at = now
        return self._spent

    def charge(self, seconds: float, now: float) -> None:
        """Add processor time that an owner has used."""
        self._spent = self.spent(now) + seconds


class Worker(Protocol):
    """Who takes turns."""

    owner: Owner

    def take_turn(self, until: float) -> bool:
        """Work until then, by the event loop's clock, and return True if there is more to be done."""


class Turns:
    """Those of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: dict[Worker, None] = {}
        self._until = 0.0
        """When the event loop is to look around again."""
        self._is_due = False
        """Whether `_next` will be called: somebody has worked since the event loop last looked around."""
        self._is_giving = False

    def request(self, worker: Worker) -> None:
        """Let it work: at once if nobody waits and there is time, else when its turn comes."""
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
        """Drop whoever has nothing to do any more."""
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
            # Of equals the one that has waited longest: a dictionary keeps its order.
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


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


def turns() -> Turns:
    """Return the turns of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _turns.get(loop)
    if found is None:
        found = _turns[loop] = Turns(loop)
    return found
