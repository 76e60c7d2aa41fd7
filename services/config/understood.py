"""Describes in plain words how Logboat interprets each sensor in a `sensors.toml` file.

Values are in the units that the file uses. Each kind of sensor supplies the description of its own keys.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sensors.alarm_rules import AlarmRule, AlarmWhen
from sensors.config.loader import ExaminedSensors
from sensors.csv_recordings.files import RecordingCache
from sensors.presentation import format_as_written
from sensors.registry import kind_named
from sensors.settings import Fact, SensorSettings
from sensors.signalk_paths import CONTACT, unit_words
from sensors.units import format_duration

from .understood_outputs import UnderstoodOutput
from .understood_services import UnderstoodService

_GAP: Final = 2
"""Minimum number of spaces between a label and its text."""


@dataclass(frozen=True, slots=True)
class UnderstoodSensor:
    """Description of how Logboat interprets one sensor in a `sensors.toml` file."""

    settings: SensorSettings
    facts: tuple[Fact, ...]


def understood(examined: ExaminedSensors) -> tuple[UnderstoodSensor, ...]:
    """Return a description of each sensor, in the order of the file."""
    return tuple(
        UnderstoodSensor(settings, tuple(_facts(settings, written, examined.recordings)))
        for settings, written in zip(examined.sensors, examined.written, strict=True)
    )


def listing(
    sensors: Sequence[UnderstoodSensor],
    outputs: Sequence[UnderstoodOutput] = (),
    services: Sequence[UnderstoodService] = (),
) -> str:
    """Return the descriptions as text: the id of each sensor, output or service, then a line per fact."""
    lines = list[str]()
    described: list[tuple[UnderstoodSensor | UnderstoodOutput | UnderstoodService, str]] = [
        *((each, f"kind {each.settings.kind}") for each in sensors),
        *((each, "an output") for each in outputs),
        *((each, "a service") for each in services),
    ]
    for each, what in described:
        settings = each.settings
        name = "" if settings.name == settings.id else f" ({settings.name})"
        lines.append(f"{settings.id}{name}, {what}")
        width = max(len(subject) for subject, _ in each.facts) + _GAP
        lines += [f"  {subject.ljust(width)}{text}" for subject, text in each.facts]
    return "\n".join(lines)


def _facts(
    settings: SensorSettings, written: Mapping[str, Any], recordings: RecordingCache | None
) -> Iterator[Fact]:
    kind = kind_named(settings.kind)
    unit = "a contact" if settings.unit == CONTACT else f"in {unit_words(settings.unit)}"
    yield "path", f"{settings.path}, {unit}"
    if settings.display:
        yield "display", f"in {settings.display}"
    yield from kind.facts(settings, written)
    if recordings is not None:
        yield from kind.recording_facts(settings, recordings)
    if settings.scale != 1 or settings.offset:
        yield "correction", _correction(settings, written)
    if kind.interval_s is not None:
        yield "sampled", f"every {format_duration(settings.interval_s)}"
    if settings.average_s is not None:
        yield "average", f"the mean of the last {format_duration(settings.average_s)}"
    window = f"in windows of {format_duration(settings.window_s)}"
    if settings.deadband:
        least = _value(settings.deadband, settings, written["deadband"], difference=True)
        yield "recorded", f"changes of {least} or more, {window}"
    else:
        yield "recorded", f"{window}"
    tables = written.get("alarm", [])
    for rule, table in zip(settings.alarms, tables if isinstance(tables, list) else [tables], strict=True):
        yield "alarm", _alarm(rule, settings, table)


def _correction(settings: SensorSettings, written: Mapping[str, Any]) -> str:
    steps = [f"multiplied by {settings.scale:g}"] if settings.scale != 1 else []
    if settings.offset:
        amount = _value(abs(settings.offset), settings, written["offset"], difference=True)
        steps.append(f"{'raised' if settings.offset > 0 else 'lowered'} by {amount}")
    return f"the measured value is {', then '.join(steps)}"


def _value(value: float, settings: SensorSettings, written: object, *, difference: bool = False) -> str:
    return format_as_written(value, settings.unit, written, path=settings.path, difference=difference)


def _alarm(rule: AlarmRule, settings: SensorSettings, table: Mapping[str, Any]) -> str:
    conditions = [
        *_limits(rule, settings, table),
        *rule.equipment_conditions(),
        *_changes(rule, settings, table),
    ]
    if rule.when is not None:
        conditions.insert(0, f"while {'faulty' if rule.when is AlarmWhen.FAULT else rule.when}")
    parts = [f"{rule.severity} {' or '.join(conditions)}"]
    if rule.raise_after_s:
        parts.append(f"for {format_duration(rule.raise_after_s)}")
    if rule.other is not None:
        parts.append(f"while {rule.other}")
    if rule.clear_after_s:
        parts.append(f"clears after {format_duration(rule.clear_after_s)}")
    return ", ".join(parts) + (f': "{rule.text}"' if rule.text else "")


def _limits(rule: AlarmRule, settings: SensorSettings, table: Mapping[str, Any]) -> Iterator[str]:
    for word, limit, side in (("above", rule.above, -1), ("below", rule.below, 1)):
        if limit is None:
            continue
        condition = f"{word} {_value(limit, settings, table[word])}"
        if rule.hysteresis:
            end = _value(limit + side * rule.hysteresis, settings, table[word])
            condition += f" (until {end})"
        yield condition


def _changes(rule: AlarmRule, settings: SensorSettings, table: Mapping[str, Any]) -> Iterator[str]:
    for key, word, change in (
        ("rises_faster", "rises", rule.rises_faster),
        ("falls_faster", "falls", rule.falls_faster),
    ):
        if change is not None:
            amount = _value(change, settings, table[key], difference=True)
            yield f"{word} more than {amount} in {format_duration(rule.per_s or 0.0)}"
