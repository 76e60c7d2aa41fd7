"""The settings of an alarm rule of a sensor, and the declarations of their keys.

The keys of a `[[sensor.alarm]]` table in `sensors.toml` are the fields of `AlarmRule`. Rules that concern
several keys or the kind of the sensor are in `sensors.config.alarms`. `services.alarms.rules` evaluates the
rules.
"""

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import Any, Final

from sensors.severity import ALARM_SEVERITIES, Severity
from sensors.toml.declarations import key, section
from sensors.toml.schema import choice, integer, one_of, quantity, text
from sensors.toml.value_forms import ValueForm, parsed_later, parses
from sensors.units import format_duration


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
    """Condition on the value of another sensor, as written in the key `while` of an alarm rule."""

    sensor: str
    """Id of the other sensor."""
    written: str
    """The condition as written in the file."""
    above: float | None = None
    """Limit in the SI unit of the other sensor."""
    below: float | None = None
    active: bool | None = None
    """State that the contact must have; None if the other sensor's value is a number."""

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
"""Parser that leaves a value unparsed until the sensor's unit is known."""
_TEXT: Final = text()


LONGEST_PER: Final = "31 d"
"""Longest period over which a rule looks back.

After a restart, so much data is read again in a few seconds.
"""
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
        """Return the condition on starts, runs or idle time as text; empty if the rule has none."""
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
