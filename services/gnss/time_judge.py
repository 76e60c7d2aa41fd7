"""Decides whether to trust the time that a satellite receiver reports. Callers pass in the clocks' times.

A time is trusted if it is less than 1024 weeks after the image's date, and not before that date. The reported
time must also advance like the boot clock, without interruption. The further the correction would move the
clock, the longer this must last.
"""

from collections import deque
from enum import Enum
from typing import Final

ROLLOVER_S: Final = 1024 * 7 * 86_400.0
"""Period after which the week number of GPS repeats, in seconds: 1024 weeks, or 19.6 years.

Receivers derive the date from the week number and from the date of their firmware. So an old receiver reports
a date that is too early by this period.
"""
CONFIRMED_AFTER_S: Final = 10.0
"""Time for which a receiver's times must be consistent before they are trusted, in seconds."""
BACKWARD_AFTER_S: Final = 600.0
"""Time for which reported times must be consistent before the clock is set back, in seconds.

A clock that is ahead was probably set by another source, so two sources contradict each other.
"""
BACKWARD_S: Final = 60.0
"""Minimum correction backward that requires the longer period, in seconds."""
INTERRUPTED_AFTER_S: Final = 5.0
"""Time without a valid report after which the period of consistent times begins again, in seconds."""
SPREAD_S: Final = 1.5
"""Maximum difference between times that count as consistent, in seconds.

At 4,800 baud, the delay of a sentence can be up to a second longer than that of another.
"""
WINDOW_S: Final = 60.0
"""Period over which delays of sentences are compared, in seconds.

The sentence with the least delay is used.
"""
LATE: Final = 3
"""Minimum number of late times within `CONFIRMED_AFTER_S` that can count as a jump.

A few late times are ignored: on a busy board, the daemon sometimes reads a sentence seconds after its
arrival. Late times count as a jump only if there is also more than one of them for every two times that are
not late.
"""
JUMPS: Final = 3
"""Minimum number of jumps within `JUMPING_S` at which the receiver's time counts as inconsistent."""
JUMPING_S: Final = 120.0


class Doubt(Enum):
    """Reason why a receiver's time is not trusted."""

    ROLLOVER = "rollover"
    """The date is before the image's date, but would not be if it were 1024 weeks later."""
    TOO_OLD = "too old"
    """The date is before the image's date."""
    TOO_NEW = "too new"
    """The date is 1024 weeks or more after the image's date."""
    JUMPS = "jumps"
    """The time does not advance evenly."""


class TimeJudge:
    """Judge of a receiver's reported times, which also determines UTC minus the boot clock."""

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
        """Process a valid time that arrived at the boot clock time `at`. Both are in seconds."""
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
        """Process the loss of the fix: the period of consistent times begins again with the next time."""
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
    """Return the time for which reported times must be consistent before the clock is corrected this much.

    The result is in seconds.
    """
    return BACKWARD_AFTER_S if correction_s < -BACKWARD_S else CONFIRMED_AFTER_S
