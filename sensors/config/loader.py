"""Reader of `sensors.toml`: returns valid, typed settings in SI units, or reports every problem at once.

This module checks the keys that sensors of every kind have: id, path and unit, rate, window and deadband.
`alarms` checks alarm rules, `outputs` the outputs, and `services` the services. The keys of each kind are
declared in its module in `sensors.kinds`. `conflicts` checks the resources that sensors cannot share. Each
recording of a `replay` sensor is read once, to check that it can be played. No hardware is accessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from sensors import signalk_paths
from sensors.alarm_rules import AlarmRule
from sensors.csv_recordings.files import RecordingCache
from sensors.kind import SensorDraft, SensorKind
from sensors.outputs import OutputSettings
from sensors.plausibility import limits_of, missing_unit, useless_deadband
from sensors.presentation import is_total
from sensors.registry import all_kinds, kind_named, kind_names
from sensors.service_settings import ServiceSettings
from sensors.settings import (
    CorrectionKeys,
    SamplingKeys,
    SensorSettings,
    SensorsFile,
    parse_interval,
    parse_rate,
)
from sensors.signalk_paths import CONTACT, unit_words
from sensors.toml import toml_file
from sensors.toml.declarations import from_values, schema_of
from sensors.toml.schema import (
    Advice,
    Key,
    Schema,
    Table,
    choice,
)
from sensors.toml.toml_file import UNREADABLE, ConfigurationError, FileProblem, TomlFile, raise_if_any
from sensors.units import DIMENSIONS, format_duration, parse_unit_name, parse_value, shown

from . import conflicts
from .alarms import in_alarm, read_alarms
from .outputs import pins_of_outputs, read_outputs
from .sections import SECTIONS, VESSEL_FILE
from .services import read_services
from .values import check_value, parse_difference
from .while_condition import relate_alarms

__all__ = [
    "ConfigurationError",
    "ExaminedSensors",
    "FileProblem",
    "examine_sensors",
    "load_sensors",
    "nothing_described",
    "read_sensors",
]

NO_LIGHTS: Final[Mapping[int, str]] = MappingProxyType({})
NO_SENSORS: Final = "no_sensors"
"""Key that states that a file deliberately describes no sensor."""


@dataclass(frozen=True, slots=True)
class ExaminedSensors:
    """Sensors that a file describes, and warnings about the file."""

    sensors: tuple[SensorSettings, ...]
    """The sensors, in the file's order."""
    written: tuple[Mapping[str, Any], ...]
    """Table of each sensor, with unparsed values, in the same order as `sensors`."""
    warnings: tuple[FileProblem, ...]
    """Problems because of which a new file is rejected, but not a file that is already in use."""
    recordings: RecordingCache | None = None
    """Recordings that `replay` sensors play; None if they were not read."""
    outputs: tuple[OutputSettings, ...] = ()
    """The outputs, in the file's order."""
    services: tuple[ServiceSettings, ...] = ()
    """The services, in the file's order."""


def load_sensors(
    path: Path, *, reserved: Mapping[int, str] = NO_LIGHTS, missing_ok: bool = False
) -> tuple[SensorSettings, ...]:
    """Return the sensors that a file in use describes, in the file's order.

    `reserved` maps each pin that something other than a sensor uses to the name of its user, as for
    `conflicts.check`. With `missing_ok`, a missing file counts as a file without sensors. Raises
    `ConfigurationError` with all problems of the file; no content of the file causes another exception.
    """
    return read_sensors(toml_file.read(path, missing_ok=missing_ok), reserved=reserved)


def read_sensors(
    file: TomlFile,
    *,
    reserved: Mapping[int, str] = NO_LIGHTS,
    none_ok: bool = False,
    check_recordings: bool = True,
) -> tuple[SensorSettings, ...]:
    """Return the sensors described by a file in use that has already been read.

    The arguments are those of `examine_sensors`, whose warnings are ignored.
    """
    return examine_sensors(
        file, reserved=reserved, none_ok=none_ok, check_recordings=check_recordings
    ).sensors


def examine_sensors(
    file: TomlFile,
    *,
    reserved: Mapping[int, str] = NO_LIGHTS,
    none_ok: bool = False,
    check_recordings: bool = True,
) -> ExaminedSensors:
    """Return the sensors described by a file that has already been read, and warnings about the file.

    A recording of a million rows takes seconds to read; without `check_recordings`, only its existence is
    checked. A file without sensors must contain `no_sensors = true`, unless `none_ok` is true. Raises
    `ConfigurationError` with all problems, including the warnings, if the file would be rejected even when
    already in use.
    """
    recordings = RecordingCache() if check_recordings else None
    root = Table.root(file)
    values = root.read(schema_of(SensorsFile), elsewhere=_advice_at_top(root))
    drafts: list[SensorDraft] = []
    for number, table in enumerate(root.sections("sensor"), start=1):
        with table.guarded():
            drafts.append(_draft(table, number, file.path.parent, recordings))
    by_id = {name: draft for draft in drafts if (name := draft.valid_value("id")) is not None}
    for draft in drafts:
        if draft.kind is not None and draft.valid_value("id") is not None:
            with draft.table.guarded():
                draft.kind.relate(draft, by_id)
        with draft.table.guarded():
            relate_alarms(draft, by_id)
    with root.guarded():
        conflicts.check(drafts, reserved, outputs=pins_of_outputs(root))
    outputs = read_outputs(root, drafts, reserved)
    services = read_services(root, drafts)
    if file.content is not None and not none_ok:
        _check_that_something_is_recorded(root, wants_none=values[NO_SENSORS])
    raise_if_any(root.problems)
    sensors: list[SensorSettings] = []
    for draft in drafts:
        with draft.table.guarded():
            sensors.append(_settings(draft))
    warnings = raise_if_any(root.problems)
    written = tuple(draft.table.data for draft in drafts)
    return ExaminedSensors(tuple(sensors), written, warnings, recordings, outputs, services)


def nothing_described(path: Path) -> FileProblem:
    """Return the problem to report when `sensors.toml` is missing."""
    return FileProblem(path, None, "", "the file does not exist, so nothing is recorded", _DESCRIBE)


_DESCRIBE: Final = f"Add a [[sensor]], or write {NO_SENSORS} = true if nothing is wired."

_DESCRIBE_BESIDE_OUTPUTS: Final = (
    f"Add a [[sensor]], or write {NO_SENSORS} = true at the top if this vessel has no sensors."
)


def _check_that_something_is_recorded(root: Table, *, wants_none: bool | None) -> None:
    """Report a problem if the file describes no sensor and does not contain `no_sensors = true`.

    A power cut can leave a file empty. An empty file must not be mistaken for that of a vessel without
    sensors.
    """
    has_sensors = bool(root.data.get("sensor"))
    if has_sensors and wants_none:
        root.complain(
            NO_SENSORS, "this key is true, but the file describes sensors", "Remove this key or the sensors."
        )
    elif not has_sensors and not wants_none and not root.problems:
        if root.data.get("output"):
            root.complain(
                "", "only outputs are described, so nothing would be recorded", _DESCRIBE_BESIDE_OUTPUTS
            )
        else:
            root.complain("", "no sensor is described, so nothing would be recorded", _DESCRIBE)


_OTHER_FILE: Final[Mapping[str, Advice]] = dict.fromkeys(
    SECTIONS, (f"this section belongs in {VESSEL_FILE}", "Move the section to that file.")
)
_IN_SENSOR: Final = (
    "this key belongs in a [[sensor]]",
    "Move the line below the [[sensor]] that it describes.",
)
_ALARM_HEADER: Final = (
    "an alarm belongs to a sensor",
    "Write the header as [[sensor.alarm]], below the [[sensor]] that it describes.",
)
_AT_TOP: Final = (
    "this key belongs at the top of the file, and only if the file describes no sensor",
    "Remove this line.",
)


def _advice_at_top(root: Table) -> Mapping[str, Advice]:
    unknown = root.data.keys() - schema_of(SensorsFile).keys() - _OTHER_FILE.keys()
    keys = {**COMMON, **_any_kind()} if unknown else {}  # the kinds are loaded only if a key is unknown
    alarm = {"alarm": _ALARM_HEADER} if root.row("alarm").lstrip().startswith("[") else {}
    return {**dict.fromkeys(keys, _IN_SENSOR), **alarm, **_OTHER_FILE}


# Keys of every kind --------------------------------------------------------------------------------


def _as_it_is(raw: Any) -> Any:
    """Return the value unchanged. It will be parsed once the sensor's unit is known."""
    return raw


def _common() -> Schema:
    schema = schema_of(SensorSettings)
    return {**schema, "kind": replace(schema["kind"], parse=choice(*kind_names()))}


COMMON: Final[Schema] = _common()
"""Keys that sensors of every kind have."""


@cache
def _any_kind() -> Schema:
    """Return a schema with the keys of all kinds, for a sensor whose kind is unknown or missing.

    The schema checks only the values of pins. Pins have the same form in every kind, and can conflict.
    """
    return {
        key: replace(what, parse=what.parse if key == "pin" else _as_it_is, required="")
        for kind in all_kinds().values()
        for key, what in {**kind.schema, **schema_of(SamplingKeys), **schema_of(CorrectionKeys)}.items()
    }


def _schema(kind: SensorKind | None) -> Schema:
    if kind is None:
        return {**_any_kind(), **COMMON}
    if kind.interval_s is None:
        return {**COMMON, **kind.schema}
    fastest = kind.fastest_hz
    pace = {"rate": Key(parse_rate(fastest)), "every": Key(parse_interval(fastest))}
    reads_chip = kind.chips or kind.pin_overlay is not None
    correction = schema_of(CorrectionKeys) if reads_chip and kind.has_correction else {}
    return {**COMMON, **kind.schema, **pace, **correction}


def _draft(table: Table, number: int, folder: Path, recordings: RecordingCache | None) -> SensorDraft:
    name = table.data.get("id")
    table.label = (
        f"sensor {shown(name)}" if isinstance(name, str) and name != UNREADABLE else f"sensor {number}"
    )
    kind_name = table.data.get("kind")
    kind = kind_named(kind_name) if kind_name in kind_names() else None
    schema = _schema(kind)
    others: dict[str, Advice] = {}
    if not table.data.keys() <= schema.keys():  # the other kinds are loaded only if a key is unknown
        others = {
            key: (f'kind "{kind_name}" does not have this key', f"Its keys are: {', '.join(schema)}.")
            for key in _any_kind()
            if key not in schema
        }
        others |= {key: in_alarm(key) for key in schema_of(AlarmRule) if key not in schema}
        others[NO_SENSORS] = _AT_TOP
    draft = SensorDraft(table, kind, table.read(schema, elsewhere=others), None, folder, recordings)
    if kind is None:
        table.faulty |= _any_kind().keys() - {"pin"}
    draft.unit = _find_unit(draft)
    draft.values["interval"] = _interval(draft)
    draft.values["deadband"] = _deadband(draft)
    draft.values["offset"] = _offset(draft)
    _check_average(draft)
    draft.values["display"] = _display(draft)
    draft.values["alarm"] = read_alarms(draft, keys=_schema(draft.kind).keys())
    if kind is not None:
        kind.check(draft)
        _check_reach(draft)
    return draft


def _find_unit(draft: SensorDraft) -> str | None:
    """Return the path's unit, or else the unit in the file, or else the unit that the kind implies.

    Report a problem if two of these differ. Returns None if the unit is not known.
    """
    table, path, written = draft.table, draft.valid_value("path"), draft.valid_value("unit")
    if path is None:
        return None
    known = signalk_paths.unit_of(path)
    near = "" if known is not None else signalk_paths.similar(path)
    natural = None if draft.kind is None else draft.kind.unit(draft.values)
    unit = next((unit for unit in (known, written, natural) if unit is not None), None)
    if unit is None:
        hint = f'Did you mean "{near}"? If not, add' if near else "Add"
        if "unit" not in table.faulty and draft.kind is not None:
            table.complain(
                "path", f"the unit of {shown(path)} is not known", f'{hint} its SI unit: unit = "…".'
            )
        return None
    if known is not None and written not in (None, known):
        table.complain(
            "unit", f"{path} is in {unit_words(known)}, not in {unit_words(written)}", "Remove unit."
        )
    elif natural is not None and natural != unit:
        table.complain(
            "path" if known is not None else "unit",
            f"this sensor measures in {unit_words(natural)}, but {path} is in {unit_words(unit)}",
            "Choose a path with that unit.",
        )
        return None
    if near.casefold() == path.casefold():
        table.warn(
            "path",
            f"{shown(path)} differs from a known path only in its capital letters",
            f'Write: path = "{near}"',
        )
    return unit


def _interval(draft: SensorDraft) -> float:
    """Return the interval between samples in seconds."""
    table, values = draft.table, draft.values
    usual = None if draft.kind is None else draft.kind.interval_s
    if usual is None:
        return 1.0
    if "rate" in table.data and "every" in table.data:
        table.complain("every", "rate and every are both set", "Keep one of them.")
    if values["rate"] is not None:
        return 1.0 / float(values["rate"])
    return usual if values["every"] is None else float(values["every"])


def _deadband(draft: SensorDraft) -> float:
    table, unit = draft.table, draft.unit
    if "deadband" not in table.data or unit is None:
        return 0.0
    if unit == CONTACT:
        table.complain("deadband", "a contact has no deadband", "Remove this key.")
        return 0.0
    deadband = table.value("deadband", parse_difference(unit)) or 0.0
    check_value(table, "deadband", draft, difference=True)
    return deadband


def _check_reach(draft: SensorDraft) -> None:
    """Report a deadband so large that no change of the value can exceed it."""
    table, unit, path = draft.table, draft.unit, draft.valid_value("path")
    deadband, sender = draft.valid_value("deadband"), draft.valid_value("sender")
    if not deadband or unit is None or path is None:
        return
    if missing_unit(table.data["deadband"], unit, path=path, difference=True) is not None:
        return
    points = getattr(sender, "points", None) or draft.valid_value("calibration") or ()
    ends = tuple(value for _, value in points)
    if not ends or not all(isinstance(end, float) for end in ends):  # the pairs are missing, or not parsed
        ends = limits_of(unit, path=path)
    problem = useless_deadband(deadband, max(ends) - min(ends), unit, path=path)
    if problem is not None:
        table.warn("deadband", problem.text, problem.remedy)


def _offset(draft: SensorDraft) -> float:
    table, unit = draft.table, draft.unit
    if "offset" not in table.data or "offset" in table.faulty or unit is None or unit == CONTACT:
        return 0.0
    offset: float = table.value("offset", lambda raw: parse_value(raw, unit, difference=True)) or 0.0
    check_value(table, "offset", draft, difference=True)
    return offset


def _display(draft: SensorDraft) -> str:
    """Return the unit in which the value is displayed; empty for the default unit."""
    table, unit = draft.table, draft.unit
    if "display" not in table.data or "display" in table.faulty or unit is None:
        return ""
    if unit == CONTACT or unit not in DIMENSIONS:
        what = "a contact has" if unit == CONTACT else f"{unit_words(unit)} have"
        table.complain("display", f"{what} no other unit", "Remove this key.")
        return ""
    shown_in: str = table.value("display", lambda raw: parse_unit_name(raw, unit)) or ""
    return shown_in


def _check_average(draft: SensorDraft) -> None:
    """Report the key `average` for values that cannot be averaged, or with a time that is too short."""
    table, kind, path = draft.table, draft.kind, draft.valid_value("path")
    average_s = draft.valid_value("average")
    if average_s is None or kind is None or draft.unit is None or path is None:
        return
    why = "a contact has no mean" if draft.unit == CONTACT else kind.why_no_mean(draft.values)
    if not why and is_total(draft.unit, path):
        why = "the value is a total"
    if why:
        table.complain("average", why, "Remove this key.")
        return
    interval_s = draft.values["interval"]
    if kind.interval_s is not None and average_s < 2 * interval_s:
        table.complain(
            "average",
            f"{format_duration(average_s)} contains only one sample, because a sample is taken every"
            f" {format_duration(interval_s)}",
            f'Write average = "{format_duration(2 * interval_s)}" or more, or remove this key.',
        )


# Settings ------------------------------------------------------------------------------------------


def _settings(draft: SensorDraft) -> SensorSettings:
    values, kind, unit = draft.values, draft.kind, draft.unit
    assert kind is not None
    assert unit is not None
    values["name"] = values["name"] or values["id"]
    return from_values(
        SensorSettings,
        {**values, "unit": unit},
        options=kind.options_from(draft),
        interval_s=values["interval"],
        scale=values.get("scale", 1.0),
        offset=values["offset"],
    )
