"""Decides whether the time that a satellite receiver reports is trusted. Callers pass the time of all clocks.

The rule: the time is not before the image's date, and not 1024 weeks or more after it. It advances as the
boot clock does, without an interruption. The further it would move the clock, the longer this must last.
"""

from collections import deque
from enum import Enum
from typing import Final

ROLLOVER_S: Final = 1024 * 7 * 86_400.0
"""Period after which the week number of GPS repeats, in seconds: 1024 weeks, or 19.6 years.

Receivers derive the date from this number and from the date of their firmware. So an old receiver shows a
date that is too early by this period.
"""
CONFIRMED_AFTER_S: Final = 10.0
"""Seconds for which a receiver's times must be consistent before they are trusted."""
BACKWARD_AFTER_S: Final = 600.0
"""Seconds for which a time must be consistent before the clock is set back.

A clock that is ahead was probably set by another source, so two sources contradict each other.
"""
BACKWARD_S: Final = 60.0
"""Correction in seconds from which setting the clock back needs the longer period."""
INTERRUPTED_AFTER_S: Final = 5.0
"""Seconds without a valid time after which the period begins again."""
SPREAD_S: Final = 1.5
"""Maximum difference, in seconds, between times that count as consistent.

At 4,800 baud, a sentence can arrive up to a second later than another one.
"""
WINDOW_S: Final = 60.0
"""Seconds over which the delay of the sentences is compared. The sentence with the least delay counts."""
LATE: Final = 3
"""Number of late times within `CONFIRMED_AFTER_S` from which they count as a jump, if they are many.

A few late times are ignored: on a busy board, the daemon sometimes reads a sentence seconds after its
arrival. They count as many if there is more than one late time for every two times that are not late.
"""
JUMPS: Final = 3
"""Number of jumps within `JUMPING_S` from which the time counts as inconsistent."""
JUMPING_S: Final = 120.0


class Doubt(Enum):
    """Reason why a receiver's time is not trusted."""

    ROLLOVER = "rollover"
    """The date is before the image's date, and 1024 weeks later it would not be."""
    TOO_OLD = "too old"
    """The date is before the image's date."""
    TOO_NEW = "too new"
    """The date is 1024 weeks or more after the image's date."""
    JUMPS = "jumps"
    """The time does not advance evenly."""


class TimeJudge:
    """The times that a receiver has reported, and the difference between UTC and the boot clock."""

    def __init__(self, *, image: float) -> None:
        """Set the image's date, in seconds since 1970. An earlier time is never trusted."""
        self._image = image
        self._window: deque[tuple[float, float]] = deque()
        """Arrival times and offsets of the consistent times of the last `WINDOW_S` seconds."""
        self._since = 0.0
        self._late: deque[float] = deque()
        """Arrival times of recent times that were late."""
        self._jumps: deque[float] = deque()
        self._doubt: Doubt | None = None

    def observe(self, utc: float, *, at: float) -> None:
        """Process a valid time, which arrived at the boot clock time `at`. Both are in seconds."""
        self._doubt = self._range_doubt(utc)
        if self._doubt is not None:
            self._window.clear()
            return
        offset = utc - at
        if self._window and at - self._window[-1][0] > INTERRUPTED_AFTER_S:
            self._window.clear()
        if self._window:
            ahead = offset - max(known for _, known in self._window)
            if ahead < -SPREAD_S:
                self._late.append(at)
                if not self._are_many_late(at):
                    return
            if abs(ahead) > SPREAD_S:
                self._window.clear()
                self._jumps.append(at)
        if not self._window:
            self._since = at
            self._late.clear()
        self._window.append((at, offset))
        while at - self._window[0][0] > WINDOW_S:
            self._window.popleft()

    def interrupt(self) -> None:
        """Process the end of the fix: the period of consistent times begins again with the next one."""
        self._window.clear()
        self._doubt = None

    def doubt(self, at: float) -> Doubt | None:
        """Return the reason why the receiver's time is not trusted at the boot clock time `at`."""
        while self._jumps and at - self._jumps[0] > JUMPING_S:
            self._jumps.popleft()
        if self._doubt is None and len(self._jumps) >= JUMPS:
            return Doubt.JUMPS
        return self._doubt

    def offset(self, at: float) -> float | None:
        """Return UTC minus the boot clock in seconds; None without a recent consistent time.

        Sentences arrive late, never early, so the largest offset is the best.
        """
        if not self._window or at - self._window[-1][0] > INTERRUPTED_AFTER_S:
            return None
        return max(offset for _, offset in self._window)

    def is_believed(self, correction_s: float, *, at: float) -> bool:
        """Return True if the clock may be corrected by `correction_s` at the boot clock time `at`."""
        if self.offset(at) is None or self.doubt(at) is not None:
            return False
        return self._window[-1][0] - self._since >= required_s(correction_s)

    def _are_many_late(self, at: float) -> bool:
        while at - self._late[0] > CONFIRMED_AFTER_S:
            self._late.popleft()
        in_time = sum(1 for when, _ in self._window if at - when <= CONFIRMED_AFTER_S)
        return len(self._late) >= LATE and 2 * len(self._late) > in_time

    def _range_doubt(self, utc: float) -> Doubt | None:
        if utc >= self._image + ROLLOVER_S:
            return Doubt.TOO_NEW
        if utc >= self._image:
            return None
        return Doubt.ROLLOVER if utc + ROLLOVER_S >= self._image else Doubt.TOO_OLD


def required_s(correction_s: float) -> float:
    """Return the seconds for which a time must be consistent before it corrects the clock by this much."""
    return BACKWARD_AFTER_S if correction_s < -BACKWARD_S else CONFIRMED_AFTER_S
