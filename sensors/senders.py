"""Arithmetic of the senders that boats have: from the voltage at a sender to its value or its wiring fault.

The senders are resistive senders with a pull-up, 4-20 mA transmitters with a shunt, and senders behind a
voltage divider. This module does not access hardware. `sensors.chips.adc` reads the voltages.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .state import SensorState
from .units import tidy

Points = Sequence[tuple[float, float]]
"""Pairs of (volts, value) in order of rising volts; at least one."""


def interpolate(points: Points, volts: float) -> float:
    """Return the value at `volts`, interpolated linearly between two points.

    Beyond the first or the last point, the value of that point is returned.
    """
    right = bisect_right(points, volts, key=lambda point: point[0])
    if right == 0:
        return points[0][1]
    if right == len(points):
        return points[-1][1]
    (volts_0, value_0), (volts_1, value_1) = points[right - 1 : right + 1]
    return value_0 + (value_1 - value_0) * (volts - volts_0) / (volts_1 - volts_0)


def wire_state(volts: float, valid: tuple[float, float], *, open_is_high: bool) -> SensorState:
    """Return `good` inside the electrical range, including its limits, and otherwise `open` or `short`."""
    low, high = valid
    if volts < low:
        return SensorState.SHORT if open_is_high else SensorState.OPEN
    if volts > high:
        return SensorState.OPEN if open_is_high else SensorState.SHORT
    return SensorState.GOOD


# Electrical data of senders, to be written into sensors.toml --------------------------------------


@dataclass(frozen=True, slots=True)
class SenderCircuit:
    """Values of the three keys in `sensors.toml` that describe a sender electrically."""

    calibration: tuple[tuple[float, float], ...]
    valid: tuple[float, float]
    open_is_high: bool


def resistive_sender_volts(ohm: float, *, pull_up_ohm: float, supply_v: float) -> float:
    """Return the voltage at a sender that is connected to ground and pulled up to the supply by a resistor.

    The sender and the resistor form a voltage divider.
    """
    return supply_v * ohm / (ohm + pull_up_ohm)


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
    senders have 10 to 180 ohm. The electrical range reaches from half the lowest resistance to one and a half
    times the highest. Corroded contacts and a float past its stop are still inside this range. A broken wire
    and a short to ground are outside.
    """
    points = []
    for step in range(RESISTIVE_STEPS + 1):
        part = step / RESISTIVE_STEPS
        ohm = empty_ohm + (full_ohm - empty_ohm) * part
        volts = resistive_sender_volts(ohm, pull_up_ohm=pull_up_ohm, supply_v=supply_v)
        points.append((round(volts, 4), tidy(empty + (full - empty) * part)))
    low, high = sorted((empty_ohm, full_ohm))
    limits = [
        round(resistive_sender_volts(ohm, pull_up_ohm=pull_up_ohm, supply_v=supply_v), 4)
        for ohm in (low / 2, high * 1.5)
    ]
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
