"""The kernel's clock for edge events, and its offset from the boot clock.

The kernel's time stamps of edges are from `CLOCK_MONOTONIC`. The times of samples are from `CLOCK_BOOTTIME`,
which continues while the machine is suspended. The difference between the two is constant until the next
suspend.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from sensors.clock import Clock

Monotonic = Callable[[], int]
"""Function that returns nanoseconds on `CLOCK_MONOTONIC`."""

MEASUREMENTS: Final = 5
"""Number of measurements of the offset, of which the fastest is used."""
SUSPENDED_NS: Final = 10_000_000
"""Smallest change of the offset that counts as a suspend, in nanoseconds.

A smaller change is a measurement error.
"""


def clock_offset(readings: Iterable[tuple[int, int, int]]) -> int:
    """Return the boot clock's time minus the monotonic clock's time, in nanoseconds.

    Each reading consists of three times: monotonic before, boot, monotonic after. The reading with the
    shortest interval is used. A longer interval means that other code ran between two of the clock reads.
    """
    before, boot, after = min(readings, key=lambda reading: reading[2] - reading[0])
    return boot - (before + after) // 2


class EventClock:
    """Converter from the kernel's time stamps to boot-clock times.

    The same stamp always yields the same time, unless the machine was suspended between the two conversions.
    """

    def __init__(self, clock: Clock, monotonic_ns: Monotonic = time.monotonic_ns) -> None:
        self.monotonic_ns = monotonic_ns
        self._clock = clock
        self._offset = self._measure()

    def _measure(self) -> int:
        return clock_offset(
            (self.monotonic_ns(), self._clock.boottime_ns(), self.monotonic_ns()) for _ in range(MEASUREMENTS)
        )

    def refresh(self) -> None:
        """Measure the offset again, and adopt it after a suspend; must be called regularly."""
        offset = self._measure()
        if abs(offset - self._offset) > SUSPENDED_NS:
            self._offset = offset

    def boottime_ns(self, stamp_ns: int) -> int:
        """Return the boot-clock time, in nanoseconds, of an event's time stamp."""
        return stamp_ns + self._offset
