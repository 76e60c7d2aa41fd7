"""Finding out that the other side is gone although nothing says so: a cable pulled, a vessel out of range."""

import asyncio
from collections.abc import Callable
from typing import Final

_NEAR: Final = 0.001
"""Seconds; timers come a little early now and then."""


class Heartbeat:
    """Pings each `interval`, and calls `lost`, once, if nothing at all has come `grace` after a ping.

    The owner sets `heard` whenever something comes, be it only a byte, and `is_deaf` while it does not read.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        interval: float,
        grace: float,
        ping: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._interval = interval
        self._grace = grace
        self._ping = ping
        self._lost = lost
        self.heard = True
        self.is_deaf = False
        self._pinged_at = loop.time()
        self._next = loop.call_later(interval, self._beat)

    @property
    def silence(self) -> float:
        """Seconds since a ping that nothing has come after; 0 if something has."""
        return 0.0 if self.heard or self.is_deaf else self._loop.time() - self._pinged_at

    def stop(self) -> None:
        """No more of it."""
        self._next.cancel()

    def _beat(self) -> None:
        self.heard = False
        self._pinged_at = self._loop.time()
        self._next = self._loop.call_later(min(self._interval, self._grace), self._judge)
        self._ping()

    def _judge(self) -> None:
        since = self._loop.time() - self._pinged_at
        if self.heard or self.is_deaf:
            # The next ping is due an interval after the last one, not after its judgement: who falls silent
            # just after an answer is known to be lost within `interval` and `grace`.
            self._next = self._loop.call_later(max(0.0, self._interval - since), self._beat)
        elif since < self._grace - _NEAR:
            self._next = self._loop.call_later(self._grace - since, self._judge)
        else:
            self._lost()
