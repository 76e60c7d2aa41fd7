"""Reader of the key `while` of an alarm rule: a condition on another sensor of the vessel.

The unit of the limit is that of the other sensor, so the key is read after all sensors are known.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from sensors.alarm_rules import AlarmRule, OtherSensor
from sensors.kind import SensorDraft
from sensors.plausibility import impossible_value, missing_unit
from sensors.signalk_paths import CONTACT, is_temperature_difference
from sensors.toml.schema import Table, text
from sensors.units import InputError, close, parse_value, shown

_FORM: Final = (
    'Write the id of a sensor, above or below, and a limit, such as "main-rpm above 500 rpm". For a contact,'
    ' write active or inactive: "engine-run active".'
)
_STATES: Final = {"active": True, "inactive": False}
_MOST_IDS: Final = 8


def relate_alarms(draft: SensorDraft, drafts: Mapping[str, SensorDraft]) -> None:
    """Read `while` in the alarm rules of a sensor, and report the problems in it.

    `drafts` contains all sensors by id.
    """
    rules: tuple[AlarmRule, ...] = draft.values["alarm"]
    if all(rule.other is None for rule in rules):
        return
    draft.values["alarm"] = tuple(
        rule if rule.other is None else replace(rule, other=_read(table, draft, drafts))
        for rule, table in zip(rules, draft.table.tables("alarm"), strict=True)
    )


def _read(table: Table, draft: SensorDraft, drafts: Mapping[str, SensorDraft]) -> OtherSensor | None:
    def parser(raw: Any) -> OtherSensor | None:
        return _parse(text()(raw), draft, drafts)

    other: OtherSensor | None = table.value("while", parser)
    return other


def _parse(written: str, draft: SensorDraft, drafts: Mapping[str, SensorDraft]) -> OtherSensor | None:
    name, _, condition = " ".join(written.split()).partition(" ")
    word, _, limit = condition.partition(" ")
    if word not in ("above", "below", *_STATES) or (word in _STATES) is bool(limit):
        raise InputError(f"{shown(written)} is not a condition on another sensor", _FORM)
    other = drafts.get(name)
    if other is draft:
        raise InputError("a rule cannot depend on its own sensor", "Write the id of another sensor.")
    if other is None:
        near = close(name, (each for each in drafts if drafts[each] is not draft))
        some = ", ".join(list(drafts)[:_MOST_IDS]) + (" …" if len(drafts) > _MOST_IDS else "")
        remedy = f'Did you mean "{near}"?' if near else f"The ids in this file are {some}."
        raise InputError(f"no sensor has the id {shown(name)}", remedy)
    if other.unit is None or other.valid_value("path") is None:
        return None  # the problem of that sensor is already reported
    if (other.unit == CONTACT) is not (word in _STATES):
        if other.unit == CONTACT:
            raise InputError(f"{name} is a contact, which has no limit", f'Write "{name} active".')
        raise InputError(f"{name} is a number, which is never {word}", f'Write "{name} above …".')
    if word in _STATES:
        return OtherSensor(name, written, active=_STATES[word])
    value = _limit(limit, other.unit, other.values["path"])
    if word == "above":
        return OtherSensor(name, written, above=value)
    return OtherSensor(name, written, below=value)


def _limit(written: str, unit: str, path: str) -> float:
    number = _number(written)
    if problem := missing_unit(number, unit, path=path):
        raise problem
    value = parse_value(number, unit, difference=is_temperature_difference(path))
    if problem := impossible_value(number, unit, path=path):
        raise problem
    return value


def _number(written: str) -> str | float:
    """Return a limit that is written without a unit as a number, and any other limit unchanged."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(written)
    return written
