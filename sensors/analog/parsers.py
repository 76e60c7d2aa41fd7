"""Parsers of the keys of the kind `analog`. Some depend on the unit of the sensor or of its sender."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sensors.chips.adc import ADS_FULL_SCALES_V, DIFFERENTIAL, Channel
from sensors.shunts import Shunt, parse_shunt
from sensors.toml.schema import integer, list_of, number
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError, parse, parse_value, shown, si_of, unit_of_text

ELECTRICAL: Final = {"ohm": "10 ohm", "A": "4 mA", "V": "0.5 V"}
"""SI units of the electrical quantities that a sender can output, each with an example."""

_INPUT_NUMBER: Final = integer(0, 7)


@parses(ValueForm("an input", limits='0 to 7, or a differential input such as `"0-1"`'))
def parse_channel(raw: Any) -> Channel:
    """Parse the number of an input, or a differential input such as `0-1`."""
    if not isinstance(raw, str):
        channel: int = _INPUT_NUMBER(raw)
        return channel
    if raw in DIFFERENTIAL:
        return raw
    if raw.strip().isdecimal():
        raise InputError(f"{shown(raw)} is text", f"Write {raw.strip()}, without quotes.")
    known = ", ".join(f'"{each}"' for each in DIFFERENTIAL)
    raise InputError(f"{shown(raw)} is not an input", f"Write a number, or one of {known}.")


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


def range_parser(unit: str) -> Callable[[Any], tuple[float, float]]:
    """Return a parser for a pair of quantities, the lowest and the highest. Voltages need no unit."""

    def parser(raw: Any) -> tuple[float, float]:
        ends = list_of(parse_volts if unit == "V" else lambda each: parse(each, unit))(raw)
        if len(ends) != 2:
            raise InputError("a range needs two values", f"Write [lowest, highest], in {_NAMES[unit]}.")
        low, high = ends
        if low >= high:
            raise InputError(
                f"{low:g} {unit} is not below {high:g} {unit}",
                f"Write the lower {_SINGULAR[unit]} first.",
            )
        if unit != "V" and low < 0:
            raise InputError(f"{low:g} {unit} is below 0", f"Write a {_SINGULAR[unit]} that is 0 or more.")
        return low, high

    return parser


_NAMES: Final = {"V": "volts", "ohm": "ohm", "A": "mA"}
_SINGULAR: Final = {"V": "voltage", "ohm": "resistance", "A": "current"}


def is_quantity(raw: Any, unit: str) -> bool:
    """Return True if a value is a quantity in the SI unit `unit`."""
    try:
        parse_value(raw, unit)
    except InputError:
        return False
    return True


def calibration_parser(
    unit: str, *, is_difference: bool = False
) -> Callable[[Any], tuple[tuple[float, float], ...]]:
    """Return a parser for two or more pairs of a voltage and a value in `unit`, in order of rising voltage.

    The values are temperature differences if `is_difference` is True.
    """

    def point(raw: Any) -> tuple[float, float]:
        at_volts, value = parse_pair(raw)
        try:
            return parse_volts(at_volts), parse_value(value, unit, difference=is_difference)
        except InputError:
            if isinstance(at_volts, str) and is_quantity(at_volts, unit) and is_quantity(value, "V"):
                raise InputError(
                    f"the pair of {shown(at_volts)} and {shown(value)} is swapped", "Write [volts, value]."
                ) from None
            if isinstance(at_volts, str) and _is_electrical(at_volts):
                raise InputError(
                    f"{shown(at_volts)} is not a voltage", "Rename the key calibration to sender."
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


@dataclass(frozen=True, slots=True)
class SenderPoints:
    """Characteristic curve of a sender: pairs of the sender's electrical quantity and the measured value."""

    unit: str
    """SI unit of the sender's quantity, which is a key of `ELECTRICAL`."""
    points: tuple[tuple[float, float], ...]
    """Pairs in ascending order of the sender's quantity."""
    order: tuple[int, ...]
    """Position in the file of each pair in `points`."""


def _electrical_unit(raw: Any) -> str:
    """Return the SI unit of a resistance, a current or a voltage; raise `InputError` for anything else."""
    example = ", ".join(f'"{each}"' for each in ELECTRICAL.values())
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        raise InputError(f"{shown(raw)} has no unit", f"Write a quantity with its unit, such as {example}.")
    written = unit_of_text(raw, "ohm")
    unit = "" if written is None else si_of(written)
    if unit not in ELECTRICAL:
        raise InputError(
            f"{shown(raw)} is not a resistance, a current or a voltage",
            f"Write the sender's electrical output first, such as {example}, and then the reading that it"
            " represents.",
        )
    return unit


SENDER_EXAMPLE: Final = '[["10 ohm", "0 bar"], ["180 ohm", "10 bar"]]'


def sender_parser(unit: str | None, *, is_difference: bool = False) -> Callable[[Any], SenderPoints]:
    """Return a parser for pairs of a sender's quantity and a value in `unit`.

    If `unit` is None, the values are not parsed. If `is_difference` is True, they are temperature
    differences.
    """

    def point(raw: Any) -> tuple[str, float, float]:
        if not isinstance(raw, list) or len(raw) != 2:
            raise InputError(
                f"{shown(raw)} is not a pair of values", 'Write, for example, ["10 ohm", "0 bar"].'
            )
        at, value = raw
        try:
            own = _electrical_unit(at)
        except InputError:
            if unit is not None and is_quantity(at, unit) and _is_electrical(value):
                raise InputError(
                    f"the pair of {shown(at)} and {shown(value)} is swapped",
                    f"Write [{shown(value)}, {shown(at)}].",
                ) from None
            raise
        quantity = parse(at, own)
        if own != "V" and quantity < 0:
            raise InputError(f"{shown(at)} is below 0", f"Write a {_SINGULAR[own]} that is 0 or more.")
        number = 0.0 if unit is None else parse_value(value, unit, difference=is_difference)
        return own, quantity, number

    def parser(raw: Any) -> SenderPoints:
        if not isinstance(raw, list):
            raise InputError(f"{shown(raw)} is not a list of pairs", f"Write, for example, {SENDER_EXAMPLE}.")
        found = list_of(point, least=2)(raw)
        own = found[0][0]
        seen: dict[float, int] = {}
        for place, (other, at, _) in enumerate(found):
            if other != own:
                raise InputError(
                    f"a {_SINGULAR[other]} follows a {_SINGULAR[own]}",
                    f"Write a {_SINGULAR[own]} in each pair.",
                    at=(place,),
                )
            if seen.setdefault(at, place) != place:
                raise InputError(
                    f"{shown(raw[place][0])} is written twice",
                    f"Write each {_SINGULAR[own]} once.",
                    at=(place,),
                )
        order = sorted(range(len(found)), key=lambda place: found[place][1])
        return SenderPoints(own, tuple(found[place][1:] for place in order), tuple(order))

    return parser


def _is_electrical(raw: Any) -> bool:
    try:
        _electrical_unit(raw)
    except InputError:
        return False
    return True


@parses(ValueForm("a number or a temperature", limits="500 to 10000"))
def parse_beta(raw: Any) -> float:
    """Parse the B value of a thermistor in K, with or without the unit."""
    if isinstance(raw, str) and unit_of_text(raw, "K") == "K":
        raw = parse(raw, "K")
    beta: float = number(500, 10_000)(raw)
    return beta


@parses(ValueForm("a voltage", "V", limits=", ".join(f"{each:g}" for each in ADS_FULL_SCALES_V) + " V"))
def parse_gain(raw: Any) -> float:
    """Parse a full scale of an ADS1115."""
    volts = parse(raw, "V")
    for full_scale_v in ADS_FULL_SCALES_V:
        if math.isclose(volts, full_scale_v):
            return full_scale_v
    known = ", ".join(f'"{each:g} V"' for each in ADS_FULL_SCALES_V)
    raise InputError(f"{shown(raw)} is not a full scale of an ADS1115", f"Use one of {known}.")


@parses(ValueForm("a resistance or a rating", "ohm", limits="10 uohm to 100 ohm"))
def parse_rated_shunt(raw: Any) -> Shunt:
    """Parse a shunt's resistance (`100 uohm`) or its rating (`500 A / 50 mV`)."""
    return parse_shunt(raw)
