"""The phase of an alarm: whether it is active, and whether somebody has acknowledged it.

The phases are four of the states of bridge alert management (IEC 62923-1). A phase follows from the document
alone, so all vessels that have the document agree on it, and a restart does not change it.
"""

from enum import StrEnum


class Phase(StrEnum):
    """Phase of an alarm."""

    UNACKNOWLEDGED = "active-unacknowledged"
    """The condition is met, and nobody has acknowledged the alarm. Only such an alarm is audible."""
    ACKNOWLEDGED = "active-acknowledged"
    """The condition is met, and somebody has acknowledged the alarm."""
    RECTIFIED = "rectified-unacknowledged"
    """The condition is no longer met, but nobody has acknowledged the alarm."""
    NORMAL = "normal"
    """The condition is no longer met, and somebody has acknowledged the alarm."""


def phase_of(*, cleared: bool, acknowledged: bool) -> Phase:
    """Return the phase of an alarm that has or has not been cleared and acknowledged."""
    if cleared:
        return Phase.NORMAL if acknowledged else Phase.RECTIFIED
    return Phase.ACKNOWLEDGED if acknowledged else Phase.UNACKNOWLEDGED
