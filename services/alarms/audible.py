"""Selection of the audible alarms: those that are active, not acknowledged and not silenced."""

from collections.abc import Iterable
from dataclasses import dataclass

from sensors.severity import Severity
from sync.fleet.silences import Silence

from .phases import Phase, phase_of


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


def audible(alarms: Iterable[AlarmFact], silences: Iterable[Silence]) -> tuple[AlarmFact, ...]:
    """Return those of `alarms` that are audible. `silences` are the silences that are in effect now.

    The most severe alarms come first, and among these the latest.
    """
    by_alarm: dict[str, list[Silence]] = {}
    for silence in silences:
        by_alarm.setdefault(silence.alarm, []).append(silence)
    found = [
        alarm
        for alarm in alarms
        if alarm.phase is Phase.UNACKNOWLEDGED
        and not any(silence.mutes(alarm.id, alarm.severity) for silence in by_alarm.get(alarm.id, ()))
    ]
    return tuple(sorted(found, key=lambda alarm: (-alarm.severity.rank, -alarm.raised_utc, alarm.id)))
