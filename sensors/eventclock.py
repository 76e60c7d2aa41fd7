"""The kernel's clock for edge events, and how it stands to the boot clock.

The kernel stamps edges on `CLOCK_MONOTONIC`; samples carry `CLOCK_BOOTTIME`, which also counts the time that
the machine was suspended. The two differ by a constant until the next suspend.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from .clock import Clock

Monotonic = Callable[[], int]
"""Nanoseconds on `CLOCK_MONOTONIC`."""

MEASUREMENTS: Final = 5
"""Of which the one that was least disturbed counts."""
SUSPENDED_NS: Final = 10_000_000
"""A change of the offset beyond this is a suspend; below, it is what measuring it costs."""


def clock_offset(readings: Iterable[tuple[int, int, int]]) -> int:
    """Boot clock minus monotonic clock, in ns, from (monotonic before, boot, monotonic after).

    The tightest of the readings counts: in any other, something else ran between the clocks.
    """
    before, boot, after = min(readings, key=lambda reading: reading[2] - reading[0])
    return boot - (before + after) // 2


class EventClock:
    """Turns the kernel's time stamps into boot-clock times. The same stamp gives the same time, always,
    unless the machine was suspended in between."""

    def __init__(self, clock: Clock, monotonic_ns: Monotonic = time.monotonic_ns) -> None:
        self.monotonic_ns = monotonic_ns
        self._clock = clock
        self._offset = self._measure()

    def _measure(self) -> int:
        return clock_offset(
            (self.monotonic_ns(), self._clock.boottime_ns(), self.monotonic_ns()) for _ in range(MEASUREMENTS)
        )

    def refresh(self) -> None:
        """Measure the offset again; to be called now and then."""
        offset = self._measure()
        if abs(offset - self._offset) > SUSPENDED_NS:
            self._offset = offset

    def boottime_ns(self, stamp_ns: int) -> int:
        """The boot-clock time of an event's time stamp."""
        return stamp_ns + self._offset
