"""States of a sensor, which accompany its values."""

from enum import StrEnum


class SensorState(StrEnum):
    """State of a sensor at one sample; any other than `GOOD` is a fault (see `carries_value`)."""

    GOOD = "good"
    """The value is what the sensor measured."""
    OPEN = "open"
    """The electrical signal is beyond the range at the end that a broken wire produces."""
    SHORT = "short"
    """The electrical signal is beyond the range at the end that a short circuit produces."""
    OUT_OF_RANGE = "out-of-range"
    """The signal is one that the sensor's data sheet or configuration rules out."""
    STALE = "stale"
    """No data came from the sensor for much longer than it should have taken."""
    NOISY = "noisy"
    """The signal changes faster than the equipment can (bounce, bad contact, interference)."""
    EDGES_LOST = "edges-lost"
    """The kernel dropped edge events; counts are still right, thanks to its line sequence numbers."""
    DISAGREES = "disagrees"
    """The level of the pin and its edges contradict each other."""
    FAILED = "failed"
    """The sensor or its driver could not be read at all."""

    @property
    def carries_value(self) -> bool:
        """True if a value may accompany this state; all others come with `None`, never a number."""
        return self in (SensorState.GOOD, SensorState.NOISY, SensorState.EDGES_LOST, SensorState.DISAGREES)
