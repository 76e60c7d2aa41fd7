"""Arithmetic of a supervised contact: a contact whose cable ends in a resistor.

A pull-up resistor connects one wire of the cable to the supply; the other wire is connected to ground. At the
far end, a resistor connects the two wires (end of line). The contact is parallel to this resistor, with or
without a resistor of its own in series. So each state of the contact and of the cable has its own resistance,
and the voltage across the cable shows which state it is.

This module does not access hardware. `sensors.chips.adc` reads the voltage.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

_LARGEST_CLOSED: Final = 0.1
"""Highest expected resistance of a closed contact and its cable, as a fraction of `end_of_line_ohm`."""


class LoopState(StrEnum):
    """State of a supervised contact and its cable, in order of rising resistance."""

    SHORTED = "shorted"
    CLOSED = "closed"
    OPEN = "open"
    CUT = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisedCircuit:
    """Circuit of a supervised contact."""

    pull_up_ohm: float
    end_of_line_ohm: float
    """Resistance of the resistor at the far end of the cable, in ohms."""
    in_series_ohm: float | None
    """Resistance of the resistor in series with the contact, in ohms; None if there is no such resistor."""
    supply_v: float
    """Voltage to which the pull-up resistor is connected, in volts."""

    @property
    def closed_ohm(self) -> float:
        """Resistance of the cable while the contact is closed, in ohms."""
        if self.in_series_ohm is None:
            return 0.0
        return self.in_series_ohm * self.end_of_line_ohm / (self.in_series_ohm + self.end_of_line_ohm)

    @property
    def expected_ohm(self) -> dict[LoopState, float]:
        """Resistance of the cable, in ohms, in each state that this circuit can distinguish."""
        expected = {LoopState.SHORTED: 0.0} if self.in_series_ohm is not None else {}
        return expected | {
            LoopState.CLOSED: self.closed_ohm,
            LoopState.OPEN: self.end_of_line_ohm,
            LoopState.CUT: math.inf,
        }

    @property
    def limits_ohm(self) -> dict[LoopState, float]:
        """Upper limit of the resistance in each state, in ohms, in ascending order.

        The limit between a closed and an open contact is the geometric mean of the two resistances. The other
        limits are at the same ratio to the resistance next to them, because a short circuit has no resistance
        and a cut cable an infinite one.
        """
        closed = self.closed_ohm or _LARGEST_CLOSED * self.end_of_line_ohm
        ratio = math.sqrt(self.end_of_line_ohm / closed)
        limits = {} if self.in_series_ohm is None else {LoopState.SHORTED: closed / ratio}
        return limits | {LoopState.CLOSED: closed * ratio, LoopState.OPEN: self.end_of_line_ohm * ratio}

    def volts(self, ohm: float) -> float:
        """Return the voltage across the cable if it has the resistance `ohm`."""
        return self.supply_v if math.isinf(ohm) else self.supply_v * ohm / (ohm + self.pull_up_ohm)

    def state(self, volts: float) -> LoopState:
        """Return the state that a voltage across the cable indicates."""
        for state, ohm in self.limits_ohm.items():
            if volts <= self.volts(ohm):
                return state
        return LoopState.CUT

    @property
    def closest(self) -> tuple[LoopState, LoopState, float]:
        """The two adjacent states whose voltages are closest to each other, and the difference in volts."""
        volts = {state: self.volts(ohm) for state, ohm in self.expected_ohm.items()}
        steps = ((low, high, volts[high] - volts[low]) for low, high in pairwise(volts))
        return min(steps, key=lambda step: step[2])

    @property
    def best_pull_up_ohm(self) -> float:
        """Pull-up resistance, in ohms, for which the voltages of a closed and an open contact differ most."""
        return math.sqrt((self.closed_ohm or _LARGEST_CLOSED * self.end_of_line_ohm) * self.end_of_line_ohm)
