"""Checks of the keys of an analog sender: the converter, the values, the electrical range, the resolution."""

import math
from itertools import pairwise

from sensors.chips.adc import ADS_WIDEST_V, BITS, CHIPS
from sensors.chips.adc_keys import check_channel, check_place
from sensors.kind import SensorDraft
from sensors.plausibility import impossible_value, missing_unit
from sensors.presentation import presentation
from sensors.senders import Conversion, Points, PullUp, SeriesResistor, written
from sensors.toml.declarations import from_values
from sensors.units import DIMENSIONS, shown

from .key_sets import CALIBRATION, SENDERS, SHUNT, THERMISTOR, KeySet, read_key_set
from .options import LEAST_OPEN, AnalogOptions

_FEWEST_STEPS = 50
"""Minimum number of converter steps over the range of values.

With fewer steps, each step is more than 2 % of the range.
"""
_ADS_MOST_V = 5.5
"""Highest supply voltage of an ADS1115, in volts.

It is also the highest voltage that the chip's inputs tolerate (data sheet SBAS444).
"""
_MARGIN_V = 0.3
"""Voltage, in volts, by which an input may exceed its converter's supply (data sheet SBAS444).

An MCP3008 tolerates more.
"""
_THERMISTOR_STEP_K = 2.0
"""Step, in kelvin, above which the resolution of a thermistor from 0 to 100 °C counts as poor."""


def check(draft: SensorDraft) -> None:
    """Report every problem with the keys of an analog sender, and add default values for missing keys."""
    draft.is_number()
    _check_converter(draft)
    keys = read_key_set(draft)
    if keys is None:
        return
    if keys is CALIBRATION:
        if draft.unit is not None:
            _check_values(draft, "calibration", draft.valid_value("calibration"))
    elif "sender" in draft.table.data:
        sender = draft.valid_value("sender")
        _check_values(draft, "sender", None if sender is None else sender.points)
    _check_range(draft, keys)


def _check_converter(draft: SensorDraft) -> None:
    table = draft.table
    selected = draft.valid_value("chip")
    if selected is None:
        return
    chip, channel = CHIPS[selected], draft.valid_value("channel")
    if isinstance(channel, str) and selected in BITS:
        table.complain(
            "channel",
            f"Logboat reads no differential inputs of an {chip.title}",
            'Write the number of an input, or use chip = "ads1115".',
        )
    check_channel(table, selected, channel)
    if "gain" in table.data and selected in BITS:
        table.complain("gain", f"the {chip.title} has no gain", "Remove gain. Write reference instead.")
    if "reference" in table.data and selected not in BITS:
        table.warn(
            "reference",
            f"the {chip.title} has its own reference",
            "Remove reference. To set the supply of a pull-up, write supply.",
        )
    if "shunt" in table.data and selected in BITS:
        table.complain(
            "shunt",
            f"the voltage across a shunt is too low for the {chip.title}",
            'Use chip = "ads1115", or a sensor of kind "ina226".',
        )
    check_place(table, draft.values, selected)


# Values ---------------------------------------------------------------------------------------------


def _check_values(draft: SensorDraft, key: str, points: Points | None) -> None:
    """Report the first mistake in the pairs of `key` that the parser does not detect.

    Such mistakes are pairs that look swapped, values without a unit, impossible values, and changes of
    direction.
    """
    unit, path = draft.unit, draft.valid_value("path")
    if points is None or unit is None or path is None:
        return
    if key == "calibration" and _check_order_in_pairs(draft, points):
        return
    for place, (_, value) in enumerate(draft.table.data[key]):
        problem = missing_unit(value, unit, path=path)
        if problem is not None:
            remedy = f"{problem.remedy} Do so with every value of the {key}."
            draft.table.warn(key, problem.text, remedy, at=(place, 1))
            return
        problem = impossible_value(value, unit, path=path)
        if problem is not None:
            draft.table.warn(key, problem.text, problem.remedy, at=(place, 1))
            return
    _check_direction(draft, key, points)


def _check_order_in_pairs(draft: SensorDraft, points: Points) -> bool:
    """Report pairs that look swapped, and return True if there are any.

    In swapped pairs, the values are plausible voltages of a working sender, but the voltages are not. Values
    with a unit are never mistaken for voltages.
    """
    pairs, valid = draft.table.data["calibration"], draft.valid_value("valid")
    if valid is None or draft.unit not in DIMENSIONS or draft.unit == "V":
        return False
    volts, values = zip(*points, strict=True)
    if any(isinstance(value, str) for _, value in pairs) or not all(
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


def _check_direction(draft: SensorDraft, key: str, points: Points) -> None:
    """Report the first pair at which rising values fall, or falling values rise."""
    steps = [after - before for (_, before), (_, after) in pairwise(points)]
    direction = points[-1][1] - points[0][1] or next((step for step in steps if step), 0.0)
    pairs = draft.table.data[key]
    sender = draft.values["sender"]
    unit, what = ("V", "voltage") if key == "calibration" else (sender.unit, _WHAT[sender.unit])
    for place, step in enumerate(steps, start=1):
        if step * direction < 0:
            before, at = points[place - 1][0], points[place][0]
            rows = [_row(draft, key, number) for number in (place - 1, place)]
            draft.table.warn(
                key,
                f"the values change direction: {shown(pairs[rows[1]][1])} at {written(at, unit)} follows"
                f" {shown(pairs[rows[0]][1])} at {written(before, unit)}",
                f"Correct the pairs: as the {what} rises, the values must only rise, or only fall.",
                at=(rows[1], 1),
            )
            return


_WHAT = {"ohm": "resistance", "A": "current", "V": "voltage"}


def _row(draft: SensorDraft, key: str, place: int) -> int:
    """Return the position in the file of a pair, given its position in order of the sender's quantity."""
    if key == "calibration":
        return place
    order = draft.values["sender"].order
    row: int = order[place]
    return row


# Electrical range and resolution --------------------------------------------------------------------


def _check_range(draft: SensorDraft, keys: KeySet) -> None:
    """Report an electrical range that does not cover the values, or that the converter cannot measure."""
    table = draft.table
    needed = {"chip", "channel", "reference", "divider", "supply", "gain", *_selecting(keys), *keys.needs}
    if not table.faulty.isdisjoint({*needed, *keys.may_have}) or draft.unit is None:
        return
    options = from_values(AnalogOptions, draft.values)
    found = options.conversion
    if keys is not SHUNT and keys is not THERMISTOR and not _covers(draft, found, keys):
        return
    if (
        _has_sign(draft, options, found, keys)
        and _is_measurable(draft, options, found, keys)
        and _detects_open(draft, options, found)
    ):
        _check_resolution(draft, options, found, keys)


def _selecting(keys: KeySet) -> tuple[str, ...]:
    return ("sender",) if keys in SENDERS.values() else (keys.phrase,)


def _covers(draft: SensorDraft, found: Conversion, keys: KeySet) -> bool:
    """Return True if the pairs are inside the range `valid`; report a problem if they are not."""
    first, last = found.curve.span()
    low, high = found.valid
    if first <= high and last >= low:
        return True
    unit = keys.unit
    draft.table.complain(
        "valid",
        f"the {_selecting(keys)[0]} ({_span(first, last, unit)}) is outside the valid range"
        f" {_span(low, high, unit)}",
        f"Set valid to the lowest and highest {_WHAT[unit]} of a working sender.",
    )
    return False


def _span(low: float, high: float, unit: str) -> str:
    return f"{low:g} to {high:g} V" if unit == "V" else f"{written(low, unit)} to {written(high, unit)}"


def _has_sign(draft: SensorDraft, options: AnalogOptions, found: Conversion, keys: KeySet) -> bool:
    """Return True if the input can measure all pairs; report a problem if it reads negative voltages as 0."""
    first, low = found.curve.span()[0], found.valid[0]
    if options.is_signed or keys.unit != "V" or first >= 0 or low >= 0:
        return True
    draft.table.warn(
        _selecting(keys)[0],
        f"the sender delivers {first:g} V, but the input reads every negative voltage as 0 V",
        'Use a differential input of an ADS1115, such as channel = "0-1".',
    )
    return False


def _is_measurable(draft: SensorDraft, options: AnalogOptions, found: Conversion, keys: KeySet) -> bool:
    """Return True if the converter can measure the electrical range; report a problem if it cannot."""
    table = draft.table
    # a range that the file states is corrected there, and a computed one in the circuit
    key = "valid" if "valid" in table.data else _selecting(keys)[0]
    high_v = options.highest_v
    high = f"{high_v:g} V" if keys.unit == "V" else f"{written(found.valid[1], keys.unit)} ({high_v:.4g} V)"
    if options.full_scale_v is not None:
        widest_v = (options.gain_v or ADS_WIDEST_V) * options.divider
        if high_v < widest_v:
            return True
        at = "any gain" if options.gain_v is None else f"the gain {options.gain_v:g} V"
        table.warn(
            key,
            f"{high} is more than the chip can measure at {at} ({widest_v:.4g} V)",
            _remedy(options, found, keys, widest_v, key=key),
        )
        return False
    highest_v = options.reference_v * options.divider
    if high_v > highest_v:
        table.complain(
            key,
            f"{high} is more than the chip can measure ({highest_v:.4g} V)",
            _remedy(options, found, keys, highest_v, key=key),
        )
        return False
    last_v = highest_v * (1 - 2.0 ** -BITS[options.chip])
    if high_v >= last_v:
        most = math.floor(last_v * 100) / 100
        table.warn(
            key,
            f"{high} includes the chip's highest code, so a wiring fault could be mistaken for a value",
            f"Write less than {most:g} V as the upper voltage."
            if keys.unit == "V" and key == "valid"
            else _remedy(options, found, keys, last_v, key=key),
        )
        return False
    return True


def _remedy(options: AnalogOptions, found: Conversion, keys: KeySet, most_v: float, *, key: str) -> str:
    """Return advice for an electrical range that ends above `most_v`, the highest measurable voltage."""
    if key == "valid":
        least = f"{most_v:.4g} V or less" if options.full_scale_v is None else f"less than {most_v:.4g} V"
        if keys.unit == "V":
            correct = "divider" if options.full_scale_v is not None else "reference or divider"
            return f"Write {least}, or correct {correct}."
        return f"Write less than {written(found.circuit.quantity(most_v), keys.unit, digits=3)}."
    if keys is SHUNT:
        return "Correct the rating of the shunt, or gain."
    if isinstance(found.circuit, SeriesResistor):
        most = math.floor(most_v / found.valid[1] * 0.999)
        return f"Use a loop_resistor of {most} ohm or less, or a divider."
    if keys.unit == "V":
        return "Correct divider, or set valid to the range of a working sender."
    return "Use a larger pull_up, or correct supply."


def _detects_open(draft: SensorDraft, options: AnalogOptions, found: Conversion) -> bool:
    """Return True if the converter tolerates and detects a broken wire of a sender with a pull-up resistor.

    With a broken wire, the full supply voltage is at the input. If this voltage is too high, or too close to
    the electrical range, a problem is reported and the result is False.
    """
    if not isinstance(found.circuit, PullUp):
        return True
    title, supply_v = CHIPS[options.chip].title, found.circuit.supply_v
    most_v = (_ADS_MOST_V if options.chip not in BITS else options.reference_v) * options.divider
    if supply_v > most_v + _MARGIN_V * options.divider:
        draft.table.warn(
            "supply",
            f"if a wire breaks, the full supply of {supply_v:g} V reaches the input, but the {title}"
            f" tolerates only {most_v:.3g} V",
            "Connect pull_up to the reference of the converter, or use a voltage divider.",
        )
        return False
    high_v = found.valid_v[1]
    if not options.is_ratiometric and high_v > LEAST_OPEN * supply_v * (1 + 1e-9):
        draft.table.warn(
            "pull_up",
            f"{written(found.valid[1], 'ohm')} ({high_v:.3g} V) is so close to the supply ({supply_v:g} V)"
            " that a broken wire could be mistaken for a value",
            "Use a larger pull_up.",
        )
        return False
    return True


def _check_resolution(draft: SensorDraft, options: AnalogOptions, found: Conversion, keys: KeySet) -> None:
    """Warn about a converter or a circuit whose steps are too coarse for the range of values."""
    path = draft.valid_value("path")
    if keys is CALIBRATION or keys is SHUNT or path is None or draft.unit is None:
        return
    step = found.coarsest_step(step_v(options))
    ends = [found.curve.value(end) for end in found.curve.span()]
    most = _THERMISTOR_STEP_K if keys is THERMISTOR else abs(ends[1] - ends[0]) / _FEWEST_STEPS
    if step <= most or ends[0] == ends[1]:
        return
    title = CHIPS[options.chip].title
    remedy = "use a converter with more bits"
    if "pull_up" in keys.needs:
        near = options.r25_ohm if keys is THERMISTOR else found.curve.span()[1]
        assert near is not None
        remedy = f"use a pull_up of about {written(near, 'ohm', digits=2)}, or {remedy[4:]}"
    draft.table.warn(
        _selecting(keys)[0],
        f"one step of the {title} changes the value by {difference(step, draft.unit, path)}",
        f"For a finer resolution, {remedy}.",
    )


def step_v(options: AnalogOptions) -> float:
    """Return the smallest difference that the converter can measure, in volts at the sender."""
    full_scale_v = options.full_scale_v
    codes = 1 << (BITS[options.chip] if full_scale_v is None else 15)
    return (options.reference_v if full_scale_v is None else full_scale_v) / codes * options.divider


def difference(step: float, unit: str, path: str) -> str:
    """Return a difference between two values in the displayed unit, with two significant digits."""
    form = presentation(unit, path)
    number, name = (step, unit) if form is None else (step / form.factor, form.unit)
    return f"{float(f'{number:.2g}'):g} {name}".rstrip()
