"""Selection of the audible alarms: those that are active, not acknowledged and not silenced.

A silence stops the sound of the alarms that it names until it ends. So an alarm that is raised later sounds,
and so does an alarm that has become more severe than it was when it was silenced.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sensors.severity import Severity

from .phases import Phase, phase_of

LONGEST_SILENCE_S: Final = 3600.0
"""Maximum duration of a silence, in seconds. A silence that claims to be longer is ignored."""


@dataclass(frozen=True, slots=True)
class AlarmFact:
    """The facts about an alarm that determine whether it is audible."""

    id: str
    """Id of the alarm's document."""
    vessel: str
    sensor: str
    severity: Severity
    """Current severity."""
    raised_utc: float
    """Time at which the alarm was raised, in seconds since 1970."""
    cleared: bool = False
    acknowledged: bool = False
    text: str = ""

    @property
    def phase(self) -> Phase:
        """The phase of the alarm."""
        return phase_of(cleared=self.cleared, acknowledged=self.acknowledged)


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

    def is_in_effect(self, alarm: AlarmFact, *, utc: float) -> bool:
        """Return True if the alarm is silenced at the time `utc`, in seconds since 1970.

        If a clock was set between the beginning of the silence and `utc`, the alarm sounds.
        """
        return (
            alarm.id == self.alarm
            and alarm.severity.rank <= self.severity.rank
            and self.begins <= utc < self.ends <= self.begins + LONGEST_SILENCE_S
        )


def audible(alarms: Iterable[AlarmFact], silences: Iterable[Silence], *, utc: float) -> tuple[AlarmFact, ...]:
    """Return the alarms that are audible at the time `utc`, in seconds since 1970.

    The most severe alarms come first, and among these the latest.
    """
    by_alarm: dict[str, list[Silence]] = {}
    for silence in silences:
        by_alarm.setdefault(silence.alarm, []).append(silence)
    found = [
        alarm
        for alarm in alarms
        if alarm.phase is Phase.UNACKNOWLEDGED
        and not any(silence.is_in_effect(alarm, utc=utc) for silence in by_alarm.get(alarm.id, ()))
    ]
    return tuple(sorted(found, key=lambda alarm: (-alarm.severity.rank, -alarm.raised_utc, alarm.id)))
