"""Kind `analog`: the voltage at an ADC, converted to the quantity that a sender measures.

The calibration converts volts to values, and the electrical range detects `open` and `short`. A sensor
outside its electrical range never has a value. `sensors.chips.adc` reads the voltage, and `sensors.senders`
contains the arithmetic.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from sensors.chips.adc import ADS_WIDEST_V, BITS, CHANNELS, CHIPS, AdcInput, find_input
from sensors.chips.chip_keys import address_parser, parse_bus, wiring_of_chip
from sensors.chips.kernel_driver import BusReading, KernelDriver
from sensors.driver import DriverError, options_of
from sensors.kind import SensorDraft, SensorKind
from sensors.plausibility import impossible_value, missing_unit
from sensors.presentation import format_as_written
from sensors.senders import Points, interpolate, wire_state
from sensors.settings import Fact, Options, SensorSettings
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import boolean, choice, integer, list_of, number, quantity
from sensors.toml.value_forms import ValueForm, parsed_later, parses
from sensors.units import DIMENSIONS, InputError, parse_value, shown, tidy
from sensors.wiring_picture import Picture, Wire

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
    """Report the first mistake in the calibration that the parser does not detect.

    Such mistakes are pairs that look swapped, values without a unit, impossible values, and changes of
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


def _check_order_in_pairs(draft: SensorDraft, points: Points) -> bool:
    """Report pairs that look swapped, and return True if there are any.

    In swapped pairs, the values are plausible voltages of a working sender, but the voltages are not. Values
    with a unit are never mistaken for voltages.
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


def _check_direction(draft: SensorDraft, points: Points) -> None:
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
    if chip not in BITS:
        widest = ADS_WIDEST_V * divider
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
    last = highest * (1 - 2.0 ** -BITS[chip])
    if valid[1] >= last:
        draft.table.warn(
            "valid",
            f"{valid[1]:g} V includes the chip's highest code, so a wiring fault would look like a value",
            f"Write less than {math.floor(last * 100) / 100:g} V as the upper voltage.",
        )


def measure(volts: float, options: AnalogOptions) -> BusReading:
    """Convert `volts` at the sender to a value in the path's unit, or to a wiring fault."""
    state = wire_state(volts, options.valid, open_is_high=options.open_is_high)
    if state is SensorState.GOOD:
        return BusReading(tidy(interpolate(options.calibration, volts)))
    low, high = options.valid
    beyond = f"below {low:g} V" if volts < low else f"above {high:g} V"
    return BusReading(None, state, f"{volts:.3g} V is {beyond}")


# The driver ----------------------------------------------------------------------------------------


class AnalogDriver(KernelDriver):
    """Driver of the kind `analog`."""

    def __init__(self, settings: SensorSettings, *, root: Path) -> None:
        self._options = options_of(settings, AnalogOptions)
        self._chip = CHIPS[self._options.chip]
        super().__init__(settings, root=root, lane=self._chip.wiring.lane(self._options.bus))
        self._input: AdcInput | None = None

    def find(self) -> Path:
        """Find the converter by its bus and address.

        Raises `DriverError` if the chip is missing, or if it cannot measure up to the upper limit of `valid`.
        """
        options = self._options
        self._input = found = find_input(
            self._root,
            options.chip,
            options.channel,
            bus=options.bus,
            address=options.address,
            reference_v=options.reference_v,
        )
        full_v = found.full_v * options.divider
        if options.valid[1] > full_v * (1 + 1e-6):
            remedy = (
                "lower valid"
                if options.chip in BITS
                else "set the channel's gain in its overlay (…_gain=0 is 6.144 V)"
            )
            raise DriverError(
                f"{self._chip.title} measures up to {full_v:.4g} V, but valid allows up"
                f" to {options.valid[1]:g} V, so a broken wire would look like a value; {remedy}"
            )
        return found.attribute.parent

    def read(self, directory: Path, now_ns: int) -> BusReading | None:  # noqa: ARG002
        """Return the value on the channel, or the fault of its wires."""
        assert self._input is not None
        measured = self._input.read()
        volts = measured.volts * self._options.divider
        if measured.is_beyond:
            return self._beyond(volts)
        return measure(volts, self._options)

    def _beyond(self, end_v: float) -> BusReading:
        """Return the wiring fault for a voltage that the chip cannot measure, beyond `end_v`."""
        state = wire_state(
            math.copysign(math.inf, end_v), self._options.valid, open_is_high=self._options.open_is_high
        )
        return BusReading(None, state, f"the {self._chip.title} reads the end of its range, {end_v:.4g} V")


def _facts(settings: SensorSettings, written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, AnalogOptions)
    chip = CHIPS[options.chip]
    yield (
        "wiring",
        wiring_of_chip(chip, options.bus, options.address, detail=f"channel {options.channel}"),
    )
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
    if options.chip in BITS:
        end = options.reference_v * options.divider
        step = end / (1 << BITS[options.chip])
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
