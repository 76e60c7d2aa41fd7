"""Clocks for the sensors and the recorder. They are passed in, so that tests can control the time."""

import time
from typing import Protocol


class Clock(Protocol):
    """Interface to two clocks: the boot clock, which never jumps, and the clock with the time of day."""

    def boottime_ns(self) -> int:
        """Return nanoseconds since the machine started (Linux `CLOCK_BOOTTIME`).

        This clock never jumps, and never runs backwards.
        """
        ...

    def utc_ns(self) -> int:
        """Return nanoseconds since 1970-01-01 UTC according to the machine's clock.

        This clock may be wrong by decades, and may jump.
        """
        ...


class SystemClock:
    """Clock that reads the machine's own clocks."""

    def boottime_ns(self) -> int:
        """Return the time on `CLOCK_BOOTTIME` in nanoseconds."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def utc_ns(self) -> int:
        """Return the time on `CLOCK_REALTIME` in nanoseconds."""
        return time.time_ns()
