"""How fast a connection may send: a token bucket, and a transport that waits for it.

What is held back stays in the peer's queues, not in the kernel's: whatever is more urgent still goes first.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from sync.net.transport import Transport

BURST_S: Final = 1.0
"""Seconds' worth that may be sent at once after a pause."""
LEAST_BURST: Final = 4096
"""Bytes: a list of changes or a revision goes out whole."""


class TokenBucket:
    """Bytes that may be sent now, growing with time. Pure: the caller brings the clock.

    A frame is sent whole as soon as nothing is owed, and what it takes beyond what is there is owed: so the
    mean over any time is at most the rate, but for one burst and one frame.
    """

    __slots__ = ("_at", "_burst", "_level", "lower", "rate")

    def __init__(self, rate: float, *, now: float, lower: "TokenBucket | None" = None) -> None:
        """`rate` in bytes a second, above 0, `now` in seconds of any steady clock. What is spent here is
        spent in `lower`, too: whoever sends from that one waits for this one, and not the other way round."""
        if not rate > 0:
            raise ValueError(f"{rate} bytes a second is no rate")
        self.rate, self.lower = rate, lower
        self._burst = max(rate * BURST_S, LEAST_BURST)
        self._level, self._at = self._burst, now

    def wait(self, now: float) -> float:
        """Seconds until something may be sent; 0 for now."""
        self._fill(now)
        return max(0.0, -self._level / self.rate)

    def spend(self, count: int, now: float) -> None:
        """So many bytes are sent."""
        self._fill(now)
        self._level -= count
        if self.lower is not None:
            self.lower.spend(count, now)

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._level = min(self._burst, self._level + (now - self._at) * self.rate)
            self._at = now


class Throttled:
    """A transport that sends no faster than a bucket allows. Goodbyes and pings are not counted."""

    def __init__(self, transport: Transport, bucket: TokenBucket) -> None:
        """Around an open transport. Set `has_room` before anything is sent."""
        self._transport, self._bucket = transport, bucket
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        self.remote = transport.remote
        self.headers = getattr(transport, "headers", None)
        self.has_room: Callable[[], None] = lambda: None
        """Called when there is room again."""

    @property
    def bytes_received(self) -> int:
        """Return the bytes that the transport has not written yet."""
        return self._transport.bytes_received

    @property
    def bytes_sent(self) -> int:
        """As the transport's."""
        return self._transport.bytes_sent

    @property
    def unwritten(self) -> int:
        """As the transport's."""
        return self._transport.unwritten

    @property
    def silence(self) -> float:
        """As the transport's."""
        return self._transport.silence

    @property
    def is_writable(self) -> bool:
        """Whether the transport has room, and nothing is owed; else `has_room` is called in time."""
        wait = self._bucket.wait(self._loop.time())
        if wait > 0 and self._timer is None and not self._is_over:
            self._timer = self._loop.call_later(wait, self._paid)
        return wait <= 0 and self._transport.is_writable

    def send(self, frame: bytes) -> None:
        """Put one frame in line."""
        self._bucket.spend(len(frame), self._loop.time())
        self._transport.send(frame)

    def flush(self) -> None:
        """Write everything that was sent."""
        self._transport.flush()

    def pause(self) -> None:
        """Read no more for now."""
        self._transport.pause()

    def resume(self) -> None:
        """Read on."""
        self._transport.resume()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """As the transport's."""
        self._end()
        self._transport.close(code, reason)

    def abort(self) -> None:
        """As the transport's."""
        self._end()
        self._transport.abort()

    def _end(self) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _paid(self) -> None:
        self._timer = None
        self.has_room()
