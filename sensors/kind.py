"""Description of a kind of sensor. Each module in `sensors.kinds` creates one description.

The reader of `sensors.toml`, the recorder, the generator of lines in `config.txt` and the documentation
obtain all facts about a kind from its description.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sensors.chips.fault_tables import FaultTable
from sensors.chips.sysfs import Chip
from sensors.csv_recordings.files import RecordingCache
from sensors.driver import Driver
from sensors.driver_context import DriverContext
from sensors.gpio.pin_keys import LineUse
from sensors.settings import Fact, Options, SensorSettings
from sensors.signalk_paths import CONTACT
from sensors.toml.declarations import from_values, schema_of
from sensors.toml.schema import Schema, Table
from sensors.wiring_picture import Picture

Values = dict[str, Any]
"""Values of a `[[sensor]]` table, by key. None stands for an invalid value."""


@dataclass(slots=True)
class SensorDraft:
    """A `[[sensor]]` table that has been read but not yet fully checked."""

    table: Table
    kind: "SensorKind | None"
    """Kind of the sensor; None if it is missing or unknown."""
    values: Values
    unit: str | None
    """SI unit of the sensor; None if the unit is not known."""
    folder: Path
    """Folder that contains `sensors.toml`."""
    recordings: RecordingCache | None = None
    """Recordings read so far, shared by all sensors in the file; None if recordings must not be read."""

    def valid_value(self, key: str) -> Any:
        """Return the value of a key, or None if the value is missing or invalid."""
        return None if key in self.table.faulty else self.values.get(key)

    @property
    def chip(self) -> Chip | None:
        """Chip that the sensor reads; None if there is none, or if it is not known."""
        return None if self.kind is None else self.kind.chip(self.values.get("chip"))

    @property
    def lane(self) -> str | None:
        """Name of the chip's bus, such as `i2c-1`; None if there is no chip, or if it is not known."""
        chip = self.chip
        return None if chip is None else chip.wiring.lane(self.valid_value("bus"))

    @property
    def with_line(self) -> str:
        """Name of the sensor for messages, with the line of its table."""
        return f"{self.table.label} (line {self.table.line()})"

    def is_number(self) -> bool:
        """Return True if the path is for a number; report a problem and return False for a contact's path."""
        if self.unit == CONTACT:
            self.table.complain(
                "path",
                f"{self.values['path']} is a contact (on or off), but this sensor measures a number",
                "Choose another path.",
            )
        return self.unit != CONTACT


def _accept(_draft: SensorDraft) -> None:
    """Do nothing. This is the default check, for kinds whose keys do not depend on each other."""


def _is_alone(_draft: SensorDraft, _drafts: Mapping[str, SensorDraft]) -> None:
    """Report no problem: the default for kinds that do not refer to other sensors."""


def _of_the_path(_values: Values) -> str | None:
    return None


def _no_facts(_settings: SensorSettings, _written: Mapping[str, Any]) -> Iterable[Fact]:
    return ()


def _can_be_averaged(_values: Values) -> str:
    return ""


def _no_recording_facts(_settings: SensorSettings, _recordings: RecordingCache) -> Iterable[Fact]:
    return ()


def _no_totals(_settings: SensorSettings) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorKind:
    """Description of one kind of sensor: its keys, driver, chips, wiring and documentation."""

    name: str
    """Value of the key `kind`, and name of the kind's module."""
    title: str
    """Heading in the documentation."""
    measures: str
    """Quantities that the kind measures, as a short phrase."""
    description: str
    """Text about the kind for the documentation, in Markdown."""
    options: type[Options]
    """Class that declares the kind's own keys."""
    driver: Callable[[SensorSettings, DriverContext], Driver]
    """Function that creates the driver; the driver accesses no hardware before it is opened."""
    example: str
    """Complete `[[sensor]]` table; the tables of other sensors to which it refers come first."""
    faults: FaultTable = ()
    """Messages of faults with their remedies, for the documentation."""
    wiring: Picture | None = None
    """Picture of the wiring; None for a kind without wires."""
    chips: Mapping[str, Chip] = field(default_factory=dict)
    """Chips that the kind can read, by name.

    If there are several, the value of the key `chip` selects one of them.
    """
    pin_overlay: Callable[[Options], str] | None = None
    """Function that returns the value of `dtoverlay=` with which a kernel driver reads the sensor's `pin`.

    None if no kernel driver reads the pin. Sensors of such a kind can share a pin: each records one quantity.
    """
    line: LineUse | None = None
    """Mode in which the kind reads a GPIO line; None for kinds that read no line."""
    check: Callable[[SensorDraft], None] = _accept
    """Function that reports problems in a combination of keys."""
    relate: Callable[[SensorDraft, Mapping[str, SensorDraft]], None] = _is_alone
    """Function that reports problems with the other sensors to which a sensor refers.

    Its second argument contains the drafts of all sensors by id, after each of them was checked alone.
    """
    make_options: Callable[[SensorDraft], Options] | None = None
    """Function that creates the options from a valid draft; None if no conversion is needed."""
    facts: Callable[[SensorSettings, Mapping[str, Any]], Iterable[Fact]] = _no_facts
    """Function that explains the values of the kind's own keys, and the limits at which faults are reported.

    Its arguments are the settings, and the table with unparsed values, which determine the units to show.
    """
    recording_facts: Callable[[SensorSettings, RecordingCache], Iterable[Fact]] = _no_recording_facts
    """Function that describes the content of the sensor's recording."""
    unit: Callable[[Values], str | None] = _of_the_path
    """Function that returns the SI unit of the values, or None if the path determines the unit."""
    why_no_mean: Callable[[Values], str] = _can_be_averaged
    """Function that returns the reason why values cannot be averaged, such as `the value is a total`.

    It returns an empty string if the key `average` is allowed.
    """
    has_correction: bool = True
    """True if a sensor that reads a chip has the keys `scale` and `offset`."""
    interval_s: float | None = 1.0
    """Default interval between samples in seconds; None for kinds that have no rate."""
    reports_only_changes: bool = False
    """True if a sensor is polled at its interval, but emits no sample while its value does not change."""
    fastest_hz: float = 1000.0
    read_s: float = 0.0
    """Time in seconds that one read occupies the bus; 0 if it is negligible."""
    has_totals: Callable[[SensorSettings], bool] = _no_totals
    """Function that returns True if a sensor has totals, which are carried over to the next log."""

    @property
    def schema(self) -> Schema:
        """Keys of the kind, without the keys that all kinds have."""
        return schema_of(self.options)

    def options_from(self, draft: SensorDraft) -> Options:
        """Return the options that a valid draft contains."""
        if self.make_options is not None:
            return self.make_options(draft)
        return from_values(self.options, draft.values)

    def chip(self, selected: str | None) -> Chip | None:
        """Return the chip that a sensor needs, or None if it needs none.

        `selected` is the value of the key `chip`, which only a kind with several chips has.
        """
        if len(self.chips) == 1:
            return next(iter(self.chips.values()))
        return None if selected is None else self.chips.get(selected)
