"""Reader of the services in `sensors.toml`: the tables `[[service]]`.

It checks the combinations of keys of a service, and that its sensor counts running hours.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sensors.calendar_interval import CalendarInterval
from sensors.kind import SensorDraft
from sensors.presentation import is_total
from sensors.service_settings import ServiceSettings, calendar_of, id_of_name, run_of
from sensors.toml.declarations import from_values, schema_of
from sensors.toml.schema import Advice, Table, unique
from sensors.toml.toml_file import UNREADABLE
from sensors.units import shown

_OF_SENSORS: Final[Mapping[str, Advice]] = {
    "kind": ("a service has no kind", "Remove this key."),
    "path": ("a service is not measured, so it has no path", "Remove this key."),
    "alarm": ("an alarm belongs to a sensor", "Move it to the [[sensor]] that it describes."),
    "severity": ("a service raises no alarm, so it has no severity", "Remove this key."),
    "hours": ("running hours are written in the key every", 'Write: every = "250 h"'),
    "months": ("months are written in the key every or or_every", 'Write: every = "12 months"'),
    "description": ("the description of the work is written in the key text", 'Write: text = "…"'),
}
_INTERVALS: Final = ("every", "or_every", "hours", "months")
"""Keys of intervals, and keys that people may write instead."""


def read_services(root: Table, drafts: Sequence[SensorDraft]) -> tuple[ServiceSettings, ...]:
    """Return the services that a file describes, and report the problems in them.

    A service with problems is left out.
    """
    read = list[tuple[Table, dict[str, Any]]]()
    for number, table in enumerate(root.sections("service"), start=1):
        name = table.data.get("name")
        known = isinstance(name, str) and name != UNREADABLE
        table.label = f"service {shown(name)}" if known else f"service {number}"
        with table.guarded():
            values = table.read(schema_of(ServiceSettings), elsewhere=_OF_SENSORS)
            _name(table, values)
            _check_intervals(table, values)
            _check_sensor(table, values, drafts)
            _check_warning(table, values)
            read.append((table, values))
    with root.guarded():
        named = ((table, values["id"] or None) for table, values in read)
        unique(named, "id", "id of another service", "Choose another id, and write it in the key id.")
    return tuple(from_values(ServiceSettings, values) for table, values in read if not table.faulty)


def _name(table: Table, values: dict[str, Any]) -> None:
    """Add the id to a service that has only a name."""
    if table.mentions("id") or values["name"] is None:
        return
    values["id"] = id_of_name(values["name"])
    if not values["id"]:
        table.complain(
            "name", "no id can be made from this name", 'Add an id of lower-case letters: id = "engine-oil"'
        )


def _check_intervals(table: Table, values: Mapping[str, Any]) -> None:
    if not any(table.mentions(key) for key in _INTERVALS):
        table.complain(
            "",
            "this service has no interval",
            'Add every = "250 h" for running hours, or every = "12 months".',
        )
    every, or_every = values["every"], values["or_every"]
    if every is None or or_every is None:
        return
    if isinstance(every, float) and isinstance(or_every, float):
        table.complain(
            "or_every", "every and or_every are both in running hours", 'Write a time, such as "12 months".'
        )
    elif isinstance(every, CalendarInterval) and isinstance(or_every, CalendarInterval):
        table.complain(
            "or_every", "every and or_every are both times", 'Write running hours, such as "250 h".'
        )


def _check_sensor(table: Table, values: Mapping[str, Any], drafts: Sequence[SensorDraft]) -> None:
    counters = ", ".join(
        name for draft in drafts if _why_no_counter(draft) == "" and (name := draft.valid_value("id"))
    )
    choose = f"Write the id of a sensor of kind runtime that counts the running time ({counters or 'none'})."
    if run_of(values["every"], values["or_every"]) is None:
        if calendar_of(values["every"], values["or_every"]) is None or not table.faulty.isdisjoint(
            _INTERVALS
        ):
            return
        for key in ("sensor", "last_hours"):
            if key in table.data:
                table.complain(
                    key, "this key is for running hours, but the interval is a time", "Remove this key."
                )
        return
    name = values["sensor"]
    if not name:
        if not table.mentions("sensor"):
            table.complain(
                "", "nothing counts the running hours of this service", f"Add the key sensor. {choose}"
            )
        return
    draft = next((each for each in drafts if each.valid_value("id") == name), None)
    why = f"there is no sensor {shown(name)}" if draft is None else _why_no_counter(draft)
    if why:
        table.complain("sensor", why, choose)


def _why_no_counter(draft: SensorDraft) -> str | None:
    """Return the reason why a sensor does not count running hours.

    The reason is '' if it does. Return None if the sensor has a problem that is reported elsewhere.
    """
    unit, path, measure = draft.unit, draft.valid_value("path"), draft.valid_value("measure")
    if unit is None or path is None or draft.kind is None:
        return None
    name = shown(draft.valid_value("id"))
    if measure == "starts":
        return f"sensor {name} counts starts, not running time"
    if unit == "s" and (measure == "time" or is_total(unit, path)):
        return ""
    return f"sensor {name} does not count running time"


def _check_warning(table: Table, values: Mapping[str, Any]) -> None:
    warn, every, or_every = values["warn_before"], values["every"], values["or_every"]
    if warn is None or not table.faulty.isdisjoint(_INTERVALS) or (every is None and or_every is None):
        return
    is_time = isinstance(warn, CalendarInterval)
    interval = calendar_of(every, or_every) if is_time else run_of(every, or_every)
    if interval is None:
        table.complain(
            "warn_before",
            "this key is a time, but the interval is in running hours"
            if is_time
            else "this key is in running hours, but the interval is a time",
            'Write running hours, such as "25 h".' if is_time else 'Write a time, such as "30 days".',
        )
    elif _length(warn) >= _length(interval):
        words = str(interval) if isinstance(interval, CalendarInterval) else f"{interval / 3600:g} h"
        table.complain(
            "warn_before",
            f"{shown(table.data['warn_before'])} is not shorter than the interval",
            f"Write less than {words}, or remove this key.",
        )


def _length(interval: float | CalendarInterval) -> float:
    return interval.after(0.0) if isinstance(interval, CalendarInterval) else interval
