"""Reader of the outputs in `sensors.toml`: the tables `[[output]]`.

It checks the combinations of keys of an output, and that its pin has no other user.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sensors.header_pins import BUSES
from sensors.kind import SensorDraft
from sensors.outputs import OutputSettings
from sensors.toml.declarations import from_values, schema_of
from sensors.toml.schema import Advice, Table, unique
from sensors.toml.toml_file import UNREADABLE
from sensors.units import format_duration, shown

from . import pin_conflicts
from .sections import RTC

_OF_SENSORS: Final[Mapping[str, Advice]] = {
    "severity": ("an output has severities, in the key on", 'Write: on = ["alarm", "emergency"]'),
    "kind": ("an output has no kind", "Remove this key. Any device that is turned on and off can be used."),
    "alarm": ("an alarm belongs to a sensor", "Move it to the [[sensor]] that it describes."),
    "path": ("an output is not recorded, so it has no path", "Remove this key."),
}


_BUTTON: Final = "silence_pin"
_PINS: Final = ("pin", _BUTTON)
"""Keys that contain a pin. Conflicts of `pin` are reported first."""


def pins_of_outputs(root: Table) -> frozenset[int]:
    """Return the pins that the outputs of a file claim, whether or not their tables are valid."""
    tables = root.data.get("output")
    found = [table for table in tables if isinstance(table, dict)] if isinstance(tables, list) else []
    pins = (table.get(key) for table in found for key in _PINS)
    return frozenset(pin for pin in pins if isinstance(pin, int))


def read_outputs(
    root: Table, drafts: Sequence[SensorDraft], reserved: Mapping[int, str]
) -> tuple[OutputSettings, ...]:
    """Return the outputs that a file describes, and report the problems in them.

    `reserved` has the same meaning as for `conflicts.check`. An output with problems is left out.
    """
    tables, read = root.sections("output"), list[tuple[Table, dict[str, Any]]]()
    for number, table in enumerate(tables, start=1):
        name = table.data.get("id")
        known = isinstance(name, str) and name != UNREADABLE
        table.label = f"output {shown(name)}" if known else f"output {number}"
        with table.guarded():
            values = table.read(schema_of(OutputSettings), elsewhere=_OF_SENSORS)
            _check_causes(table, values, {draft.valid_value("id") for draft in drafts})
            _check_times(table, values)
            read.append((table, values))
    with root.guarded():
        named = ((table, values["id"]) for table, values in read)
        unique(named, "id", "id of another output", "Choose another id.")
        _check_pins(read, drafts, reserved)
        if not root.problems:  # otherwise an alarm or a severity may be wrong
            _check_reach(read, drafts)
    sound = (values for table, values in read if not table.faulty)
    return tuple(
        from_values(OutputSettings, {**values, "name": values["name"] or values["id"]}) for values in sound
    )


def _check_causes(table: Table, values: Mapping[str, Any], sensors: set[str | None]) -> None:
    given = table.data
    # A cause with a misspelt key or a wrong value is reported once, and not also as missing.
    has_cause = any(table.mentions(key) for key in ("on", "sensors", "severity"))
    has_cause |= "when_silent" in table.faulty
    if not has_cause and not given.get("when_silent"):
        table.complain(
            "",
            "nothing turns this output on",
            'Add on = ["alarm", "emergency"], sensors = ["…"], or when_silent = true.',
        )
    if "on" in given and "sensors" in given:
        table.complain("sensors", "this key replaces on, but both are set", "Remove one of the two.")
    if "neighbours" in given and values["neighbours"] and not table.mentions("on"):
        table.complain(
            "neighbours", "this key needs on, because sensors are those of this vessel", "Add: on = [ … ]"
        )
    _check_repeats(table, values)
    for place, sensor in enumerate(values["sensors"] or ()):
        if sensor not in sensors:
            known = ", ".join(sorted(each for each in sensors if each)) or "none"
            table.complain(
                "sensors",
                f"there is no sensor {shown(sensor)}",
                f"Write the id of a [[sensor]] ({known}).",
                at=(place,),
            )


def _check_reach(read: Sequence[tuple[Table, Mapping[str, Any]]], drafts: Sequence[SensorDraft]) -> None:
    """Report each output that no alarm of the file's sensors can turn on, if nothing else can."""
    severities = {draft.values["id"]: [rule.severity for rule in draft.values["alarm"]] for draft in drafts}
    every = sorted({each for those in severities.values() for each in those}, key=lambda each: each.rank)
    for table, values in read:
        wanted, sensors = values["on"], values["sensors"]
        if values["neighbours"] or values["when_silent"]:
            continue
        if wanted and not set(wanted).intersection(every):
            severity = " or ".join(wanted)
            table.warn(
                "on",
                f"no alarm in this file has the severity {severity}, so nothing turns this output on",
                f"Write the severity of an alarm in this file ({' or '.join(every) or 'none'}), or add"
                " neighbours = true.",
            )
        if sensors and not any(severities[each] for each in sensors):
            table.warn(
                "sensors",
                f"no alarm is described for {' or '.join(sensors)}, so nothing turns this output on",
                "Add an alarm to the sensor, or write the id of a sensor that has an alarm.",
            )


def _check_repeats(table: Table, values: Mapping[str, Any]) -> None:
    for key in ("on", "sensors"):
        entries = values[key] or ()
        repeated = next((each for place, each in enumerate(entries) if each in entries[:place]), None)
        if repeated is not None:
            table.complain(key, f"{shown(str(repeated))} is written twice", "Remove one of the two.")


def _check_times(table: Table, values: Mapping[str, Any]) -> None:
    if "pause" in table.data and "longest" not in table.data:
        table.complain(
            "pause", "this key needs longest, because the pause follows it", 'Add: longest = "15 min"'
        )
    longest, pattern = values["longest"], values["pattern"]
    if longest is not None and pattern is not None and pattern.endswith("flashes") and longest < _CYCLE_S:
        table.complain(
            "longest",
            f"{format_duration(longest)} is too short for the pattern {shown(pattern)}",
            f'Write longest = "{_CYCLE_S:g} s" or more.',
        )


_CYCLE_S: Final = 5.0
"""Time in seconds in which the longest pattern, 9 flashes and a pause, is complete."""


def _check_pins(
    read: Sequence[tuple[Table, Mapping[str, Any]]],
    drafts: Sequence[SensorDraft],
    reserved: Mapping[int, str],
) -> None:
    users: dict[int, str] = {}
    for draft in drafts:
        pin = draft.valid_value("pin")
        if pin is not None:
            users.setdefault(pin, f"is used by {draft.with_line}")
        for line in BUSES.get(draft.lane or "", ()):
            users.setdefault(line.bcm, f"belongs to bus {draft.lane}, which {draft.with_line} uses")
    for pin, name in reserved.items():
        who = "the clock chip ([clock] rtc)" if name == RTC else pin_conflicts.holder(name)
        users.setdefault(pin, f"is used by {who}")
    taken = {*users, *(values[key] for _, values in read for key in _PINS)}
    free = [pin for pin in pin_conflicts.PROPOSED_PINS if pin not in taken]
    buttons: set[int] = set()
    for table, values, key in ((table, values, key) for key in _PINS for table, values in read):
        pin = values[key]
        if pin is None:
            continue
        if pin in users:
            choose = f"Choose another pin (free: {pin_conflicts.some(free)})"
            release = f", or {pin_conflicts.release(reserved[pin])}" if _is_released(pin, reserved) else ""
            if key == _BUTTON and pin in buttons:
                table.complain(
                    key,
                    f"{pin} {users[pin]}",
                    "Remove this key here. One button silences the alarms of all outputs.",
                )
            else:
                table.complain(key, f"{pin} {users[pin]}", f"{choose}{release}.")
            continue
        users[pin] = f"is used by {table.label} in line {table.line(key)}"
        if key == _BUTTON:
            buttons.add(pin)


def _is_released(pin: int, reserved: Mapping[int, str]) -> bool:
    return pin in reserved and reserved[pin] != RTC
