"""States of a sensor, which are recorded with its values."""

from enum import StrEnum


class SensorState(StrEnum):
    """State of a sensor at one sample; any state other than `GOOD` is a fault (see `carries_value`)."""

    GOOD = "good"
    """The value is what the sensor measured."""
    OPEN = "open"
    """The electrical signal is beyond its range, at the end where a broken wire would put it."""
    SHORT = "short"
    """The electrical signal is beyond its range, at the end where a short circuit would put it."""
    OUT_OF_RANGE = "out-of-range"
    """The sensor's data sheet or configuration rules out the signal."""
    STALE = "stale"
    """No data has arrived from the sensor for much longer than expected."""
    NOISY = "noisy"
    """The signal changes faster than the equipment can (bounce, bad contact, interference)."""
    EDGES_LOST = "edges-lost"
    """The kernel dropped edge events; counts are still correct, because the kernel numbers the edges."""
    DISAGREES = "disagrees"
    """The level of the pin and its edges contradict each other."""
    FAILED = "failed"
    """The sensor or its driver could not be read at all."""

    @property
    def carries_value(self) -> bool:
        """True if a sample in this state has a value. In all other states the value is None."""
        return self in (SensorState.GOOD, SensorState.NOISY, SensorState.EDGES_LOST, SensorState.DISAGREES)


def is_fault(state: str | None) -> bool:
    """Return True if a sensor in this state is faulty. The state is None if there is no sample yet."""
    return state is not None and state != SensorState.GOOD
