"""Durations of silences, and which alarms are silenced by a person who names none.

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
"""Duration of a silence for which nobody has chosen one, in seconds: enough to look for the cause.

Bridge alert management (IEC 62923-1) uses 30 s, because somebody is always on the bridge.
"""


def to_silence(alarms: Iterable["AlarmFact"]) -> tuple["AlarmFact", ...]:
    """Return those of the audible `alarms` that are silenced by a person who names none.

    An emergency is not silenced together with lesser alarms. So nobody mutes an emergency without knowing.
    """
    audible = tuple(alarms)
    lesser = tuple(alarm for alarm in audible if alarm.severity is not Severity.EMERGENCY)
    return lesser or audible
