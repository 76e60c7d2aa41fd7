"""Reader of the alarm rules of a sensor: the tables in its key `alarm`.

A rule has one condition. `CONDITIONS` lists the conditions, with the keys that describe each of them. Which
conditions a sensor can have depends on its unit and its kind. `while_condition` reads the key `while`, once
all sensors are known.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from sensors.alarm_rules import LONGEST_RATE_PER, AlarmRule, AlarmWhen
from sensors.kind import SensorDraft, Values
from sensors.presentation import format_as_written, is_total
from sensors.signalk_paths import CONTACT, is_temperature_difference
from sensors.toml.declarations import from_values, schema_of
from sensors.toml.schema import Advice, Table
from sensors.units import DIMENSIONS, RATES, InputError, parse, parse_value, shown

from .values import check_value, parse_difference

CONDITIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "limit": ("above", "below"),
        "state": ("when",),
        "starts": ("starts_above",),
        "running time": ("runs_above",),
        "run": ("runs_longer",),
        "idle time": ("idle_for",),
        "rate of change": ("rises_faster", "falls_faster"),
    }
)
"""Keys of each condition."""
_EVERY: Final = frozenset(key for keys in CONDITIONS.values() for key in keys)
_EQUIPMENT: Final = ("starts_above", "runs_above", "runs_longer", "idle_for")
"""Keys of conditions on equipment that starts, runs and stops."""
_RATES: Final = CONDITIONS["rate of change"]
_WITH_PER: Final = ("starts_above", "runs_above", *_RATES)
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
    """Return advice for a key that belongs in an alarm's table but is written outside it."""
    return "this key belongs in alarm", f"Move it there: alarm = {{ {key} = …, … }}"


def read_alarms(draft: SensorDraft, *, keys: Collection[str]) -> tuple[AlarmRule, ...]:
    """Return the alarm rules of a sensor, and report the problems in them.

    `keys` are the keys of a sensor's own table, which must not appear in a rule.
    """
    return tuple(_alarm(table, draft, keys) for table in draft.table.tables("alarm"))


def _alarm(table: Table, draft: SensorDraft, keys: Collection[str]) -> AlarmRule:
    unit = draft.unit
    contact = unit == CONTACT
    schema = dict(schema_of(AlarmRule))
    if unit is not None:  # otherwise the error in the unit is already reported
        for name in (*_LIMITS, *_RATES) if contact else ():
            del schema[name]
        if not contact:
            is_difference = is_temperature_difference(draft.valid_value("path") or "")
            limit = replace(
                schema["above"], parse=lambda raw: parse_value(raw, unit, difference=is_difference)
            )
            change = replace(schema["rises_faster"], parse=_change(unit))
            schema |= {
                "above": limit,
                "below": limit,
                "hysteresis": replace(schema["hysteresis"], parse=parse_difference(unit)),
                "rises_faster": change,
                "falls_faster": change,
            }
    elsewhere = dict.fromkeys(table.data.keys() & keys, _OUTSIDE_ALARM)
    elsewhere |= dict.fromkeys((*_LIMITS, *_RATES), _FOR_NUMBERS) if contact else {}
    values = table.read(schema, elsewhere=elsewhere)
    if unit is not None:
        _check_state(table, values, draft)
        _check_equipment(table, draft)
        _check_rates(table, draft)
        _check_condition(table, draft)
        _check_times(table, values)
        _check_limits(table, values, draft)
        for key in schema.keys() & {*_LIMITS, *_RATES}:
            check_value(table, key, draft, difference=key not in ("above", "below"))
    missing = {name: each.default for name, each in schema_of(AlarmRule).items() if name not in schema}
    return from_values(AlarmRule, {**missing, **values})


def _change(unit: str) -> Any:
    """Return a parser for a change of a value in `unit`, which must be more than 0."""

    def parser(raw: Any) -> float:
        change = parse_value(raw, unit, difference=True)
        if change <= 0:
            raise InputError(
                f"{shown(raw)} is not above 0", "Write a value above 0. For a fall, use falls_faster."
            )
        return change

    return parser


def _check_state(table: Table, values: Values, draft: SensorDraft) -> None:
    """Report a state in the key `when` that the sensor cannot have."""
    when: AlarmWhen | None = values["when"]
    if when is AlarmWhen.FAULT:
        if draft.kind is not None and draft.kind.name == "manual":
            table.complain("when", *_NO_FAULTS)
    elif when is not None and draft.unit != CONTACT:
        table.complain("when", *_FOR_CONTACTS)


def _check_equipment(table: Table, draft: SensorDraft) -> None:
    """Report a condition on starts, runs or idle time if the sensor does not record these."""
    kind = "" if draft.kind is None else draft.kind.name
    is_rate = kind == "pulse" and draft.unit in RATES
    if kind == "manual":
        advice = ("a person enters the values, so starts and stops are not seen", "Remove this rule.")
    elif draft.unit == CONTACT or is_rate or not kind:
        return
    elif kind == "runtime":
        advice = (
            "this sensor records a total, and not when the equipment runs",
            'Move the rule to a sensor of kind "switch" with the same pin.',
        )
    elif kind == "pulse":
        advice = (
            "this sensor records a total, and not when the equipment runs",
            'Move the rule to a sensor with measure = "rate" and the same pin.',
        )
    else:
        advice = (
            f"only contacts and pulse rates have starts and runs, and this sensor measures {_what(draft)}",
            "Write above = … or below = …, or move the rule to a contact.",
        )
    for key in _EQUIPMENT:
        if key in table.data and key not in table.faulty:
            table.complain(key, *advice)


def _what(draft: SensorDraft) -> str:
    dimension = DIMENSIONS.get(draft.unit or "")
    return "a number" if dimension is None else dimension.name


def _check_rates(table: Table, draft: SensorDraft) -> None:
    """Report a rate-of-change condition if the sensor's values do not show how fast the quantity changes."""
    path = draft.valid_value("path")
    if draft.kind is None or draft.unit in (None, CONTACT) or path is None:
        return
    why = draft.kind.why_no_mean(draft.values)
    if not why and is_total(draft.unit or "", path):
        why = "the value is a total"
    for key in _RATES if why else ():
        if key in table.data and key not in table.faulty:
            table.complain(key, f"this sensor has no rate of change, because {why}", "Remove this rule.")


def _check_condition(table: Table, draft: SensorDraft) -> None:
    """Report a rule that has no condition, or more than one."""
    written = [keys for keys in CONDITIONS.values() if not table.data.keys().isdisjoint(keys)]
    if not written and table.faulty.isdisjoint(_EVERY):
        example = 'when = "active"' if draft.unit == CONTACT else "above = … or below = …"
        table.complain("", "the alarm has no condition", f"Add {example}.")
    if len(written) > 1 and table.faulty.isdisjoint(table.data):
        first, second = (next(key for key in keys if key in table.data) for keys in written[:2])
        table.complain(
            second,
            f"the rule has two conditions: {first} and {second}",
            f"Keep one, or write two rules: alarm = [{{ {first} = … }}, {{ {second} = … }}].",
        )
    elif (
        "hysteresis" in table.data
        and written
        and written[0] != CONDITIONS["limit"]
        and table.faulty.isdisjoint(table.data)
    ):
        table.complain("hysteresis", "hysteresis is only for above and below", "Remove hysteresis.")


def _check_times(table: Table, values: Values) -> None:
    """Report times that a condition requires but lacks, and times that it does not allow."""
    if not table.faulty.isdisjoint(table.data):
        return
    needing = next((key for key in _WITH_PER if key in table.data), "")
    if needing and not table.mentions("per"):
        table.complain(needing, f"{needing} needs the time to which it refers", 'Add per = "1 h".')
    elif "per" in table.data and not needing:
        keys = ", ".join(_WITH_PER)
        table.complain("per", f"per is only for {keys}", "Remove per.")
    runs, per = values.get("runs_above"), values.get("per")
    if runs is not None and per is not None and runs >= per:
        table.complain(
            "runs_above",
            f"equipment cannot run for more than {shown(table.data['runs_above'])} in"
            f" {shown(table.data['per'])}",
            "Set runs_above below per.",
        )
    if needing in _RATES and per is not None and per > parse(LONGEST_RATE_PER, "s"):
        table.complain(
            "per",
            f"{shown(table.data['per'])} is too long for {needing}",
            f"Write {LONGEST_RATE_PER} or less.",
        )
    timed = next((key for key in _EQUIPMENT if key in table.data), "")
    if timed and "for" in table.data:
        table.complain("for", f"{timed} already contains a time", "Remove for.")


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
