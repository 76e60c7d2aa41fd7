"""Severities of alarms.

They have a module of their own, so that commands that read records do not load the reader of `sensors.toml`.
"""

from enum import StrEnum
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
