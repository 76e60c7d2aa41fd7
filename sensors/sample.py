"""Samples, which drivers emit, and the totals of counting sensors."""

from dataclasses import dataclass

from .state import SensorState

Value = bool | int | float | None
"""Value in SI units, according to the sensor's path.

Contacts have Boolean values. None means that the sensor's state carries no value.
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """Running totals of a counting sensor since it was installed. They are kept across restarts."""

    count: int = 0
    """Number of pulses, or of activations of a switch."""
    seconds: float = 0.0
    """Time in seconds for which the equipment ran (the contact was active)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Single reading of a sensor. The recorder assigns it a number when it accepts it."""

    sensor: str
    """Id of the sensor."""
    boottime_ns: int
    """Time of the reading, in nanoseconds on the boot clock."""
    value: Value
    state: SensorState = SensorState.GOOD
    totals: Totals | None = None
    """Totals at this moment, for counting sensors."""
    detail: str = ""
    """Human-readable explanation (`2.97 V is above 2.9 V`); shown live, but not recorded."""
