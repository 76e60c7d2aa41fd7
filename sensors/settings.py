"""Parsed and validated configuration of a sensor, with quantities as SI numbers.

This module declares the keys that sensors of every kind have. The module of each kind in `sensors.kinds`
declares the keys of that kind. `sensors.config.loader` makes the settings from `sensors.toml`. Drivers and
the recorder use them.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sensors import signalk_paths
from sensors.outputs import OutputSettings
from sensors.severity import ALARM_SEVERITIES, Severity
from sensors.toml.declarations import key, section, tables
from sensors.toml.schema import boolean, choice, identifier, integer, one_of, positive, quantity, text
from sensors.toml.value_forms import Parser, ValueForm, parsed_later, parses
from sensors.units import DIMENSIONS, InputError, format_duration, shown, si_of

Fact = tuple[str, str]
"""Subject and text of a fact about a sensor, such as `fault` and `open above 3 V`."""


class AlarmWhen(StrEnum):
    """State of a sensor that raises an alarm."""

    ACTIVE = "active"
    """The contact is active. Only contacts have this state."""
    INACTIVE = "inactive"
    """The contact is inactive. Only contacts have this state."""
    FAULT = "fault"
    """The sensor is faulty."""


@parses(ValueForm("one of", words=ALARM_SEVERITIES))
def parse_severity(raw: Any) -> Severity:
    """Parse the severity of an alarm."""
    return Severity(_SEVERITY_WORD(raw))


@dataclass(frozen=True, slots=True)
class OtherSensor:
    """Condition on the value of another sensor, which a rule has in `while`."""

    sensor: str
    """Id of the other sensor."""
    written: str
    """The condition as it is written in the file."""
    above: float | None = None
    """Limit in the unit of the other sensor."""
    below: float | None = None
    active: bool | None = None
    """State of the contact; None for a number."""

    def __str__(self) -> str:
        return self.written

    def is_met(self, value: bool | float) -> bool:
        """Return True if a value of the other sensor meets the condition."""
        if self.active is not None:
            return bool(value) is self.active
        over = self.above is not None and float(value) > self.above
        return over or (self.below is not None and float(value) < self.below)


_SEVERITY_WORD: Final = choice(*ALARM_SEVERITIES)
_IN_UNIT: Final = parsed_later(ValueForm("a quantity", "the sensor's unit"))
"""Parser that leaves a value in the sensor's unit unparsed until the unit is known."""
_TEXT: Final = text()


LONGEST_PER: Final = "31 d"
"""Longest time over which a rule looks back, so that a restart can read it again in a few seconds."""
LONGEST_RATE_PER: Final = "24 h"
_EQUIPMENT: Final = "contacts and pulse rates"


@section
class AlarmRule:
    """Rule that raises an alarm of a sensor: one condition, with a severity."""

    _: KW_ONLY
    above: float | None = key(
        _IN_UNIT,
        default=None,
        without="none",
        example='"95 °C"',
        meaning="Limit above which the alarm is raised.",
    )
    below: float | None = key(
        _IN_UNIT,
        default=None,
        without="none",
        example="0.15",
        meaning="Limit below which the alarm is raised.",
    )
    hysteresis: float = key(
        _IN_UNIT,
        default=0.0,
        example='"2 °C"',
        meaning="Distance by which the value must return past the limit before the alarm clears.",
    )
    when: AlarmWhen | None = key(
        one_of(AlarmWhen),
        default=None,
        without="none",
        example='"active"',
        meaning="State that raises the alarm. `active` and `inactive` are for contacts, which have no limits."
        " `fault` is for every sensor except manual ones: the alarm is raised while the sensor is faulty, for"
        " example because its wire is broken.",
    )
    starts_above: int | None = key(
        integer(0, 10_000),
        default=None,
        without="none",
        only_for=_EQUIPMENT,
        example="6",
        meaning="Number of starts in the time `per` above which the alarm is raised.",
    )
    runs_above_s: float | None = key(
        quantity("s", "1 s", LONGEST_PER),
        name="runs_above",
        default=None,
        without="none",
        only_for=_EQUIPMENT,
        example='"30 min"',
        meaning="Running time in the time `per` above which the alarm is raised.",
    )
    runs_longer_s: float | None = key(
        quantity("s", "1 s", LONGEST_PER),
        name="runs_longer",
        default=None,
        without="none",
        only_for=_EQUIPMENT,
        example='"10 min"',
        meaning="Length of a single run at which the alarm is raised.",
    )
    idle_for_s: float | None = key(
        quantity("s", "1 s", LONGEST_PER),
        name="idle_for",
        default=None,
        without="none",
        only_for=_EQUIPMENT,
        example='"14 d"',
        meaning="Time without a run at which the alarm is raised.",
    )
    rises_faster: float | None = key(
        _IN_UNIT,
        default=None,
        without="none",
        only_for="numbers",
        example='"5 °C"',
        meaning="Rise in the time `per` above which the alarm is raised.",
    )
    falls_faster: float | None = key(
        _IN_UNIT,
        default=None,
        without="none",
        only_for="numbers",
        example='"10 %"',
        meaning="Fall in the time `per` above which the alarm is raised.",
    )
    per_s: float | None = key(
        quantity("s", "1 s", LONGEST_PER),
        name="per",
        default=None,
        without="none",
        example='"1 h"',
        meaning="Time to which `starts_above`, `runs_above`, `rises_faster` or `falls_faster` refers: the"
        f" last hour, for example. For the last two, at most {LONGEST_RATE_PER}.",
    )
    other: OtherSensor | None = key(
        parsed_later(ValueForm("a condition")),
        name="while",
        default=None,
        without="none",
        example='"main-rpm above 500 rpm"',
        meaning="Condition on another sensor that must also be met. Write the id of the sensor, and `above`"
        " or `below` with a limit, or, for a contact, `active` or `inactive`.",
    )
    severity: Severity = key(
        parse_severity,
        example='"alarm"',
        meaning="Severity of the alarm, as defined by Signal K. `alert`: somebody should know, but does not"
        " have to act. `warn`: somebody must check it soon. `alarm`: somebody must act at once, to prevent"
        " damage. `emergency`: people or the vessel are in danger. Lists show the most severe alarms first.",
    )
    text: str = key(
        _TEXT, default="", without="none", example='"Water in the main bilge"', meaning="Text of the alarm."
    )
    raise_after_s: float = key(
        quantity("s", "0 s", "24 h"),
        name="for",
        default=0.0,
        example='"10 s"',
        meaning="Time that the condition must last before the alarm is raised.",
    )
    clear_after_s: float = key(
        quantity("s", "0 s", "24 h"),
        name="clear_for",
        default=0.0,
        example='"1 min"',
        meaning="Time that the condition must be absent before the alarm clears.",
    )

    def equipment_conditions(self) -> list[str]:
        """Return the condition on starts, runs or idle time as text; empty if the rule has another one."""
        per = format_duration(self.per_s or 0.0)
        words = []
        if self.starts_above is not None:
            starts = "start" if self.starts_above == 1 else "starts"
            words.append(f"more than {self.starts_above} {starts} in {per}")
        if self.runs_above_s is not None:
            words.append(f"runs for more than {format_duration(self.runs_above_s)} in {per}")
        if self.runs_longer_s is not None:
            words.append(f"runs without a pause for {format_duration(self.runs_longer_s)}")
        if self.idle_for_s is not None:
            words.append(f"idle for {format_duration(self.idle_for_s)}")
        return words


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
    no_sensors: bool = key(
        boolean,
        default=False,
        example="true",
        meaning="Must be true in a file that describes no sensor.",
    )
