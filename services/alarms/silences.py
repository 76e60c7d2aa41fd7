"""Silences of alarms: the time for which somebody has stopped the sound of an alarm.

A silence concerns one alarm, up to the severity that the alarm had then. So an alarm that is raised later
sounds, and so does an alarm that has become more severe. A silence ends by itself: it has a limited duration,
and a process that follows it measures this duration by the boot clock, whatever the time of day does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sensors.severity import Severity

if TYPE_CHECKING:
    from .audible import AlarmFact

SHORTEST_S: Final = 1.0
"""Minimum duration of a silence, in seconds."""
USUAL_S: Final = 600.0
"""Duration of a silence for which nobody has chosen one, in seconds: enough to look for the cause.

Bridge alert management (IEC 62923-1) uses 30 s, because somebody is always on the bridge.
"""
LONGEST_S: Final = 1800.0
"""Maximum duration of a silence, in seconds. A silence that claims to be longer has no effect.

A person who needs more silence can acknowledge the alarm.
"""
AHEAD_S: Final = 60.0
"""Time in seconds by which the clock of the vessel that wrote a silence may be ahead of this vessel's."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence of one alarm."""

    alarm: str
    """Id of the alarm's document."""
    severity: Severity
    """Severity of the alarm when it was silenced."""
    begins: float
    """Time at which it was silenced, in seconds since 1970."""
    ends: float
    """Time at which the alarm sounds again, in seconds since 1970."""
    who: str = ""
    """Name of the person who silenced it."""

    @property
    def duration_s(self) -> float:
        """Duration in seconds; 0 if the silence has no effect, because it is too long."""
        duration = self.ends - self.begins
        return duration if 0 < duration <= LONGEST_S + 0.001 else 0.0  # times are stored in milliseconds

    def is_current(self, utc: float) -> bool:
        """Return True if the silence has begun and not ended at the time `utc`, in seconds since 1970.

        If a clock was set in the meantime, the alarm sounds.
        """
        return self.duration_s > 0 and self.begins - AHEAD_S <= utc < self.ends

    def mutes(self, alarm: "AlarmFact") -> bool:
        """Return True if the silence, while it is in effect, mutes an alarm with its current severity."""
        return alarm.id == self.alarm and alarm.severity.rank <= self.severity.rank


def current(silences: Iterable[Silence], *, utc: float) -> tuple[Silence, ...]:
    """Return the silences that are in effect at the time `utc`, in seconds since 1970."""
    return tuple(silence for silence in silences if silence.is_current(utc))


def to_silence(alarms: Iterable["AlarmFact"]) -> tuple["AlarmFact", ...]:
    """Return those of the audible `alarms` that somebody silences who names none.

    An emergency is not silenced together with lesser alarms. So nobody mutes an emergency without knowing.
    """
    audible = tuple(alarms)
    lesser = tuple(alarm for alarm in audible if alarm.severity is not Severity.EMERGENCY)
    return lesser or audible


@dataclass(slots=True)
class _Countdown:
    """The end of a silence by the boot clock, in seconds."""

    end: float
    """Latest possible end, until `is_certain`."""
    is_certain: bool = False


class SilenceTimer:
    """The silences that are in effect, as followed by a process that runs all the time.

    The end of each silence is converted to the boot clock once, when the silence is first seen in effect.
    Setting the clock afterwards neither extends nor ends it. In no case is it in effect for longer than its
    duration after it is first seen.
    """

    def __init__(self) -> None:
        self._countdowns: dict[Silence, _Countdown] = {}

    def in_effect(self, silences: Iterable[Silence], *, utc: float, boottime: float) -> tuple[Silence, ...]:
        """Return those of the `silences` that are in effect.

        `utc` is the time in seconds since 1970, and `boottime` the boot clock's, in seconds.
        """
        known, self._countdowns = self._countdowns, {}
        found = []
        for silence in silences:
            countdown = known.get(silence) or _Countdown(boottime + silence.duration_s)
            self._countdowns[silence] = countdown
            if not countdown.is_certain and (silence.is_current(utc) or utc >= silence.ends):
                countdown.end = min(countdown.end, boottime + silence.ends - utc)
                countdown.is_certain = True
            if countdown.is_certain and boottime < countdown.end:
                found.append(silence)
        return tuple(found)
