"""Durations of silences, and which alarms are silenced if the user names none.

`sync.fleet.silences` defines silences, because vessels exchange them.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sensors.severity import Severity

if TYPE_CHECKING:
    from .audible import AlarmFact

SHORTEST_S: Final = 1.0
"""Minimum duration that can be chosen for a silence, in seconds."""
USUAL_S: Final = 600.0
"""Default duration of a silence, in seconds: enough to look for the cause of the alarm.

Bridge alert management (IEC 62923-1) uses 30 s, because somebody is always on the bridge.
"""


def to_silence(alarms: Iterable["AlarmFact"]) -> tuple["AlarmFact", ...]:
    """Return the audible alarms that are silenced if the user names no alarm.

    An emergency is not silenced together with less severe alarms. So nobody mutes an emergency by mistake.
    """
    audible = tuple(alarms)
    lesser = tuple(alarm for alarm in audible if alarm.severity is not Severity.EMERGENCY)
    return lesser or audible
