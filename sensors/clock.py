"""Time as sensors and the recorder see it; handed in, so that tests own it."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that never jumps, one that people read."""

    def boottime_ns(self) -> int:
        """Nanoseconds since the machine started (Linux `CLOCK_BOOTTIME`): never jumps, never goes back."""
        ...

    def utc_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC as the machine believes: may be wrong by decades, may jump."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def boottime_ns(self) -> int:
        """`CLOCK_BOOTTIME`."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def utc_ns(self) -> int:
        """`CLOCK_REALTIME`."""
        return time.time_ns()
