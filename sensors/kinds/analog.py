"""Kind `analog`: the voltage at an ADC, converted to the quantity that a sender measures.

The calibration converts volts to values, and the electrical range detects `open` and `short`. This module
also computes calibrations and ranges for the senders that boats have (resistive, 4-20 mA, divided voltage),
as numbers to write into `sensors.toml`. The driver reads MCP3008, MCP3208 and ADS1115 through the kernel's
IIO drivers. A sensor outside its electrical range never has a value.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from sensors.chips.chip_keys import address_parser, parse_bus, wiring_of_chip
from sensors.chips.kernel_driver import BusReading, KernelDriver, tidy
from sensors.chips.sysfs import (
    CHIP_SELECTS,
    Subsystem,
    SysfsChip,
    UnreadableError,
    Wiring,
    i2c_overlay,
    read_number,
    read_text,
    spi_overlay,
)
from sensors.driver import DriverError, options_of
from sensors.kind import SensorDraft, SensorKind
from sensors.plausibility import impossible_value, missing_unit
from sensors.presentation import format_as_written
from sensors.settings import Fact, Options, SensorSettings
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import boolean, choice, integer, list_of, number, quantity
from sensors.toml.value_forms import ValueForm, parsed_later, parses
from sensors.units import DIMENSIONS, InputError, parse_value, shown
from sensors.wiring_picture import Picture, Wire

CHIPS: Final = {
    "mcp3008": SysfsChip(
        title="MCP3008",
        wiring=Wiring.SPI,
        addresses=CHIP_SELECTS,
        overlay=spi_overlay("mcp3008,spi{}-{}-present"),
        subsystem=Subsystem.IIO,
        names=frozenset({"mcp3008"}),
    ),
    "mcp3208": SysfsChip(
        title="MCP3208",
        wiring=Wiring.SPI,
        addresses=CHIP_SELECTS,
        overlay=spi_overlay('anyspi,spi{}-{},dev="microchip,mcp3208",speed=1000000'),
        subsystem=Subsystem.IIO,
        names=frozenset({"mcp3208"}),
    ),
    "ads1115": SysfsChip(
        title="ADS1115",
        wiring=Wiring.I2C,
        addresses=range(0x48, 0x4C),
        overlay=i2c_overlay(
            "ads1115,addr=0x{:02x},cha_enable,cha_cfg=4,chb_enable,chb_cfg=5,chc_enable,chc_cfg=6,"
            "chd_enable,chd_cfg=7"
        ),
        subsystem=Subsystem.IIO,
        names=frozenset({"ads1115", "ads1015"}),
    ),
}
CHANNELS: Final = {"mcp3008": 8, "mcp3208": 8, "ads1115": 4}
"""Number of inputs of each chip."""


# Keys ----------------------------------------------------------------------------------------------


@parses(ValueForm("a voltage", "V"))
def parse_volts(raw: Any) -> float:
    """Parse a voltage in volts, with or without the unit."""
    return parse_value(raw, "V")


@parses(ValueForm("a pair"))
def parse_pair(raw: Any) -> tuple[Any, Any]:
    """Parse a list of two elements."""
    if not isinstance(raw, list) or len(raw) != 2:
        raise InputError(f"{shown(raw)} is not a pair of values", "Write [volts, value].")
    return raw[0], raw[1]


@parses(ValueForm("a pair of voltages", "V"))
def parse_range(raw: Any) -> tuple[float, float]:
    """Parse a pair of voltages: the lowest and the highest."""
    ends = list_of(parse_volts)(raw)
    if len(ends) != 2:
        raise InputError("a range needs two values", "Write [lowest, highest], in volts.")
    low, high = ends
    if low >= high:
        raise InputError(f"{low:g} V is not below {high:g} V", "Write the lower voltage first.")
    return low, high


def _is_value(raw: Any, unit: str) -> bool:
    try:
        parse_value(raw, unit)
    except InputError:
        return False
    return True


def calibration_parser(unit: str) -> Callable[[Any], tuple[tuple[float, float], ...]]:
    """Return a parser for pairs of volts and values in `unit`: two or more, in order of rising volts."""

    def point(raw: Any) -> tuple[float, float]:
        at_volts, value = parse_pair(raw)
        try:
            return parse_volts(at_volts), parse_value(value, unit)
        except InputError:
            if isinstance(at_volts, str) and _is_value(at_volts, unit) and _is_value(value, "V"):
                raise InputError(
                    f"the pair of {shown(at_volts)} and {shown(value)} is swapped", "Write [volts, value]."
                ) from None
            raise

    def parser(raw: Any) -> tuple[tuple[float, float], ...]:
        points: tuple[tuple[float, float], ...] = list_of(point, least=2)(raw)
        for place in range(1, len(points)):
            before, after = points[place - 1][0], points[place][0]
            if after <= before:
                raise InputError(
                    f"the voltages are not in ascending order: {after:g} V follows {before:g} V",
                    "Sort the points by voltage, and write each voltage once.",
                    at=(place,),
                )
        return points

    return parser


@section
class AnalogOptions(Options):
    """Options of the kind `analog`: a voltage at an ADC, converted to the path's unit."""

    _: KW_ONLY
    chip: str = key(choice(*CHIPS), example='"mcp3008"', meaning="Type of converter.")
    channel: int = key(
        integer(0, 7), example="0", meaning="Input of the converter. An ADS1115 has the inputs 0 to 3."
    )
    bus: int = key(
        parse_bus,
        default=None,
        example="1",
        meaning="Number of the SPI or I2C bus.",
        without="SPI bus 0, or I2C bus 1",
    )
    address: int = key(
        parsed_later(ValueForm("a whole number")),
        default=None,
        example="0x49",
        meaning="SPI chip select (0 to 2), or I2C address (0x48 to 0x4b).",
        without="chip select 0, or address 0x48",
    )
    calibration: tuple[tuple[float, float], ...] = key(
        list_of(parse_pair, least=2),
        example="[[0.5, 0.0], [2.5, 1.0]]",
        meaning=(
            "Pairs of volts and value, in order of rising volts. The values must only rise, or only fall."
            " Values between two pairs are interpolated linearly. Outside the first and the last pair, the"
            " value of the nearest pair is used."
        ),
    )
    valid: tuple[float, float] = key(
        parse_range,
        example="[0.3, 3.0]",
        meaning="Lowest and highest voltage of a working sender. Any other voltage is a wiring fault.",
    )
    open_is_high: bool = key(
        boolean,
        default=True,
        example="false",
        meaning=(
            "True if a broken wire causes a voltage above `valid`, as with a resistive sender and a pull-up."
            " False if it causes a voltage below `valid`, as with a 4-20 mA transmitter."
        ),
    )
    reference_v: float = key(
        quantity("V", "0.5 V", "6 V"),
        name="reference",
        default=3.3,
        example='"5 V"',
        meaning="Reference voltage of an MCP3008 or MCP3208.",
    )
    divider: float = key(
        number(1.0, 10_000.0),
        default=1.0,
        example="5.7",
        meaning="Volts at the sender per volt at the converter, if there is a voltage divider.",
    )


def _check(draft: SensorDraft) -> None:
    table, values = draft.table, draft.values
    draft.is_number()
    selected = draft.valid_value("chip")
    if selected is not None:
        chip, channel = CHIPS[selected], draft.valid_value("channel")
        if channel is not None and channel >= CHANNELS[selected]:
            most = CHANNELS[selected] - 1
            table.complain(
                "channel",
                f"the {chip.title} has no channel {channel}",
                f"Use a channel from 0 to {most}.",
            )
        if values["bus"] is None:
            values["bus"] = chip.wiring.usual_bus
        if "address" in table.data:
            values["address"] = table.value("address", address_parser(chip))
        else:
            values["address"] = chip.usual_address
    if draft.valid_value("calibration") is not None and draft.unit is not None:
        values["calibration"] = table.value("calibration", calibration_parser(draft.unit))
        _check_values(draft)
    _check_valid(draft)


def _check_values(draft: SensorDraft) -> None:
    """Report the first mistake in the calibration that its parser accepts.

    Mistakes are pairs that look swapped, values without their unit, impossible values, and changes of
    direction.
    """
    points, unit, path = (draft.valid_value("calibration"), draft.unit, draft.valid_value("path"))
    if points is None or unit is None or path is None or _check_order_in_pairs(draft, points):
        return
    for place, (_, written) in enumerate(draft.table.data["calibration"]):
        problem = missing_unit(written, unit, path=path)
        if problem is not None:
            remedy = f"{problem.remedy} Do so with every value of the calibration."
            draft.table.warn("calibration", problem.text, remedy, at=(place, 1))
            return
        problem = impossible_value(written, unit, path=path)
        if problem is not None:
            draft.table.warn("calibration", problem.text, problem.remedy, at=(place, 1))
            return
    _check_direction(draft, points)


def _check_order_in_pairs(draft: SensorDraft, points: "Points") -> bool:
    """Report pairs that look swapped, and return True if there are any.

    In swapped pairs the values are voltages of a working sender, and the voltages are not. Values with a unit
    are never taken for voltages.
    """
    written, valid = draft.table.data["calibration"], draft.valid_value("valid")
    if valid is None or draft.unit not in DIMENSIONS or draft.unit == "V":
        return False
    volts, values = zip(*points, strict=True)
    if any(isinstance(value, str) for _, value in written) or not all(
        valid[0] <= value <= valid[1] for value in values
    ):
        return False
    if all(valid[0] <= each <= valid[1] for each in volts):
        return False
    draft.table.warn(
        "calibration",
        f"the pairs look swapped: the values ({min(values):g} to {max(values):g}) are inside valid, and the"
        f" voltages ({volts[0]:g} to {volts[-1]:g} V) are not",
        "Write [volts, value]. If the pairs are right, write each value with its unit.",
        at=(0,),
    )
    return True


def _check_direction(draft: SensorDraft, points: "Points") -> None:
    """Report the first point of the calibration at which rising values fall, or falling values rise."""
    written = draft.table.data["calibration"]
    steps = [after - before for (_, before), (_, after) in pairwise(points)]
    direction = points[-1][1] - points[0][1] or next((step for step in steps if step), 0.0)
    for place, step in enumerate(steps, start=1):
        if step * direction < 0:
            (volts_before, _), (volts, _) = points[place - 1 : place + 1]
            draft.table.warn(
                "calibration",
                f"the values change direction: {shown(written[place][1])} at {volts:g} V follows"
                f" {shown(written[place - 1][1])} at {volts_before:g} V",
                "Correct the pairs: as the voltage rises, the values must only rise, or only fall.",
                at=(place, 1),
            )
            return


def _check_valid(draft: SensorDraft) -> None:
    """Report a calibration outside the electrical range, or a range that the chip cannot measure."""
    chip, valid, points = (draft.valid_value(key) for key in ("chip", "valid", "calibration"))
    if valid is not None and points is not None and draft.unit is not None:
        first, last = points[0][0], points[-1][0]
        if last < valid[0] or first > valid[1]:
            draft.table.complain(
                "valid",
                f"the calibration ({first:g} to {last:g} V) is outside the valid range {valid[0]:g} to"
                f" {valid[1]:g} V",
                "Set valid to the lowest and highest voltage of a working sender.",
            )
    reference, divider = draft.valid_value("reference"), draft.valid_value("divider")
    if None in (chip, valid, reference, divider):
        return
    if chip not in _BITS:
        widest = _ADS_WIDEST_V * divider
        if valid[1] >= widest:
            draft.table.warn(
                "valid",
                f"{valid[1]:g} V is more than the chip can measure at any gain ({widest:.4g} V)",
                f"Write less than {widest:.4g} V, or correct divider.",
            )
        return
    highest = reference * divider
    if valid[1] > highest:
        draft.table.complain(
            "valid",
            f"{valid[1]:g} V is more than the chip can measure ({highest:.4g} V)",
            f"Write {highest:.4g} V or less, or correct reference or divider.",
        )
        return
    last = highest * (1 - 2.0 ** -_BITS[chip])
    if valid[1] >= last:
        draft.table.warn(
            "valid",
            f"{valid[1]:g} V includes the chip's highest code, so a wiring fault would look like a value",
            f"Write less than {math.floor(last * 100) / 100:g} V as the upper voltage.",
        )


# Arithmetic ----------------------------------------------------------------------------------------

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


# The driver ----------------------------------------------------------------------------------------

_BITS: Final = {"mcp3008": 10, "mcp3208": 12}
"""Resolution in bits of the chips that measure from 0 V to the reference voltage.

The kernel's `in_voltage_scale` is not used: the overlays give the chip no regulator, and the kernel cannot
read the scale without one.
"""
_ADS_WIDEST_V: Final = 6.144
"""Full scale of an ADS1115 or ADS1015 in volts at the lowest gain (data sheets SBAS444 and SBAS473)."""


@dataclass(frozen=True, slots=True)
class _AdsCodes:
    """Codes of a chip that the kernel's driver `ti-ads1015` reads."""

    full: int
    """Number of codes from 0 V to full scale."""
    last: int
    """Lowest code that the chip can report for every voltage above full scale."""


_ADS1115: Final = _AdsCodes(full=1 << 15, last=(1 << 15) - 16)
"""Codes of 16 bits. An ADS1015 bound as an ADS1115 also ends here: its four lowest bits are 0."""
_ADS1015: Final = _AdsCodes(full=1 << 11, last=(1 << 11) - 1)
"""Codes of 12 bits. The chip sends them left-aligned, and the kernel shifts them to the right."""


def _ads_codes(directory: Path, scale_mv: float) -> _AdsCodes:
    """Return the codes of the chip in `directory`; `scale_mv` is the scale of a channel in mV per code.

    The kernel's driver gives an ADS1015 and an ADS1115 the same name. Their scales differ: at the lowest gain
    an ADS1015 has 3 mV per code, and an ADS1115 0.1875 mV.
    """
    coarsest_mv = 1000 * _ADS_WIDEST_V / _ADS1115.full
    scales = [scale_mv]
    with suppress(UnreadableError, ValueError):
        scales += [float(each) for each in read_text(directory / "scale_available").split()]
    return _ADS1015 if max(scales) > 1.01 * coarsest_mv else _ADS1115


class AnalogDriver(KernelDriver):
    """Driver of the kind `analog`, using the kernel drivers `mcp320x` and `ti-ads1015`."""

    def __init__(self, settings: SensorSettings, *, root: Path) -> None:
        self._options = options_of(settings, AnalogOptions)
        self._chip = CHIPS[self._options.chip]
        super().__init__(settings, root=root, lane=self._chip.wiring.lane(self._options.bus))
        self._volts_per_code = 0.0
        self._codes: _AdsCodes | None = None
        """Codes of an ADS1115 or ADS1015; None for the other chips."""

    def find(self) -> Path:
        """Find the chip by its bus and address, and compute the voltage of one code.

        Raises `DriverError` if the chip is missing, or if it cannot measure up to the upper limit of `valid`.
        """
        options = self._options
        directory = self._chip.find(self._root, bus=options.bus, address=options.address)
        bits = _BITS.get(options.chip)
        if bits is None:
            scale_mv = read_number(directory / f"in_voltage{options.channel}_scale")
            self._codes = _ads_codes(directory, scale_mv)
            scale = scale_mv / 1000
            full = self._codes.full * scale
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
        codes = self._codes
        if codes is not None and not -codes.full < code < codes.last:
            return self._beyond(math.copysign(codes.full, code) * self._volts_per_code)
        # at 0 V, the offset of an ADS1115 produces small negative codes, which do not mean a voltage below
        # ground
        return measure(max(code, 0.0) * self._volts_per_code, self._options)

    def _beyond(self, end_v: float) -> BusReading:
        """Return the wiring fault for a voltage that the chip cannot measure, beyond `end_v`."""
        state = wire_state(
            math.copysign(math.inf, end_v), self._options.valid, open_is_high=self._options.open_is_high
        )
        return BusReading(None, state, f"the {self._chip.title} reads the end of its range, {end_v:.4g} V")


def _facts(settings: SensorSettings, written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, AnalogOptions)
    chip = CHIPS[options.chip]
    yield "wiring", f"{wiring_of_chip(chip, options.bus, options.address)}, channel {options.channel}"
    values = [value for _, value in written["calibration"]]
    usual = next((value for value in values if isinstance(value, str)), None)
    points = [
        f"{volts:g} V -> "
        + format_as_written(
            value, settings.unit, usual if raw == 0 and usual is not None else raw, path=settings.path
        )
        for (volts, value), raw in zip(options.calibration, values, strict=True)
    ]
    yield "calibration", ", ".join(points)
    low, high = options.valid
    below, above = (
        (SensorState.SHORT, SensorState.OPEN)
        if options.open_is_high
        else (SensorState.OPEN, SensorState.SHORT)
    )
    yield "fault", f"{below} below {low:g} V, {above} above {high:g} V"
    divided = f" (divider {options.divider:g})" if options.divider != 1 else ""
    if options.chip in _BITS:
        end = options.reference_v * options.divider
        step = end / (1 << _BITS[options.chip])
        yield "converter", f"0 to {end:.4g} V at the sender{divided}, in steps of {1000 * step:.2g} mV"
    else:
        yield "converter", f"the gain in its overlay sets its range{divided}; the end of the range is a fault"


KIND: Final = SensorKind(
    name="analog",
    title="Analog sender: MCP3008, MCP3208 or ADS1115",
    measures="levels, pressures and temperatures from resistive senders, 4-20 mA transmitters and voltages",
    description="""\
The Raspberry Pi cannot measure voltages. An analog-to-digital converter (ADC) measures the voltage at a
sender, and `calibration` converts the voltage to a value. The MCP3008 has 8 inputs with 10 bits, the
MCP3208 8 inputs with 12 bits, and the ADS1115 4 inputs with 15 bits.

A resistive sender is connected to ground, with a pull-up resistor to 3.3 V. American tank senders have 240
Ω when empty and 33 Ω when full. European tank senders have 10 Ω when empty and 180 Ω when full. With a
pull-up of resistance R, the voltage at a sender of resistance S is 3.3 V · S / (R + S). This relation is
not linear: with only two points, a tank that is half full would be shown as 36 % full. So let `logboat
config sender` compute the keys from the pull-up resistor and the resistances of the empty and the full
tank:

```
$ logboat config sender --ohms 240 33 --pull-up 240
calibration = [[0.3989, 1.0], [0.6501, 0.875], [0.8612, 0.75], [1.0412, 0.625],
               [1.1964, 0.5], [1.3317, 0.375], [1.4506, 0.25], [1.556, 0.125],
               [1.65, 0.0]]
valid = [0.2123, 1.98]
open_is_high = true
```

Copy these lines into the `[[sensor]]`. They assume that the level is proportional to the resistance. For a
tank of irregular shape, measure the voltage at several known levels, and write these pairs instead.

For a 4-20 mA transmitter, let the current flow through a resistor to ground. With 150 Ω the voltage is
0.6 V at 4 mA, and 3.0 V at 20 mA. `logboat config sender --shunt 150` computes the keys. It sets
`open_is_high = false`, because a broken wire carries no current. For higher voltages, use a voltage
divider, and set `divider`. [Commands](../commands-setup.md#logboat-config-sender) lists the options.

A voltage outside `valid` is recorded as `open` or `short`, never as a number.""",
    options=AnalogOptions,
    driver=lambda settings, context: AnalogDriver(settings, root=context.root),
    check=_check,
    facts=_facts,
    chips=CHIPS,
    wiring=Picture(
        "MCP3008",
        (
            Wire("3V3", "VDD, VREF"),
            Wire("GPIO11 (SCLK)", "CLK"),
            Wire("GPIO9 (MISO)", "DOUT"),
            Wire("GPIO10 (MOSI)", "DIN"),
            Wire("GPIO8 (CE0)", "CS"),
            Wire("GND", "AGND, DGND"),
        ),
        next=Picture(
            "tank sender", (Wire("VDD", "", bridge="240 Ω"), Wire("CH0", "signal"), Wire("AGND", "ground"))
        ),
    ),
    example="""\
[[sensor]]
id = "fuel-level"               # 240 ohm empty to 33 ohm full, under 240 ohm to 3.3 V
name = "Fuel"
kind = "analog"
chip = "mcp3008"
channel = 0
# printed by: logboat config sender --ohms 240 33 --pull-up 240
calibration = [[0.3989, 1.0], [0.6501, 0.875], [0.8612, 0.75], [1.0412, 0.625],
               [1.1964, 0.5], [1.3317, 0.375], [1.4506, 0.25], [1.556, 0.125],
               [1.65, 0.0]]
valid = [0.2123, 1.98]
open_is_high = true
path = "tanks.fuel.main.currentLevel"
every = "10 s"
alarm = { below = 0.15, for = "5 min", severity = "warn", text = "Fuel is low" }
""",
)
