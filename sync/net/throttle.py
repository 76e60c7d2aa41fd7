"""Limits on the sending rate: a token bucket, and a transport that is limited by it.

Data that must wait stays in the queues of `sync.peer`, not in the kernel's buffers, so that more urgent data
can still overtake it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from sync.blip.close_codes import CloseCode
from sync.net.transport import Transport

BURST_S: Final = 1.0
"""Size of the largest burst after a pause, given as seconds of sending at the limited rate."""
LEAST_BURST: Final = 4096
"""Minimum burst in bytes, so that a `changes` message or a revision can be sent at once."""


class TokenBucket:
    """A budget of bytes that may be sent, which grows over time. The caller passes in the current time.

    A frame of any size may be sent when the budget is not negative. Sending the frame may make the budget
    negative. So the number of bytes sent in any period is at most `rate` times the duration of the period,
    plus one burst and one frame.
    """

    __slots__ = ("_at", "_burst", "_level", "lower", "rate")

    def __init__(self, rate: float, *, now: float, lower: "TokenBucket | None" = None) -> None:
        """Create a full bucket.

        Args:
            rate: bytes per second, above 0.
            now: the time in seconds of any monotonic clock.
            lower: a bucket of lower priority, to which the bytes charged to this bucket are charged too. So
                senders that use the lower bucket wait for senders that use this bucket, but not vice versa.
        """
        if not rate > 0:
            raise ValueError(f"{rate} bytes per second is not a valid rate")
        self.rate, self.lower = rate, lower
        self._burst = max(rate * BURST_S, LEAST_BURST)
        self._level, self._at = self._burst, now

    def wait(self, now: float) -> float:
        """Return the seconds until a frame may be sent; 0 if it may be sent now."""
        self._fill(now)
        return max(0.0, -self._level / self.rate)

    def spend(self, count: int, now: float) -> None:
        """Record that `count` bytes were sent."""
        self._fill(now)
        self._level -= count
        if self.lower is not None:
            self.lower.spend(count, now)

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._level = min(self._burst, self._level + (now - self._at) * self.rate)
            self._at = now


class ThrottledTransport:
    """A transport that sends no faster than a token bucket allows. Close frames and pings do not count."""

    def __init__(self, transport: Transport, bucket: TokenBucket) -> None:
        """Wrap an open transport. The caller must set `has_room` before sending data."""
        self._transport, self._bucket = transport, bucket
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        self.remote = transport.remote
        self.headers = getattr(transport, "headers", None)
        self.has_room: Callable[[], None] = lambda: None
        """Function to call when frames may be sent again; set by the caller."""

    @property
    def bytes_received(self) -> int:
        """Number of payload bytes received by the transport."""
        return self._transport.bytes_received

    @property
    def bytes_sent(self) -> int:
        """Number of payload bytes sent by the transport."""
        return self._transport.bytes_sent

    @property
    def unwritten(self) -> int:
        """Number of bytes passed to `send` that the transport has not written yet."""
        return self._transport.unwritten

    @property
    def silence(self) -> float:
        """Seconds since the last ping if it is unanswered, as reported by the transport; otherwise 0."""
        return self._transport.silence

    @property
    def is_writable(self) -> bool:
        """True if the transport has room and the bucket's budget is not negative.

        If the budget is negative, `has_room` is called when it is no longer negative.
        """
        wait = self._bucket.wait(self._loop.time())
        if wait > 0 and self._timer is None and not self._is_over:
            self._timer = self._loop.call_later(wait, self._paid)
        return wait <= 0 and self._transport.is_writable

    def send(self, frame: bytes) -> None:
        """Queue one frame, and charge it to the bucket."""
        self._bucket.spend(len(frame), self._loop.time())
        self._transport.send(frame)

    def flush(self) -> None:
        """Write all queued frames."""
        self._transport.flush()

    def pause(self) -> None:
        """Stop reading until `resume` is called."""
        self._transport.pause()

    def resume(self) -> None:
        """Resume reading after `pause`."""
        self._transport.resume()

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Close the transport with a close code and a reason."""
        self._end()
        self._transport.close(code, reason)

    def abort(self) -> None:
        """Abort the transport without a close frame."""
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
