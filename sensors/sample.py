"""A sample: what a driver hands on."""

from dataclasses import dataclass

from .quality import State

Value = bool | int | float | None
"""SI units, as the sensor's path says; booleans for contacts; None where the state carries no value."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a counting sensor has added up since it was fitted; survives restarts."""

    count: int = 0
    """Pulses, or activations of a switch."""
    seconds: float = 0.0
    """Time that the equipment ran (the contact was active)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of one sensor, not yet numbered: the recorder does that when it accepts it."""

    sensor: str
    """The sensor's id."""
    boottime_ns: int
    """When it was true, on the boot clock."""
    value: Value
    state: State = State.GOOD
    totals: Totals | None = None
    """For counting sensors, the totals at this moment."""
    detail: str = ""
    """For a person, what was seen (`2.97 V is above 2.9 V`); shown live, not recorded."""
