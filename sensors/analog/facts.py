"""Facts about the keys of an analog sender, which `logboat config check` shows."""

from collections.abc import Iterator, Mapping
from typing import Any

from sensors.chips.adc import CHIPS
from sensors.chips.chip_keys import wiring_of_chip
from sensors.driver import options_of
from sensors.presentation import format_as_written, format_value
from sensors.senders import Conversion, NtcCurve, Points, PullUp, SeriesResistor, written
from sensors.settings import Fact, SensorSettings

from .checks import difference, step_v
from .options import AnalogOptions


def facts(settings: SensorSettings, table: Mapping[str, Any]) -> Iterator[Fact]:
    """Yield the facts about a sensor; `table` is the sensor's table with unparsed values."""
    options = options_of(settings, AnalogOptions)
    found = options.conversion
    chip = CHIPS[options.chip]
    yield "wiring", wiring_of_chip(chip, options.bus, options.address, detail=f"channel {options.channel}")
    yield _characteristic(settings, options, found, table)
    if isinstance(found.circuit, PullUp):
        yield "pull-up", f"{written(found.circuit.pull_up_ohm, 'ohm')} to {found.circuit.supply_v:g} V"
    if isinstance(found.circuit, SeriesResistor) and options.shunt is None:
        low, high = (found.circuit.volts(end) for end in found.curve.span())
        yield (
            "resistor",
            f"{written(found.circuit.ohm, 'ohm')}, at which the voltage is {low:.3g} to {high:.3g} V",
        )
    yield "fault", _faults(settings, options, found)
    yield "converter", _converter(settings, options, found)


def _characteristic(
    settings: SensorSettings, options: AnalogOptions, found: Conversion, table: Mapping[str, Any]
) -> Fact:
    if options.shunt is not None:
        return "shunt", f"{options.shunt.described}: 1 A causes {options.shunt.ohm * 1000:g} mV"
    if isinstance(found.curve, NtcCurve):
        return (
            "thermistor",
            f"{written(found.curve.r25_ohm, 'ohm')} at 25 °C, B value {found.curve.beta_k:g} K",
        )
    if options.calibration is not None:
        pairs = [
            f"{volts:g} V -> {value}"
            for (volts, _), value in zip(
                options.calibration, _values(settings, options.calibration, table["calibration"]), strict=True
            )
        ]
        return "calibration", ", ".join(pairs)
    assert options.sender is not None
    in_file = [table["sender"][row] for row in options.sender.order]
    values = _values(settings, options.sender.points, in_file)
    pairs = [
        f"{written(quantity, options.sender.unit)} -> {value}"
        for (quantity, _), value in zip(options.sender.points, values, strict=True)
    ]
    return "sender", ", ".join(pairs)


def _values(settings: SensorSettings, points: Points, pairs: Any) -> list[str]:
    """Return the values of the pairs in the file's units.

    A 0 without a unit gets the unit of the other values.
    """
    raw = [value for _, value in pairs]
    usual = next((value for value in raw if isinstance(value, str)), None)
    return [
        format_as_written(
            value, settings.unit, usual if each == 0 and usual is not None else each, path=settings.path
        )
        for (_, value), each in zip(points, raw, strict=True)
    ]


def _faults(settings: SensorSettings, options: AnalogOptions, found: Conversion) -> str:
    low, high = found.valid
    unit = found.circuit.unit
    if found.below is found.above:
        return f"{found.below} below {written(low, unit)}, above {written(high, unit)}"
    ends = [
        f"{found.below} below {_end(settings, found, low)}",
        f"{found.above} above {_end(settings, found, high)}",
    ]
    if low <= 0 and not options.is_signed:
        ends[0] = f"{found.below} is not detected, because a working sender can have 0 {unit}"
    return ", ".join(ends)


def _end(settings: SensorSettings, found: Conversion, quantity: float) -> str:
    """Return an end of the electrical range, with its voltage and, for a thermistor, its temperature."""
    unit = found.circuit.unit
    if unit == "V":
        return f"{quantity:g} V"
    more = [f"{found.circuit.volts(quantity):.3g} V"]
    if isinstance(found.curve, NtcCurve):
        value = found.curve.value(quantity)
        more.append(format_value(value, settings.unit, path=settings.path, shown_in=settings.display))
    return f"{written(quantity, unit, digits=3)} ({', '.join(more)})"


def _converter(settings: SensorSettings, options: AnalogOptions, found: Conversion) -> str:
    divided = f" (divider {options.divider:g})" if options.divider != 1 else ""
    end = (options.full_scale_v or options.reference_v) * options.divider
    first = f"{-end:.4g}" if options.is_signed else "0"
    step = step_v(options)
    resolved = difference(found.coarsest_step(step), settings.unit, settings.path)
    return (
        f"{first} to {end:.4g} V at the sender{divided}, in steps of {1000 * step:.2g} mV"
        f" (at most {resolved} each)"
    )
