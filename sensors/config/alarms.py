"""Reader of the alarm rules of a sensor: the tables in its key `alarm`.

A rule has one condition. `CONDITIONS` lists the conditions, with the keys that describe each of them. Which
conditions a sensor can have depends on its unit and its kind.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from sensors.kind import SensorDraft, Values
from sensors.presentation import format_as_written
from sensors.settings import AlarmRule, AlarmWhen
from sensors.signalk_paths import CONTACT, is_temperature_difference
from sensors.toml.declarations import from_values, schema_of
from sensors.toml.schema import Advice, Table
from sensors.units import parse_value, shown

from .values import check_value, parse_difference

CONDITIONS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "above": frozenset({"above", "below", "hysteresis"}),
        "when": frozenset({"when"}),
    }
)
"""Keys of each condition, by the name of its first key."""
_LIMITS: Final = ("above", "below", "hysteresis")
_FOR_NUMBERS: Final = (
    "this key is only for numbers, and this sensor is a contact",
    'Write when = "active" or "inactive".',
)
_OUTSIDE_ALARM: Final = (
    "this key belongs to the sensor, not to its alarm",
    "Move it out of { … }, or above [sensor.alarm].",
)
_FOR_CONTACTS: Final = (
    "this state is only for contacts, and this sensor measures a number",
    'Write above = … or below = …, or when = "fault".',
)
_NO_FAULTS: Final = ("a manual sensor has no faults", "Remove this rule.")


def in_alarm(key: str) -> Advice:
    """Return the advice for a key of an alarm that is written outside of it."""
    return "this key belongs in alarm", f"Move it there: alarm = {{ {key} = …, … }}"


def read_alarms(draft: SensorDraft, *, keys: Collection[str]) -> tuple[AlarmRule, ...]:
    """Return the alarm rules of a sensor, and report the problems in them.

    `keys` are the keys of the sensor, which do not belong in a rule.
    """
    return tuple(_alarm(table, draft, keys) for table in draft.table.tables("alarm"))


def _alarm(table: Table, draft: SensorDraft, keys: Collection[str]) -> AlarmRule:
    unit = draft.unit
    contact = unit == CONTACT
    schema = dict(schema_of(AlarmRule))
    if (
        unit is not None
    ):  # otherwise the error in the unit is already reported, and the valid keys are not known
        for name in _LIMITS if contact else ():
            del schema[name]
        if not contact:
            is_difference = is_temperature_difference(draft.valid_value("path") or "")
            limit = replace(
                schema["above"], parse=lambda raw: parse_value(raw, unit, difference=is_difference)
            )
            schema |= {
                "above": limit,
                "below": limit,
                "hysteresis": replace(schema["hysteresis"], parse=parse_difference(unit)),
            }
    elsewhere = dict.fromkeys(table.data.keys() & keys, _OUTSIDE_ALARM)
    elsewhere |= dict.fromkeys(_LIMITS, _FOR_NUMBERS) if contact else {}
    values = table.read(schema, elsewhere=elsewhere)
    if unit is not None:
        _check_state(table, values, draft)
        _check_condition(table, values, draft)
        for key in schema.keys() & _LIMITS:
            check_value(table, key, draft, difference=key == "hysteresis")
    missing = {name: each.default for name, each in schema_of(AlarmRule).items() if name not in schema}
    return from_values(AlarmRule, {**missing, **values})


def _check_state(table: Table, values: Values, draft: SensorDraft) -> None:
    """Report a state in `when` that the sensor cannot have."""
    when: AlarmWhen | None = values["when"]
    if when is AlarmWhen.FAULT:
        if draft.kind is not None and draft.kind.name == "manual":
            table.complain("when", *_NO_FAULTS)
    elif when is not None and draft.unit != CONTACT:
        table.complain("when", *_FOR_CONTACTS)


def _check_condition(table: Table, values: Values, draft: SensorDraft) -> None:
    written = [name for name, keys in CONDITIONS.items() if not keys.isdisjoint(table.data)]
    if not written and table.faulty.isdisjoint(set().union(*CONDITIONS.values())):
        example = 'when = "active"' if draft.unit == CONTACT else "above = … or below = …"
        table.complain("", "the alarm has no condition", f"Add {example}.")
    if len(written) > 1 and table.faulty.isdisjoint(table.data):
        first, second = (
            next(key for key in table.data if key in CONDITIONS[condition]) for condition in written[:2]
        )
        table.complain(
            second,
            f"the rule has two conditions: {first} and {second}",
            f"Keep one, or write two rules: alarm = [{{ {first} = … }}, {{ {second} = … }}].",
        )
    _check_limits(table, values, draft)


def _check_limits(table: Table, values: Values, draft: SensorDraft) -> None:
    above, below, hysteresis = values.get("above"), values.get("below"), values.get("hysteresis")
    if above is None or below is None:
        return
    if above <= below:
        table.complain(
            "below",
            f"every value would raise the alarm: above {shown(table.data['above'])}, or below"
            f" {shown(table.data['below'])}",
            "Set above higher than below.",
        )
    elif hysteresis is not None and hysteresis >= above - below:
        assert draft.unit is not None
        width = format_as_written(
            above - below, draft.unit, table.data["above"], path=draft.values["path"] or "", difference=True
        )
        table.complain(
            "hysteresis",
            "hysteresis covers the whole normal range, so the alarm would never clear",
            f"Set hysteresis below {width}.",
        )
