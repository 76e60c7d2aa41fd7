"""Rates of change: how far a number has risen or fallen within a time, for one alarm rule.

A value is compared with the lowest or the highest recorded value within the time that the rule's key `per`
states. That time is divided into `SLOTS` slots, whose bounds are multiples of their length on the boot clock.
Only the extremes of each slot are kept, so memory and work are bounded however fast the sensor is sampled.
The window is therefore up to one slot shorter than `per`, and never longer.

Only recorded values count, so a restart can compute the same result again from the records. A deadband
suppresses samples that are near the last recorded value. So that value counts until one sampling interval
before the next one is recorded. With a deadband, a restart adds a recorded value, which can change a result
by less than the deadband.
"""

from collections import deque
from collections.abc import Iterable
from itertools import chain
from typing import Final

SLOTS: Final = 60
"""Number of slots in the window."""


class Rate:
    """Lowest and highest recorded values of the last `per_ms` milliseconds."""

    def __init__(self, per_ms: int, *, interval_ms: int) -> None:
        """Begin without values. `interval_ms` is the time between samples."""
        self._slot_ms = max(per_ms // SLOTS, 1)
        self._interval_ms = interval_ms
        self._slots: deque[tuple[int, float, float]] = deque()
        self._last: tuple[float, int] | None = None
        """The last recorded value and its time; None if the current value is unknown."""

    def record(self, value: float, now_ms: int) -> None:
        """Add a recorded value."""
        if self._last is not None:
            before, at_ms = self._last
            self._add(before, max(now_ms - self._interval_ms, at_ms))
        self._add(value, now_ms)
        self._last = value, now_ms

    def interrupt(self) -> None:
        """Record that the value is unknown until the next value is recorded."""
        self._last = None

    def _add(self, value: float, now_ms: int) -> None:
        slot = now_ms // self._slot_ms
        low = high = value
        if self._slots and self._slots[-1][0] >= slot:
            slot, known_low, known_high = self._slots.pop()
            low, high = min(known_low, value), max(known_high, value)
        self._slots.append((slot, low, high))
        self._forget(slot)

    def forget_all(self) -> None:
        """Discard all values, because the time that has passed since they were recorded is unknown."""
        self._slots.clear()
        self._last = None

    def rise(self, value: float, now_ms: int) -> float:
        """Return how far a value is above the lowest value of the window."""
        slots = self._window(now_ms)
        return value - min((low for _, low, _ in slots), default=value)

    def fall(self, value: float, now_ms: int) -> float:
        """Return how far a value is below the highest value of the window."""
        slots = self._window(now_ms)
        return max((high for _, _, high in slots), default=value) - value

    def _window(self, now_ms: int) -> Iterable[tuple[int, float, float]]:
        slot = now_ms // self._slot_ms
        self._forget(slot)
        if self._last is None or (now_ms - self._interval_ms) // self._slot_ms <= slot - SLOTS:
            return self._slots
        value, _ = self._last
        return chain(self._slots, [(slot, value, value)])

    def _forget(self, slot: int) -> None:
        while self._slots and self._slots[0][0] <= slot - SLOTS:
            self._slots.popleft()
