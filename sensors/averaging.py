"""Running mean of a sensor's samples, for the key `average`.

The window is divided into `BUCKETS` equal parts, and only the sum and the count of each part are kept. So
memory use does not depend on the sampling rate. Each good sample has the same weight. A sample with a fault
is passed on unchanged, and restarts the mean, because the values before and after a fault may be unrelated.
"""

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from .sample import Sample
from .state import is_fault

BUCKETS: Final = 60
"""Number of parts into which the window is divided. The oldest part is removed as a whole."""
_TURN: Final = 2 * math.pi
_LEAST_DIRECTION: Final = 1e-6
"""Smallest length of a mean of unit vectors that has a direction.

If it is smaller, the vectors cancel out.
"""


@dataclass(slots=True)
class _Bucket:
    """Samples of one part of the window."""

    number: int
    """Start time of the part on the boot clock, divided by the duration of a part."""
    count: int
    total: float
    """Sum of the values or, for angles, of their cosines."""
    across: float
    """Sum of the sines, for angles."""
    low: float
    high: float


class RunningMean:
    """Mean of the good samples in a window that ends at the latest sample."""

    def __init__(self, seconds: float, *, is_angle: bool = False) -> None:
        """Set the length of the window. The values are in rad if `is_angle` is True."""
        self._width_ns = max(1, round(seconds * 1e9 / BUCKETS))
        self._is_angle = is_angle
        self._buckets: deque[_Bucket] = deque()

    def __len__(self) -> int:
        """Return the number of parts of the window that contain samples."""
        return len(self._buckets)

    def smooth(self, sample: Sample) -> Sample:
        """Return the sample with the mean as its value. Samples must be passed in order of time.

        A sample with a fault, or without a finite number, is returned unchanged. It also empties the window.
        """
        value = sample.value
        if is_fault(sample.state) or value is None or isinstance(value, bool) or not _is_finite(value):
            self._buckets.clear()
            return sample
        self._add(sample.boottime_ns // self._width_ns, float(value))
        return replace(sample, value=self._direction(value) if self._is_angle else self._mean(value))

    def _add(self, number: int, value: float) -> None:
        while self._buckets and self._buckets[0].number <= number - BUCKETS:
            self._buckets.popleft()
        along, across = (math.cos(value), math.sin(value)) if self._is_angle else (value, 0.0)
        last = self._buckets[-1] if self._buckets else None
        if last is None or last.number != number:
            self._buckets.append(_Bucket(number, 1, along, across, value, value))
            return
        last.count += 1
        last.total += along
        last.across += across
        last.low, last.high = min(last.low, value), max(last.high, value)

    def _mean(self, latest: float) -> float:
        """Return the mean, or the latest value if the sum is too large for a float."""
        mean = sum(bucket.total for bucket in self._buckets) / sum(bucket.count for bucket in self._buckets)
        if not math.isfinite(mean):
            return latest
        # the limits remove the rounding error from the mean of equal values
        low, high = min(bucket.low for bucket in self._buckets), max(bucket.high for bucket in self._buckets)
        return min(max(float(f"{mean:.8g}"), low), high)

    def _direction(self, latest: float) -> float:
        """Return the direction of the mean of the unit vectors, or the latest value if there is none.

        The result is from -π to π if a value in the window is negative, and otherwise from 0 to 2π.
        """
        low, high = min(bucket.low for bucket in self._buckets), max(bucket.high for bucket in self._buckets)
        if low == high:
            return latest
        count = sum(bucket.count for bucket in self._buckets)
        along = sum(bucket.total for bucket in self._buckets) / count
        across = sum(bucket.across for bucket in self._buckets) / count
        if math.hypot(along, across) < _LEAST_DIRECTION:
            return latest
        direction = math.atan2(across, along)
        if low < 0:
            return float(f"{direction:.8g}")
        direction = float(f"{direction % _TURN:.8g}")
        return direction if direction < _TURN else 0.0


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that is too large for a float
        return False
