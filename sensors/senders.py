"""Calculations for the senders used on boats: from the voltage at a sender to its value or its wiring fault.

A `Conversion` has two parts. Its circuit computes the sender's own quantity, such as the resistance, from the
voltage. Its curve computes the value from this quantity. So no table of voltages is needed, and the result is
exact at every voltage. The functions at the end of the module compute tables of voltages for users who prefer
to write these.

This module does not access hardware. `sensors.chips.adc` reads the voltages.
"""

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final

from .state import SensorState
from .units import ZERO_CELSIUS, tidy

Points = Sequence[tuple[float, float]]
"""One or more calibration points (sender's quantity, value), in ascending order of the quantity."""


def interpolate(points: Points, quantity: float) -> float:
    """Return the value at `quantity`, interpolated linearly between two points.

    Beyond the first or the last point, the value of that point is returned.
    """
    right = bisect_right(points, quantity, key=lambda point: point[0])
    if right == 0:
        return points[0][1]
    if right == len(points):
        return points[-1][1]
    (before, value_before), (after, value_after) = points[right - 1 : right + 1]
    return value_before + (value_after - value_before) * (quantity - before) / (after - before)


# Circuits: from the voltage to the quantity of the sender -------------------------------------------


class Circuit(ABC):
    """Circuit of a sender: two increasing functions, which are the inverse of each other."""

    unit: ClassVar[str]
    """SI unit of the quantity that the sender changes."""

    @abstractmethod
    def quantity(self, volts: float) -> float:
        """Return the sender's quantity at a voltage; it can be infinite."""

    @abstractmethod
    def volts(self, quantity: float) -> float:
        """Return the voltage at a finite quantity of the sender."""


@dataclass(frozen=True, slots=True)
class Direct(Circuit):
    """Circuit of a sender that outputs a voltage."""

    unit = "V"

    def quantity(self, volts: float) -> float:
        """Return the voltage itself."""
        return volts

    def volts(self, quantity: float) -> float:
        """Return the voltage itself."""
        return quantity


@dataclass(frozen=True, slots=True)
class PullUp(Circuit):
    """Voltage divider that consists of a pull-up resistor to a supply and a resistive sender to ground."""

    unit = "ohm"
    pull_up_ohm: float
    supply_v: float

    def quantity(self, volts: float) -> float:
        """Return the resistance of the sender; it is infinite if the voltage is that of the supply."""
        if volts >= self.supply_v:
            return math.inf
        return self.pull_up_ohm * max(volts, 0.0) / (self.supply_v - volts)

    def volts(self, quantity: float) -> float:
        """Return the voltage at the sender."""
        return self.supply_v * quantity / (quantity + self.pull_up_ohm)


@dataclass(frozen=True, slots=True)
class SeriesResistor(Circuit):
    """Current through a known resistor: the loop of a 4-20 mA transmitter, or a shunt."""

    unit = "A"
    ohm: float

    def quantity(self, volts: float) -> float:
        """Return the current through the resistor."""
        return volts / self.ohm

    def volts(self, quantity: float) -> float:
        """Return the voltage across the resistor."""
        return quantity * self.ohm


# Curves: from the quantity of the sender to the value -----------------------------------------------


class Curve(ABC):
    """Characteristic of a sender."""

    @abstractmethod
    def value(self, quantity: float) -> float:
        """Return the value in the SI unit of the sensor."""

    @abstractmethod
    def span(self) -> tuple[float, float]:
        """Return the lowest and the highest quantity in normal use."""


@dataclass(frozen=True, slots=True)
class PointCurve(Curve):
    """Characteristic defined by points, with linear interpolation between them."""

    points: tuple[tuple[float, float], ...]

    def value(self, quantity: float) -> float:
        """Return the interpolated value; beyond the first or the last point, the value of that point."""
        return interpolate(self.points, quantity)

    def span(self) -> tuple[float, float]:
        """Return the quantities of the first and of the last point."""
        return self.points[0][0], self.points[-1][0]


_T25: Final = ZERO_CELSIUS + 25
_NTC_RANGE_K: Final = (ZERO_CELSIUS - 40, ZERO_CELSIUS + 150)
"""Lowest and highest plausible temperature of a thermistor on a vessel, in kelvin."""
_NTC_USUAL_K: Final = (ZERO_CELSIUS, ZERO_CELSIUS + 100)
"""Lowest and highest temperature, in kelvin, at which the resolution is computed."""


@dataclass(frozen=True, slots=True)
class NtcCurve(Curve):
    """Characteristic of an NTC thermistor: the Beta equation, 1/T = 1/T25 + ln(R / R25) / B.

    IEC 60539-1 defines the B value with this equation. It is exact at 25 °C, and at the second temperature
    for which the data sheet states B (often 50 or 85 °C).
    """

    beta_k: float
    r25_ohm: float

    def value(self, quantity: float) -> float:
        """Return the temperature in K at a resistance in ohm, which must be above 0."""
        return 1 / (1 / _T25 + math.log(quantity / self.r25_ohm) / self.beta_k)

    def ohm(self, kelvin: float) -> float:
        """Return the resistance in ohm at a temperature in K."""
        return self.r25_ohm * math.exp(self.beta_k * (1 / kelvin - 1 / _T25))

    def span(self) -> tuple[float, float]:
        """Return the resistances at 100 °C and at 0 °C."""
        cold, hot = _NTC_USUAL_K
        return self.ohm(hot), self.ohm(cold)

    @property
    def valid(self) -> tuple[float, float]:
        """Resistances at 150 °C and at -40 °C."""
        cold, hot = _NTC_RANGE_K
        return self.ohm(hot), self.ohm(cold)


@dataclass(frozen=True, slots=True)
class Identity(Curve):
    """Characteristic of a sender whose quantity is the value."""

    limits: tuple[float, float]

    def value(self, quantity: float) -> float:
        """Return the quantity itself."""
        return quantity

    def span(self) -> tuple[float, float]:
        """Return the lowest and the highest value."""
        return self.limits


# Conversions ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conversion:
    """Conversion of the voltage at a sender to a value, or to a fault of its wires."""

    circuit: Circuit
    curve: Curve
    valid: tuple[float, float]
    """Lowest and highest quantity of a working sender."""
    below: SensorState
    """Fault to report if the quantity is below the range `valid`."""
    above: SensorState
    """Fault to report if the quantity is above the range `valid`."""

    @property
    def valid_v(self) -> tuple[float, float]:
        """Lowest and highest voltage of a working sender."""
        low, high = self.valid
        return self.circuit.volts(low), self.circuit.volts(high)

    def quantity(self, volts: float) -> float:
        """Return the sender's quantity at a voltage, without rounding errors of the computation."""
        return tidy(self.circuit.quantity(volts))

    def state(self, volts: float) -> SensorState:
        """Return `good` inside the electrical range, including its limits, and otherwise the fault."""
        low, high = self.valid
        quantity = self.quantity(volts)
        if quantity < low:
            return self.below
        return self.above if quantity > high else SensorState.GOOD

    def value(self, volts: float) -> float:
        """Return the value at a voltage inside the electrical range."""
        return tidy(self.curve.value(self.quantity(volts)))

    def fault(self, volts: float) -> str:
        """Return a description of a voltage outside the electrical range."""
        low, high = self.valid
        quantity, unit = self.quantity(volts), self.circuit.unit
        limit = f"below {written(low, unit)}" if quantity < low else f"above {written(high, unit)}"
        if unit == "V":
            return f"{volts:.3g} V is {limit}"
        if math.isinf(quantity):
            return f"{volts:.3g} V is the voltage of an open circuit"
        return f"{written(quantity, unit, digits=3)} ({volts:.3g} V) is {limit}"

    def coarsest_step(self, step_v: float) -> float:
        """Return the largest change of the value that a change of `step_v` causes in normal use."""
        low, high = (self.circuit.volts(end) for end in self.curve.span())
        places = [low + (high - low) * part / _PLACES for part in range(_PLACES + 1)]
        values = [self.curve.value(self.circuit.quantity(volts)) for volts in places]
        slopes = [abs(after - before) for before, after in pairwise(values)]
        return tidy(max(slopes) / (high - low) * _PLACES * step_v) if high > low else 0.0


_PLACES: Final = 200
"""Number of points at which the slope of a characteristic is computed."""


def written(quantity: float, unit: str, *, digits: int = 6) -> str:
    """Return a sender's quantity with the usual prefix, such as `270 ohm`, `10 kohm` or `21 mA`."""
    prefixes = {"ohm": ((1e6, "M"), (1e3, "k")), "A": ((1.0, ""), (1e-3, "m"))}.get(unit, ())
    for factor, prefix in prefixes:
        if abs(quantity) >= factor * 0.9999995:
            return f"{float(f'{quantity / factor:.{digits}g}'):g} {prefix}{unit}"
    return f"{float(f'{quantity:.{digits}g}'):g} {unit}"


def conversion(
    circuit: Circuit, curve: Curve, valid: tuple[float, float], *, open_is_high: bool
) -> Conversion:
    """Return a conversion in which a broken wire is at the high end of the range, or at the low end."""
    below, above = SensorState.SHORT, SensorState.OPEN
    if not open_is_high:
        below, above = above, below
    return Conversion(circuit, curve, valid, below, above)


def resistive_range(lowest_ohm: float, highest_ohm: float) -> tuple[float, float]:
    """Return the electrical range of a resistive sender: half the lowest to 1.5 times the highest resistance.

    Corroded contacts and a float past its stop are still inside this range. A broken wire and a short to
    ground are outside.
    """
    return lowest_ohm / 2, highest_ohm * 1.5


def voltage_range(lowest_v: float, highest_v: float) -> tuple[float, float]:
    """Return the electrical range of a sender with a voltage output: a margin of 1/16 of the span.

    For an output of 0.5 to 4.5 V, the range is 0.25 to 4.75 V. The range begins below 0 V only if `lowest_v`
    is negative.
    """
    margin = (highest_v - lowest_v) / 16
    low = lowest_v - margin
    return (max(low, 0.0) if lowest_v >= 0 else low), highest_v + margin


SHUNT_OVERLOAD: Final = 1.5
"""Current through a shunt above which a reading is a fault, as a multiple of the rated current."""


# Electrical data of senders, to be written into sensors.toml --------------------------------------


@dataclass(frozen=True, slots=True)
class SenderCircuit:
    """Values of the three keys in `sensors.toml` that describe a sender electrically."""

    calibration: tuple[tuple[float, float], ...]
    valid: tuple[float, float]
    open_is_high: bool


RESISTIVE_STEPS: Final = 8
"""Number of straight segments that approximate a resistive sender's characteristic.

With 8 segments the error is at most 0.6 % of the scale, for a pull-up of at least 100 ohm.
"""


def resistive_sender(
    empty_ohm: float,
    full_ohm: float,
    *,
    pull_up_ohm: float,
    supply_v: float,
    empty: float = 0.0,
    full: float = 1.0,
) -> SenderCircuit:
    """Return the keys for a sender with one end at ground, which is fed through a pull-up resistor.

    The sender's resistance must be a linear function of the measured value.

    American tank senders have 240 ohm when empty and 33 ohm when full, European ones 10 and 180. Oil pressure
    senders have 10 to 180 ohm. `resistive_range` computes the electrical range.
    """
    circuit = PullUp(pull_up_ohm, supply_v)
    points = []
    for step in range(RESISTIVE_STEPS + 1):
        part = step / RESISTIVE_STEPS
        ohm = empty_ohm + (full_ohm - empty_ohm) * part
        points.append((round(circuit.volts(ohm), 4), tidy(empty + (full - empty) * part)))
    low, high = sorted((empty_ohm, full_ohm))
    limits = [round(circuit.volts(ohm), 4) for ohm in resistive_range(low, high)]
    return SenderCircuit(tuple(sorted(points)), (limits[0], limits[1]), open_is_high=True)


LOOP_A: Final = (0.004, 0.020)
LOOP_VALID_A: Final = (0.0036, 0.021)
"""Range of the loop current of a working transmitter, in A.

A transmitter signals its own failure below 3.6 mA or above 21 mA (NAMUR NE 43).
"""


def current_loop(shunt_ohm: float, *, at_4_ma: float, at_20_ma: float) -> SenderCircuit:
    """Return the keys for a 4-20 mA transmitter whose current flows through a shunt to ground.

    A broken wire carries no current, so `open` is at the low end.
    """
    low, high = (round(ampere * shunt_ohm, 4) for ampere in LOOP_A)
    valid_low, valid_high = (round(ampere * shunt_ohm, 4) for ampere in LOOP_VALID_A)
    return SenderCircuit(((low, at_4_ma), (high, at_20_ma)), (valid_low, valid_high), open_is_high=False)


def divider(top_ohm: float, bottom_ohm: float) -> float:
    """Return the value of the `divider` key for a voltage divider to ground.

    The value is the number of volts at the sender per volt at the chip.
    """
    return (top_ohm + bottom_ohm) / bottom_ohm
