"""Parsed and validated configuration of a sensor, with quantities as SI numbers.

This module declares the keys that sensors of every kind have. The module of each kind in `sensors.kinds`
declares the keys of that kind. `sensors.config.loader` makes the settings from `sensors.toml`. Drivers and
the recorder use them.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, Final

from sensors import signalk_paths
from sensors.alarm_rules import AlarmRule
from sensors.outputs import OutputSettings
from sensors.service_settings import ServiceSettings
from sensors.toml.declarations import key, section, tables
from sensors.toml.schema import boolean, identifier, positive, quantity, text
from sensors.toml.value_forms import Parser, ValueForm, parsed_later, parses
from sensors.units import DIMENSIONS, InputError, shown, si_of

Fact = tuple[str, str]
"""Subject and text of a fact about a sensor, such as `fault` and `open above 3 V`."""

_IN_UNIT: Final = parsed_later(ValueForm("a quantity", "the sensor's unit"))
"""Parser that leaves a value in the sensor's unit unparsed until the unit is known."""
_TEXT: Final = text()


class Options:
    """Base class for the options of a kind of sensor: the values of the keys that only this kind has."""

    __slots__ = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that the sensor needs in addition to `sensors.toml`."""
        return ()

    @property
    def conversion_record(self) -> Mapping[str, Any]:
        """Values of keys that convert readings, by names with their units, for the vessel's document."""
        return {}

    @property
    def chip_inputs(self) -> tuple[Any, ...]:
        """Inputs of the chip that the sensor reads, as the chip's `inputs_overlay` needs them."""
        return ()


@parses(ValueForm("a Signal K path"))
def parse_path(raw: Any) -> str:
    """Parse a path that Signal K defines, or any other path in the same form."""
    path: str = _TEXT(raw)
    if not signalk_paths.is_well_formed(path):
        raise InputError(
            f"{shown(path)} is not a Signal K path",
            'Use names of letters and digits, separated by dots: "propulsion.main.oilPressure".',
        )
    return path


@parses(ValueForm("an SI unit"))
def parse_unit(raw: Any) -> str:
    """Parse an SI unit, as Signal K writes it."""
    unit: str = text(16)(raw)
    known = {*DIMENSIONS, *(meta.units for meta in signalk_paths.TABLE.values())}
    if unit not in known and (si := si_of(unit)):
        raise InputError(
            f"{shown(unit)} is not an SI unit",
            f'Values are stored in SI units. Write unit = "{si}", and the unit with each value: "10 {unit}".',
        )
    return unit


@section
class SensorSettings:
    """Settings from one `[[sensor]]` table."""

    _: KW_ONLY
    id: str = key(
        identifier, example='"bilge-float"', meaning="Id of the sensor, which is unique on the vessel."
    )
    name: str = key(
        text(80, least=1),
        default="",
        without="the id",
        example='"Main bilge float"',
        meaning="Display name of the sensor.",
    )
    kind: str = key(parsed_later(ValueForm("a kind")), example='"switch"', meaning="Kind of the sensor.")
    path: str = key(
        parse_path,
        example='"bilge.main.highWater"',
        meaning="Signal K path of the value, or a path of your own in the same form.",
    )
    unit: str = key(
        parse_unit,
        default=None,
        without="the unit of the path, or of the kind",
        example='"K"',
        meaning="SI unit of the value, as Signal K writes it, for a path that Signal K does not define."
        " `bool` is for contacts, and an empty string is for plain numbers.",
    )
    description: str = key(
        _TEXT,
        default="",
        without="none",
        example='"Resistive sender, 240 ohm"',
        meaning="Remarks about the sensor.",
    )
    display: str = key(
        parsed_later(ValueForm("a unit")),
        default="",
        without="the usual unit of the quantity",
        only_for="numbers",
        example='"psi"',
        meaning="Unit in which the value is shown by `logboat sensors`, `top`, `log` and `alarms`. Documents"
        " and programs still use the SI unit.",
    )
    window_s: float = key(
        quantity("s", "10 s", "1 h"),
        name="window",
        default=300.0,
        example='"1 min"',
        meaning="Maximum duration of a window. The samples of a window are stored as one reading.",
    )
    average_s: float | None = key(
        quantity("s", "100 ms", "1 h"),
        name="average",
        default=None,
        without="each sample has its own value",
        only_for="numbers",
        example='"30 s"',
        meaning="Time over which values are averaged. The mean of the good samples in this time replaces each"
        " value, before `deadband` and `alarm` apply. Angles are averaged as directions.",
    )
    deadband: float = key(
        _IN_UNIT,
        default=0.0,
        example='"0.5 °C"',
        meaning="Smallest change that is recorded; 0 records every sample. Contacts have no deadband.",
    )
    alarms: tuple[AlarmRule, ...] = tables(
        AlarmRule, name="alarm", default=(), without="none", meaning="Rules that raise alarms."
    )
    options: Options
    """Values of the keys that only this kind of sensor has."""
    interval_s: float = 1.0
    """Time in seconds between samples of a polled or counted sensor, from `rate` or `every`."""
    scale: float = 1.0
    """Factor by which the measured value is multiplied, from `CorrectionKeys`."""
    offset: float = 0.0
    """Number that is added to the product, in the SI unit."""


def parse_rate(fastest_hz: float) -> Parser:
    """Return a parser for the sampling rate of a kind that cannot be sampled faster than `fastest_hz`."""
    return quantity("Hz", "0.001 Hz", f"{fastest_hz:g} Hz")


def parse_interval(fastest_hz: float) -> Parser:
    """Return a parser for the time between samples of a kind, which is at least 1 / `fastest_hz`."""
    return quantity("s", f"{1000 / fastest_hz:g} ms", "1000 s")


FASTEST_HZ: Final = 1000.0
"""Highest sampling rate of any kind; most kinds allow less."""


@section
class SamplingKeys:
    """Keys for the sampling rate; a table can contain either `rate` or `every`."""

    rate: float | None = key(
        parse_rate(FASTEST_HZ),
        default=None,
        without="the rate of the kind",
        example='"2 Hz"',
        meaning="Samples per second. Some kinds have a lower maximum.",
    )
    every: float | None = key(
        parse_interval(FASTEST_HZ),
        default=None,
        without="the rate of the kind",
        example='"10 s"',
        meaning="Time between samples, instead of `rate`.",
    )


@section
class CorrectionKeys:
    """Keys that correct the value of a sensor on a chip."""

    _: KW_ONLY
    scale: float = key(
        positive,
        default=1.0,
        example="1.02",
        meaning="Factor by which the measured value, in its SI unit, is multiplied.",
    )
    offset: float = key(
        _IN_UNIT,
        default=0.0,
        example='"-0.8 °C"',
        meaning="Difference that is added to the value after `scale`.",
    )


@section
class SensorsFile:
    """The contents of a whole `sensors.toml`."""

    sensors: tuple[SensorSettings, ...] = tables(
        SensorSettings, name="sensor", default=(), meaning="The sensors of the vessel."
    )
    outputs: tuple[OutputSettings, ...] = tables(
        OutputSettings,
        name="output",
        default=(),
        meaning="Sirens, buzzers, lamps and relays that alarms turn on. [Be woken](alarm-outputs.md) shows"
        " their wiring.",
    )
    services: tuple[ServiceSettings, ...] = tables(
        ServiceSettings,
        name="service",
        default=(),
        meaning="Service that [falls due](service-due.md), such as an oil change.",
    )
    no_sensors: bool = key(
        boolean,
        default=False,
        example="true",
        meaning="Must be true in a file that describes no sensor.",
    )
