"""What a sensor can say of itself besides a value."""

from enum import StrEnum


class State(StrEnum):
    """The state of a sensor at one sample. Anything but `GOOD` is a fault; see `carries_value`."""

    GOOD = "good"
    """The value is what the sensor measured."""
    OPEN = "open"
    """The electrical signal is beyond the range at the end that a broken wire gives."""
    SHORT = "short"
    """The electrical signal is beyond the range at the end that a short circuit gives."""
    OUT_OF_RANGE = "out-of-range"
    """A signal that the sensor's data sheet or configuration rules out."""
    STALE = "stale"
    """Nothing came from the sensor for much longer than it should have taken."""
    NOISY = "noisy"
    """The signal changes faster than the equipment can (bounce, bad contact, interference)."""
    EDGES_LOST = "edges-lost"
    """The kernel dropped edge events; counts are still right (its line sequence numbers tell)."""
    DISAGREES = "disagrees"
    """The level read and the edges counted tell different stories."""
    FAILED = "failed"
    """The sensor or its driver could not be read at all."""

    @property
    def carries_value(self) -> bool:
        """Whether a value may accompany this state; all others come with `None`, never a number."""
        return self in (State.GOOD, State.NOISY, State.EDGES_LOST, State.DISAGREES)
