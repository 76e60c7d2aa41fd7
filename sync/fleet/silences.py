"""Silences of alarms: the time for which somebody has stopped the sound of an alarm.

A silence concerns one alarm, up to the severity that the alarm had then. So an alarm that is raised later
sounds, and so does an alarm that has become more severe. A silence ends by itself: its duration is limited,
and a process that follows it measures the duration by the boot clock, so setting the time of day does not
change the duration.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sync import documents
from sync.fleet.severities import SEVERITIES

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
    severity: str
    """Severity of the alarm when it was silenced, one of `SEVERITIES`."""
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

    def mutes(self, alarm: str, severity: object) -> bool:
        """Return True if the silence, while it is in effect, mutes an alarm with this id and severity.

        An unknown severity, of a later version, counts as an emergency.
        """
        return alarm == self.alarm and _rank(severity) <= _rank(self.severity)


def silence_in(document_id: str, body: Mapping[str, Any]) -> Silence | None:
    """Return the silence in a document, or None if the document is invalid or of a later version."""
    begins, ends, seconds = utc_of(body.get("begins")), utc_of(body.get("ends")), body.get("for")
    severity, who = body.get("severity"), body.get("who")
    if begins is None or ends is None or severity not in SEVERITIES:
        return None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds <= LONGEST_S:
        return None
    return Silence(
        alarm=documents.silenced_alarm(document_id),
        severity=str(severity),
        begins=begins,
        ends=min(ends, begins + seconds),
        who=who if isinstance(who, str) else "",
    )


def current(silences: Iterable[Silence], *, utc: float) -> tuple[Silence, ...]:
    """Return the silences that are in effect at the time `utc`, in seconds since 1970."""
    return tuple(silence for silence in silences if silence.is_current(utc))


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
        """Return those of the `silences` that are in effect, and forget all other silences.

        `utc` is the time in seconds since 1970, and `boottime` the boot clock's, in seconds.
        """
        given = tuple(silences)
        found = tuple(each for each in given if self.is_in_effect(each, utc=utc, boottime=boottime))
        if len(self._countdowns) > len(given):
            self._countdowns = {silence: self._countdowns[silence] for silence in given}
        return found

    def is_in_effect(self, silence: Silence, *, utc: float, boottime: float) -> bool:
        """Return True if a silence is in effect. The times are those of `in_effect`."""
        countdown = self._countdowns.get(silence)
        if countdown is None:
            countdown = self._countdowns[silence] = _Countdown(boottime + silence.duration_s)
        if not countdown.is_certain and (silence.is_current(utc) or utc >= silence.ends):
            countdown.end = min(countdown.end, boottime + silence.ends - utc)
            countdown.is_certain = True
        return countdown.is_certain and boottime < countdown.end


def utc_of(value: object) -> float | None:
    """Return a time in a document in seconds since 1970; None if it is malformed."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None:
            return None
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _rank(severity: object) -> int:
    """Return the number of a severity, 0 to 5."""
    known = isinstance(severity, str) and severity in SEVERITIES
    return SEVERITIES.index(str(severity)) if known else len(SEVERITIES) - 1
