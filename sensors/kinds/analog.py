"""Conversion of the voltage at an ADC to the quantity that a sender measures, or to a wiring fault.

The first half is arithmetic. It uses the calibration to convert volts to values, and the electrical range to
detect `open` and `short`. It also computes calibrations and ranges for the senders that boats have
(resistive, 4-20 mA, divided voltage), as numbers to write into `sensors.toml`. The second half reads MCP3008,
MCP3208 and ADS1115 through the kernel's IIO drivers. A sensor outside its electrical range never has a value.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sensors.driver import DriverError
from sensors.settings import AnalogOptions, SensorSettings
from sensors.state import SensorState

from .bus import BusReading, KernelDriver, tidy
from .sysfs import CHIPS, read_number

Points = Sequence[tuple[float, float]]
"""Pairs of (volts, value) in order of rising volts; at least one."""


def interpolate(points: Points, volts: float) -> float:
    """Return the value at `volts`, interpolated linearly between two points.

    Beyond either end of the calibration, this is the value at the end point.
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


def measure(volts: float, options: AnalogOptions) -> BusReading:
    """Convert `volts` at the sender to a value in the path's unit, or to a wiring fault."""
    state = wire_state(volts, options.valid, open_is_high=options.open_is_high)
    if state is SensorState.GOOD:
        return BusReading(tidy(interpolate(options.calibration, volts)))
    low, high = options.valid
    beyond = f"below {low:g} V" if volts < low else f"above {high:g} V"
    return BusReading(None, state, f"{volts:.3g} V is {beyond}")


# Electrical data of the senders that boats have, to be written into sensors.toml --------------------


@dataclass(frozen=True, slots=True)
class SenderCircuit:
    """The three keys in `sensors.toml` that describe a sender electrically."""

    calibration: tuple[tuple[float, float], ...]
    valid: tuple[float, float]
    open_is_high: bool


def resistive_sender_volts(ohm: float, *, pull_up_ohm: float, supply_v: float) -> float:
    """Return the voltage at a sender that is connected to ground and pulled up to the supply by a resistor.

    The two form a voltage divider.
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
    """Return the keys for a pulled-up sender to ground whose resistance is linear in the measured value.

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
"""Limits according to NAMUR NE 43: a transmitter signals its own failure below 3.6 mA or above 21 mA."""


def current_loop(shunt_ohm: float, *, at_4_ma: float, at_20_ma: float) -> SenderCircuit:
    """Return the keys for a 4-20 mA transmitter whose current flows through a shunt to ground.

    A broken wire carries no current, so `open` is at the low end.
    """
    low, high = (round(ampere * shunt_ohm, 4) for ampere in LOOP_A)
    valid_low, valid_high = (round(ampere * shunt_ohm, 4) for ampere in LOOP_VALID_A)
    return SenderCircuit(((low, at_4_ma), (high, at_20_ma)), (valid_low, valid_high), open_is_high=False)


def divider(top_ohm: float, bottom_ohm: float) -> float:
    """Return the key `divider` for a voltage divider to ground.

    The key is the number of volts at the sender per volt at the chip.

    """
    return (top_ohm + bottom_ohm) / bottom_ohm


# The driver ----------------------------------------------------------------------------------------

_BITS: Final = {"mcp3008": 10, "mcp3208": 12}
"""Resolution in bits of the chips that measure from 0 V to the reference voltage.

The kernel's `in_voltage_scale` is not used: the overlays give the chip no regulator, and the kernel cannot
read the scale without one.
"""
_ADS1115_CODES: Final = 1 << 15
"""Number of codes from 0 V to full scale.

`in_voltageN_scale` is in mV per code and follows the gain that is set.
"""


class AnalogDriver(KernelDriver):
    """Driver of the kind `analog`, using the kernel drivers `mcp320x` and `ti-ads1015`."""

    def __init__(self, settings: SensorSettings, *, root: Path) -> None:
        if not isinstance(settings.options, AnalogOptions):
            raise TypeError(f"{settings.id} has options that are not those of kind {settings.kind}")
        self._options = settings.options
        self._chip = CHIPS[self._options.chip]
        super().__init__(settings, root=root, lane=self._chip.wiring.lane(self._options.bus))
        self._volts_per_code = 0.0

    def find(self) -> Path:
        """Find the chip by its bus and address, and compute the voltage of one code.

        Raises `DriverError` if the chip is missing, or if it cannot measure up to the upper limit of `valid`.
        """
        options = self._options
        directory = self._chip.find(self._root, bus=options.bus, address=options.address)
        bits = _BITS.get(options.chip)
        if bits is None:
            scale = read_number(directory / f"in_voltage{options.channel}_scale") / 1000
            full = _ADS1115_CODES * scale
        else:
            full = options.reference_v
            scale = full / (1 << bits)
        self._volts_per_code = scale * options.divider
        if options.valid[1] > full * options.divider * (1 + 1e-6):
            remedy = (
                ("set the channel's gain in its overlay (…_gain=0 is 6.144 V)")
                if bits is None
                else "lower valid"
            )
            raise DriverError(
                f"{self._chip.title} measures up to {full * options.divider:.4g} V, but valid allows up"
                f" to {options.valid[1]:g} V, so a broken wire would look like a value; {remedy}"
            )
        return directory

    def read(self, directory: Path, now_ns: int) -> BusReading | None:  # noqa: ARG002
        """Return the value on the channel, or the fault of its wires."""
        code = read_number(directory / f"in_voltage{self._options.channel}_raw")
        # at 0 V, the offset of an ADS1115 produces small negative codes, which do not mean a voltage below
        # ground
        return measure(max(code, 0.0) * self._volts_per_code, self._options)
