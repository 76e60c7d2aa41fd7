"""Finds values that are valid, but that probably do not mean what the user intended.

Such values can occur in `sensors.toml`, in readings that users enter by hand, and in recordings. A new
`sensors.toml` with such values is rejected. In a file that is already in use they keep their meaning, and the
problem is only a warning (`FileProblem.refuses_only_new`). In a recording, a value that is impossible for the
quantity is replayed as a fault.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from sensors.presentation import Presentation, presentation
from sensors.signalk_paths import CONTACT
from sensors.units import InputError, parse_value, shown


def missing_unit(written: object, unit: str, *, path: str, difference: bool = False) -> InputError | None:
    """Return the problem with a number that lacks a unit, or None if its meaning is clear.

    The meaning is unclear if the quantity is usually written in a unit other than the SI unit `unit`. For
    example, a temperature of 95 means 95 K, but the user probably meant 95 °C. The table in `presentation`
    states the usual unit. 0 needs no unit if it means the same in every unit.
    """
    form = presentation(unit, path)
    if form is None or isinstance(written, bool) or not isinstance(written, int | float):
        return None
    if (form.factor == 1 and form.offset == 0) or (written == 0 and (difference or form.offset == 0)):
        return None
    if unit == "ratio":
        return _missing_percent(written, form, difference=difference)
    usual = written / form.factor if difference else form.number(written)
    return InputError(
        f"{written} without a unit means {written} {unit} ({usual:.6g} {form.unit})",
        _write([f"{written} {form.unit}", f"{written} {unit}"], unit, form, difference=difference),
    )


def _write(proposals: list[str], unit: str, form: Presentation, *, difference: bool) -> str:
    """Return the instruction to write one of the proposals that are possible for the quantity."""
    least, most = form.limits
    values = dict[str, float]()
    for each in proposals:
        with suppress(InputError):  # a number can become too large for a float
            values[each] = parse_value(each, unit, difference=difference)
    possible = [
        f'"{each}"'
        for each, value in values.items()
        if (abs(value) < most - least if difference else least <= value <= most)
    ]
    if possible:
        return f"Write {' or '.join(possible)}."
    return "Write a smaller difference." if difference else f"Write {_range(form)}."


def _range(form: Presentation) -> str:
    least, most = (f"{form.number(limit):.6g} {form.unit}" for limit in form.limits)
    return f"{least} or more" if form.limits[1] == math.inf else f"a value from {least} to {most}"


def impossible_value(written: object, unit: str, *, path: str) -> InputError | None:
    """Return the problem with a value that is impossible for the quantity, or None if it is possible.

    `written` is a value that `parse_value` accepts.
    """
    form = presentation(unit, path)
    if form is None:
        return None
    least, most = form.limits
    value = parse_value(written, unit)
    if least <= value <= most:
        return None
    name = path.rpartition(".")[2]
    return InputError(f"{shown(written)} is outside the possible range of {name}", f"Write {_range(form)}.")


def limits_of(unit: str, *, path: str) -> tuple[float, float]:
    """Return the lowest and the highest SI value of a quantity; each is infinite if there is no limit."""
    form = presentation(unit, path)
    return (-math.inf, math.inf) if form is None else form.limits


def useless_deadband(deadband: float, width: float, unit: str, *, path: str) -> InputError | None:
    """Return the problem with a deadband that is at least `width`; None if changes can reach the deadband.

    `width` is the distance between the lowest and the highest value of the sensor.
    """
    if deadband < width or not width:
        return None
    form = presentation(unit, path)
    factor, name = (1.0, unit) if form is None else (form.factor, form.unit)
    reached, least = (f"{value / factor:.6g} {name}".rstrip() for value in (deadband, width))
    return InputError(
        f"no change of the value can reach {reached}, so nothing would be recorded",
        f"Set deadband below {least}.",
    )


_TEMPERATURE_MARGIN_K: Final = 100.0
"""Largest change of a temperature that is always plausible, in kelvin: from a cold engine to a hot one."""


_TOLERANCE: Final = 0.1
"""Fraction of a quantity's range by which a reading may exceed the range.

Sensors have tolerances: a full tank may read 102 %.
"""


def possible_values(unit: str, *, path: str) -> Callable[[float], bool]:
    """Return a function that tells whether a value in the SI unit `unit` can be a reading of the quantity.

    A contact has only the values 0 and 1. A quantity with a lowest and a highest value may exceed them by
    the tolerance of a sensor.
    """
    if unit == CONTACT:
        return (0.0, 1.0).__contains__
    form = presentation(unit, path)
    least, most = (-math.inf, math.inf) if form is None else form.limits
    margin = _TOLERANCE * (most - least) if math.isfinite(most - least) else 0.0
    least, most = least - margin, most + margin
    return lambda value: least <= value <= most


def is_far(value: float, before: Sequence[float], unit: str, *, path: str) -> bool:
    """Return True if a value differs so much from all earlier values that it is probably a mistake.

    A value is far if its distance from the range of the earlier values exceeds both the width of that range
    and the largest magnitude in it. So a value that is ten times too high is far. No value is far if the
    quantity has a lowest and a highest value, because a tank can be empty or full at any time.
    """
    form = presentation(unit, path)
    if not before or (form is not None and all(math.isfinite(limit) for limit in form.limits)):
        return False
    low, high = min(before), max(before)
    usual = _TEMPERATURE_MARGIN_K if unit == "K" else max(abs(low), abs(high))
    margin = max(high - low, usual)
    return margin > 0 and not low - margin <= value <= high + margin


def _missing_percent(written: float, form: Presentation, *, difference: bool) -> InputError | None:
    """Return the problem with a ratio that is written as a percentage without its unit.

    People also write ratios as plain numbers: `below = 0.15` needs no unit. A difference of 1 would be the
    whole range, so 1 % is meant.
    """
    if -1 <= written <= 1 and not (difference and abs(written) == 1):
        return None
    return InputError(
        f"{written} without a unit means {written * 100:.6g} %",
        _write([f"{written} %", f"{written * 100:.15g} %"], "ratio", form, difference=difference),
    )
