"""The kinds of sensors: the keys of each kind, their valid values, and the options made from them.

The table `KINDS` describes every kind. Each kind's function `check` examines the combination of its keys. The
module `conflicts` checks the resources that sensors cannot share.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sensors.driver import DriverError
from sensors.kinds.replay import load
from sensors.kinds.simulation_models import MODELS
from sensors.kinds.sysfs import CHIPS
from sensors.settings import (
    AnalogOptions,
    BusOptions,
    ContactOptions,
    ManualOptions,
    Options,
    Pull,
    PulseOptions,
    ReplayOptions,
    SimulatedOptions,
)
from sensors.signalk_paths import CONTACT
from sensors.state import SensorState
from sensors.toml.schema import (
    Key,
    Schema,
    Table,
    boolean,
    choice,
    integer,
    list_of,
    number,
    one_of,
    positive,
    quantity,
)
from sensors.units import DIMENSIONS, RATES

from . import parsers
from .parsers import THERMOMETER

Values = dict[str, Any]
"""Values in a `[[sensor]]` table by key; None stands for a wrong value."""


@dataclass(slots=True)
class SensorDraft:
    """A `[[sensor]]` table that has been read but not yet fully checked."""

    table: Table
    kind: "SensorKind | None"
    """Kind of the sensor; None if the file gives no known kind."""
    values: Values
    unit: str | None
    """SI unit of the sensor; None if the unit is not known."""
    folder: Path
    """Folder that contains `sensors.toml`."""

    def valid_value(self, key: str) -> Any:
        """Return the value of a key, or None if it is missing or wrong."""
        return None if key in self.table.faulty else self.values.get(key)


def _nothing_more(_draft: SensorDraft) -> None:
    """Accept any draft: this is for kinds whose keys do not depend on each other."""


def _none(_values: Values) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class SensorKind:
    """Description of one kind of sensor, selected by the key `kind`."""

    schema: Schema
    options: Callable[[SensorDraft], Options]
    """Function that makes the options from a draft that has no problems."""
    check: Callable[[SensorDraft], None] = _nothing_more
    interval_s: float | None = 1.0
    """Default interval between samples in seconds; None for kinds that have no rate."""
    fastest_hz: float = 1000.0
    unit: Callable[[Values], str | None] = _none
    """Function that returns the SI unit that the kind implies, or None if the path decides the unit."""
    chip: Callable[[Values], str | None] = _none
    """Function that returns the chip that the kind needs (from `sysfs.CHIPS`, or a thermometer), or None."""


# Contacts and pulses -------------------------------------------------------------------------------

_LINE: Final[Schema] = {
    "pin": Key(parsers.pin, required="pin = 17"),
    "pull": Key(one_of(Pull), Pull.UP),
    "active": Key(choice("low", "high"), "low"),
}
_CONTACT: Final[Schema] = {
    **_LINE,
    "debounce": Key(quantity("s", "0 ms", "10 s"), 0.05),
    "normally_closed": Key(boolean, default=False),
    "noisy_above": Key(quantity("Hz", "0.1 Hz", "1 kHz"), 10.0),
}
_PULSE: Final[Schema] = {
    **_LINE,
    "pulses_per_unit": Key(positive, required="pulses_per_unit = 12"),
    "measure": Key(choice("rate", "total"), "rate"),
    "debounce": Key(quantity("s", "0 ms", "10 s"), 0.0),
    "max_pulse_rate": Key(quantity("Hz", "0.1 Hz", "100 kHz"), 20_000.0),
    "zero_after": Key(quantity("s", "10 ms", "1 h"), 2.0),
}


def _contact_options(draft: SensorDraft) -> ContactOptions:
    values = draft.values
    return ContactOptions(
        pin=values["pin"],
        pull=values["pull"],
        active_low=values["active"] == "low",
        debounce_s=values["debounce"],
        normally_closed=values["normally_closed"],
        noisy_above_hz=values["noisy_above"],
    )


def _pulse_options(draft: SensorDraft) -> PulseOptions:
    values = draft.values
    return PulseOptions(
        pin=values["pin"],
        pulses_per_unit=values["pulses_per_unit"],
        measure=values["measure"],
        pull=values["pull"],
        active_low=values["active"] == "low",
        debounce_s=values["debounce"],
        max_hz=values["max_pulse_rate"],
        zero_after_s=values["zero_after"],
    )


def _is_number(draft: SensorDraft) -> bool:
    """Return True if the path is not a contact's; otherwise report that this kind measures numbers."""
    if draft.unit == CONTACT:
        draft.table.complain(
            "path",
            f"{draft.values['path']} is a contact (on or off), but this sensor measures a number",
            "Choose another path.",
        )
    return draft.unit != CONTACT


def _check_pulse(draft: SensorDraft) -> None:
    """Report a problem if `measure` is `rate` but the unit is not a rate, or the reverse."""
    measure, unit = draft.valid_value("measure"), draft.unit
    if not _is_number(draft) or measure is None or unit not in DIMENSIONS:
        return
    if (unit in RATES) is not (measure == "rate"):
        other = "total" if measure == "rate" else "rate"
        draft.table.complain(
            "measure",
            f'"{measure}" does not fit {draft.values["path"]}, which is in {unit}',
            f'Write measure = "{other}", or choose another path.',
        )


# Chips on I2C, SPI and 1-wire ----------------------------------------------------------------------


def _bus_schema(chip: str, *measures: str) -> Schema:
    schema = {
        "bus": Key(parsers.bus, CHIPS[chip].wiring.usual_bus),
        "address": Key(parsers.address(chip)),
    }
    if len(measures) == 1:
        return {**schema, "measure": Key(choice(*measures), measures[0])}
    return {**schema, "measure": Key(choice(*measures), required=f'measure = "{measures[0]}"')}


_SHUNT: Final = {"shunt": Key(quantity("ohm", "10 uohm", "100 ohm"))}
_POWER: Final = ("voltage", "current", "power")


def _bus_options(draft: SensorDraft) -> BusOptions:
    values = draft.values
    return BusOptions(
        bus=values.get("bus"),
        address=values["address"],
        measure=values["measure"],
        shunt_ohm=values.get("shunt"),
    )


def _measured(values: Values) -> str | None:
    return parsers.MEASURES.get(values.get("measure") or "")


def _on_bus(chip: str, schema: Schema, *, fastest_hz: float = 1000.0, interval_s: float = 1.0) -> SensorKind:
    return SensorKind(
        schema,
        _bus_options,
        unit=_measured,
        chip=lambda _values: chip,
        fastest_hz=fastest_hz,
        interval_s=interval_s,
    )


# Voltages ------------------------------------------------------------------------------------------

_ANALOG: Final[Schema] = {
    "chip": Key(choice(*parsers.CHANNELS), required='chip = "mcp3008"'),
    "channel": Key(integer(0, 7), required="channel = 0"),
    "bus": Key(parsers.bus),
    "address": Key(lambda raw: raw),
    "calibration": Key(list_of(parsers.pair, least=2), required="calibration = [[0.5, 0.0], [2.5, 1.0]]"),
    "valid": Key(parsers.electrical_range, required="valid = [0.3, 3.0]"),
    "open_is_high": Key(boolean, default=True),
    "reference": Key(quantity("V", "0.5 V", "6 V"), 3.3),
    "divider": Key(number(1.0, 10_000.0), 1.0),
}


def _check_analog(draft: SensorDraft) -> None:
    table, values = draft.table, draft.values
    _is_number(draft)
    chip = draft.valid_value("chip")
    if chip is not None:
        channel = draft.valid_value("channel")
        if channel is not None and channel >= parsers.CHANNELS[chip]:
            most = parsers.CHANNELS[chip] - 1
            table.complain(
                "channel",
                f"the {CHIPS[chip].title} has no channel {channel}",
                f"Use a channel from 0 to {most}.",
            )
        if values["bus"] is None:
            values["bus"] = CHIPS[chip].wiring.usual_bus
        if "address" in table.data:
            values["address"] = table.value("address", parsers.address(chip))
        else:
            values["address"] = CHIPS[chip].usual_address
    if draft.valid_value("calibration") is not None and draft.unit is not None:
        values["calibration"] = table.value("calibration", parsers.calibration(draft.unit))
    _check_valid(draft)


def _check_valid(draft: SensorDraft) -> None:
    """Report a calibration outside the electrical range, or a range that the chip cannot measure."""
    chip, valid, points = (draft.valid_value(key) for key in ("chip", "valid", "calibration"))
    if valid is not None and points is not None and draft.unit is not None:
        first, last = points[0][0], points[-1][0]
        if last < valid[0] or first > valid[1]:
            draft.table.complain(
                "valid",
                f"the calibration ({first:g} to {last:g} V) is outside the valid range {valid[0]:g} to"
                f" {valid[1]:g} V",
                "Set valid to the lowest and highest voltage of a working sender.",
            )
    reference, divider = draft.valid_value("reference"), draft.valid_value("divider")
    if None in (valid, reference, divider) or chip not in ("mcp3008", "mcp3208"):
        return
    highest = reference * divider
    if valid[1] > highest:
        draft.table.complain(
            "valid",
            f"{valid[1]:g} V is more than the chip can measure ({highest:.4g} V)",
            f"Write {highest:.4g} V or less, or correct reference or divider.",
        )


def _analog_options(draft: SensorDraft) -> AnalogOptions:
    values = draft.values
    return AnalogOptions(
        chip=values["chip"],
        channel=values["channel"],
        bus=values["bus"],
        address=values["address"],
        calibration=values["calibration"],
        valid=values["valid"],
        open_is_high=values["open_is_high"],
        reference_v=values["reference"],
        divider=values["divider"],
    )


# Kinds without wires -------------------------------------------------------------------------------


def _replay_file(draft: SensorDraft) -> Path:
    name: str = draft.values["file"]
    return draft.folder / name


def _check_replay(draft: SensorDraft) -> None:
    """Report a problem unless the recording exists, is valid, and has rows for the path."""
    if draft.valid_value("file") is None or draft.valid_value("path") is None:
        return
    file = _replay_file(draft)
    if not _is_file(file):
        draft.table.complain(
            "file",
            f"file {file.name} does not exist in the folder of sensors.toml",
            f"Copy it to {file.parent}.",
        )
        return
    try:
        load(file, draft.values["path"])
    except DriverError as error:
        draft.table.complain("file", str(error), "Correct the recording, or name another file or path.")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have, or a folder that we cannot search
        return False


_SIMULATED: Final[Schema] = {
    "model": Key(choice(*MODELS), required='model = "engine"'),
    "seed": Key(integer(0, 2**31), 0),
    "faults": Key(boolean, default=False),
    "wire": Key(choice("good", "open", "short"), "good"),
}
_REPLAY: Final[Schema] = {
    "file": Key(parsers.recording, required='file = "yacht.csv"'),
    "speed": Key(number(0.001, 10_000.0), 1.0),
    "repeat": Key(boolean, default=False),
}


def _simulated_options(draft: SensorDraft) -> SimulatedOptions:
    values = draft.values
    return SimulatedOptions(
        model=values["model"], seed=values["seed"], faults=values["faults"], wire=SensorState(values["wire"])
    )


def _replay_options(draft: SensorDraft) -> ReplayOptions:
    values = draft.values
    return ReplayOptions(file=_replay_file(draft), speed=values["speed"], repeat=values["repeat"])


KINDS: Final[Mapping[str, SensorKind]] = {
    "switch": SensorKind(_CONTACT, _contact_options, interval_s=None, unit=lambda _values: CONTACT),
    "pulse": SensorKind(_PULSE, _pulse_options, check=_check_pulse),
    "runtime": SensorKind(_CONTACT, _contact_options, unit=lambda _values: "s"),
    "analog": SensorKind(
        _ANALOG, _analog_options, check=_check_analog, chip=lambda values: values.get("chip")
    ),
    # a conversion takes 750 ms (DS18B20 data sheet, 12 bits)
    THERMOMETER: _on_bus(
        THERMOMETER,
        {"address": Key(parsers.thermometer_id), "measure": Key(choice("temperature"), "temperature")},
        interval_s=10.0,
        fastest_hz=1.0,
    ),
    # a conversion takes 100 ms (MAX31855 data sheet)
    "thermocouple": _on_bus("thermocouple", _bus_schema("thermocouple", "temperature"), fastest_hz=10.0),
    "ina219": _on_bus("ina219", {**_bus_schema("ina219", *_POWER), **_SHUNT}),
    "ina226": _on_bus("ina226", {**_bus_schema("ina226", *_POWER), **_SHUNT}),
    "bme280": _on_bus("bme280", _bus_schema("bme280", "temperature", "relativeHumidity", "pressure")),
    "manual": SensorKind({}, lambda _draft: ManualOptions(), interval_s=None),
    "simulated": SensorKind(_SIMULATED, _simulated_options),
    "replay": SensorKind(_REPLAY, _replay_options, check=_check_replay, interval_s=None),
}
"""All kinds, by the value of the key `kind`."""
