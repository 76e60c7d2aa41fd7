"""Silences of alarms. A silence stops the sound of an alarm for a limited time.

A silence applies to one alarm, up to the severity that the alarm had when it was silenced. So an alarm that
is raised later sounds, and so does an alarm that has become more severe. A silence ends by itself, because
its duration is limited. A running process measures that duration with the boot clock, so setting the time of
day does not change it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sync import documents
from sync.fleet.severities import SEVERITIES

LONGEST_S: Final = 1800.0
"""Maximum duration of a silence, in seconds. A silence that claims to be longer has no effect.

A user who needs a longer silence can acknowledge the alarm.
"""
AHEAD_S: Final = 60.0
"""Maximum time, in seconds, by which another vessel's clock may be ahead when it writes a silence."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence of one alarm."""

    alarm: str
    """Id of the alarm's document."""
    severity: str
    """Severity of the alarm when it was silenced, one of `SEVERITIES`."""
    begins: float
    """Time at which the alarm was silenced, in seconds since 1970."""
    ends: float
    """Time at which the alarm sounds again, in seconds since 1970."""
    who: str = ""
    """Name of the user who silenced the alarm."""

    @property
    def duration_s(self) -> float:
        """Duration in seconds; 0 if the silence has no effect because it is longer than allowed."""
        duration = self.ends - self.begins
        return duration if 0 < duration <= LONGEST_S + 0.001 else 0.0  # times are stored in milliseconds

    def is_current(self, utc: float) -> bool:
        """Return True if the silence has begun and not ended at the time `utc`, in seconds since 1970.

        If a clock was set after the alarm was silenced, the result may be False, so that the alarm sounds.
        """
        return self.duration_s > 0 and self.begins - AHEAD_S <= utc < self.ends

    def mutes(self, alarm: str, severity: object) -> bool:
        """Return True if the silence, while it is in effect, mutes an alarm with this id and severity.

        A severity that is unknown, because a later version wrote it, counts as an emergency.
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
    """The time on the boot clock at which a silence ends, in seconds."""

    end: float
    """Latest possible end of the silence on the boot clock.

    Once `is_certain` is True, it is the exact end.
    """
    is_certain: bool = False


class SilenceTimer:
    """Keeps track of which silences are in effect, in a process that runs continuously.

    The end of each silence is converted to the boot clock once, when the silence is first seen in effect.
    Setting the time of day afterwards neither extends nor ends the silence. A silence is never in effect for
    longer than its duration after it is first seen.
    """

    def __init__(self) -> None:
        self._countdowns: dict[Silence, _Countdown] = {}

    def in_effect(self, silences: Iterable[Silence], *, utc: float, boottime: float) -> tuple[Silence, ...]:
        """Return those of the given silences that are in effect, and forget all other silences.

        `utc` is the current time in seconds since 1970, and `boottime` is the boot clock's time in seconds.
        """
        given = tuple(silences)
        found = tuple(each for each in given if self.is_in_effect(each, utc=utc, boottime=boottime))
        if len(self._countdowns) > len(given):
            self._countdowns = {silence: self._countdowns[silence] for silence in given}
        return found

    def is_in_effect(self, silence: Silence, *, utc: float, boottime: float) -> bool:
        """Return True if a silence is in effect.

        The arguments `utc` and `boottime` are those of `in_effect`.
        """
        countdown = self._countdowns.get(silence)
        if countdown is None:
            countdown = self._countdowns[silence] = _Countdown(boottime + silence.duration_s)
        if not countdown.is_certain and (silence.is_current(utc) or utc >= silence.ends):
            countdown.end = min(countdown.end, boottime + silence.ends - utc)
            countdown.is_certain = True
        return countdown.is_certain and boottime < countdown.end


def utc_of(value: object) -> float | None:
    """Convert a time in a document to seconds since 1970. Return None if the time is malformed."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None:
            return None
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _rank(severity: object) -> int:
    """Return the rank of a severity, from 0 (lowest) to 5."""
    known = isinstance(severity, str) and severity in SEVERITIES
    return SEVERITIES.index(str(severity)) if known else len(SEVERITIES) - 1
