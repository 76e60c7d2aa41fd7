"""Configuration of a sensor, parsed and valid: SI numbers, with no strings left to interpret.

`sensors.config.loader` makes the settings from `sensors.toml`; drivers and the recorder use them.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final


class Severity(StrEnum):
    """Signal K's alarm states, in order of rising severity."""

    NOMINAL = "nominal"
    NORMAL = "normal"
    ALERT = "alert"
    WARN = "warn"
    ALARM = "alarm"
    EMERGENCY = "emergency"

    @property
    def rank(self) -> int:
        """Number from 0 (nominal) to 5 (emergency)."""
        return list(Severity).index(self)


ALARM_SEVERITIES: Final = tuple(each for each in Severity if each.rank >= Severity.ALERT.rank)
"""The severities that an alarm can have, in rising order."""


class ContactState(StrEnum):
    """State of a contact that makes an alarm rule fire."""

    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """Condition for an alarm on a sensor's value: `when`, or `above`, `below` or both."""

    severity: Severity
    text: str = ""
    when: ContactState | None = None
    above: float | None = None
    below: float | None = None
    hysteresis: float = 0.0
    """Distance, in the value's unit, that the value must pass back over the limit to clear the alarm."""
    raise_after_s: float = 0.0
    """Time in seconds that the condition must last before the alarm is raised (`for` in the file)."""
    clear_after_s: float = 0.0
    """Time in seconds that the condition must be absent before the alarm clears (`clear_for` in the file)."""


class Options:
    """Base class for the options of a kind of sensor: the values of the keys that only this kind has."""

    __slots__ = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that the sensor needs beside `sensors.toml`."""
        return ()


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """Settings from one `[[sensor]]` table."""

    id: str
    """Id of the form `[a-z0-9-]{1,32}`, unique on the vessel."""
    name: str
    kind: str
    path: str
    """Signal K path, or one of our own in Signal K's style."""
    unit: str
    """Unit in SI, as Signal K writes it (`K`, `Pa`, `Hz`, `ratio`, `m3/s`, …).

    `bool` is for contacts; an empty string is for plain numbers.
    """
    options: Options
    description: str = ""
    interval_s: float = 1.0
    """Time in seconds between samples of a polled or counted sensor (`rate` in the file)."""
    window_s: float = 300.0
    deadband: float = 0.0
    """Smallest change that is recorded, in the sensor's unit; 0 records every sample."""
    alarms: tuple[AlarmRule, ...] = ()
