"""The state of an output: whether it is on, and why. Nothing here accesses pins, and callers pass the time.

An output is off until there is a reason for it to be on. The reasons are alarms with their severities, and
`SILENT` while the recorder stores nothing. During a test, it is on without interruption.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sensors.outputs import OutputSettings
from services.alarms.audible import AlarmFact

SILENT_AFTER_S: Final = 10.0
"""Time in seconds without a durable commit after which the recorder counts as silent.

A recorder commits at least every 5 s, and a deliberate restart takes less than 10 s.
"""
FIRST_COMMIT_WITHIN_S: Final = 300.0
"""Time in seconds that a recorder may need for its first commit after a boot, when it checks the stores.

It is `TimeoutStartSec` of the recorder's unit.
"""
MOST_TEXT: Final = 200
"""Maximum number of characters of an alarm's text to show, as in `sensors.toml`.

A document of another vessel can contain a text of any length.
"""
SILENT: Final = "the recorder stores nothing"
TEST: Final = "test"


class SilenceDetector:
    """Detector of a recorder that has stored nothing for `SILENT_AFTER_S` seconds."""

    def __init__(self, now: float) -> None:
        """Start at the time `now` of the boot clock, in seconds."""
        self._started = now
        self._stored: float | None = None

    def is_silent(self, stored: float | None, now: float) -> bool:
        """Return True if the recorder is silent.

        `stored` is the boot clock's time of its last durable commit, in seconds; None if it is unknown, for
        example while the recorder restarts.
        """
        if stored is not None and (self._stored is None or stored > self._stored):
            self._stored = stored
        if self._stored is None:
            return now - self._started > FIRST_COMMIT_WITHIN_S
        return now - self._stored > SILENT_AFTER_S


@dataclass(frozen=True, slots=True)
class Shown:
    """State of an output."""

    sounds: bool
    """True if the output shows its pattern; False if it is off."""
    why: str
    """Reason why the output is on, or would be on if `longest` did not limit it; '' if there is no alarm."""
    is_steady: bool = False
    """True if the output is on without interruption, regardless of its pattern."""


OFF: Final = Shown(sounds=False, why="")


class OutputMachine:
    """State machine of one output."""

    def __init__(self, settings: OutputSettings, vessel: str) -> None:
        self.settings = settings
        self._vessel = vessel
        self._reasons: frozenset[str] = frozenset()
        self._since = 0.0
        self._test_until = -math.inf

    def test(self, seconds: float, now: float) -> None:
        """Start a test, which lasts `seconds` from the time `now` of the clock that `turn` uses."""
        self._test_until = now + seconds

    def turn(self, alarms: Iterable[AlarmFact], now: float, *, is_silent: bool) -> Shown:
        """Return the state at the time `now` of a monotonic clock.

        `alarms` are the audible alarms, the most severe first.
        """
        shown = self._turn(alarms, now, is_silent=is_silent)
        if now >= self._test_until:
            return shown
        return Shown(sounds=True, why="; ".join(filter(None, (TEST, shown.why))), is_steady=True)

    def next_change(self, now: float) -> float | None:
        """Return the seconds until a test ends; None if there is no test."""
        return self._test_until - now if now < self._test_until else None

    def concerns(self, alarm: AlarmFact) -> bool:
        """Return True if an alarm turns the output on while it is audible."""
        wanted = self.settings
        if wanted.sensors:
            return alarm.vessel == self._vessel and alarm.sensor in wanted.sensors
        return alarm.severity in wanted.on and (wanted.neighbours or alarm.vessel == self._vessel)

    def _turn(self, alarms: Iterable[AlarmFact], now: float, *, is_silent: bool) -> Shown:
        causes = [alarm for alarm in alarms if self.concerns(alarm)]
        # An alarm that has become more severe is a new reason.
        reasons = frozenset(f"{alarm.id} {alarm.severity}" for alarm in causes)
        if is_silent and self.settings.when_silent:
            reasons |= {SILENT}
        if reasons - self._reasons:
            self._since = now
        self._reasons = reasons
        if not reasons:
            return OFF
        first = self._words(causes[0]) if causes else SILENT
        more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        if self._is_exhausted(now - self._since):
            return Shown(sounds=False, why=f"{first}{more}; off, because longest has passed")
        return Shown(sounds=True, why=f"{first}{more}")

    def _words(self, alarm: AlarmFact) -> str:
        where = alarm.sensor if alarm.vessel == self._vessel else f"{alarm.sensor} of {alarm.vessel}"
        text = alarm.text if len(alarm.text) <= MOST_TEXT else f"{alarm.text[:MOST_TEXT]}…"
        return f"{alarm.severity} of {where}" + (f": {text}" if text else "")

    def _is_exhausted(self, elapsed: float) -> bool:
        longest, pause = self.settings.longest_s, self.settings.pause_s
        if longest is None:
            return False
        return elapsed >= longest if pause is None else elapsed % (longest + pause) >= longest
