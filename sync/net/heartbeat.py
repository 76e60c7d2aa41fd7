"""Detection of connections that are lost without an error, for example because a cable was unplugged."""

import asyncio
from collections.abc import Callable
from typing import Final

_NEAR: Final = 0.001
"""Tolerance, in seconds, for timers that fire slightly early."""


class Heartbeat:
    """A timer that sends pings, and reports a lost connection if no data arrives after a ping.

    It calls `ping` every `interval` seconds. It calls `lost`, once, if no data arrives within `grace` seconds
    after a ping. The caller sets `heard` whenever data arrives, even one byte. The caller sets `is_deaf`
    while reading is paused, because missing data is then not a sign of a lost connection.
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
        """Seconds since the last ping if no data has arrived after it; otherwise 0."""
        return 0.0 if self.heard or self.is_deaf else self._loop.time() - self._pinged_at

    def stop(self) -> None:
        """Stop sending pings and checking for answers."""
        self._next.cancel()

    def _beat(self) -> None:
        self.heard = False
        self._pinged_at = self._loop.time()
        self._next = self._loop.call_later(min(self._interval, self._grace), self._judge)
        self._ping()

    def _judge(self) -> None:
        since = self._loop.time() - self._pinged_at
        if self.heard or self.is_deaf:
            # The next ping is due one interval after the last ping, not after this check. So a peer that is
            # lost just after an answer is detected within `interval` plus `grace`.
            self._next = self._loop.call_later(max(0.0, self._interval - since), self._beat)
        elif since < self._grace - _NEAR:
            self._next = self._loop.call_later(self._grace - since, self._judge)
        else:
            self._lost()
