"""Decides when and by how much to correct the clock. No I/O is done here: callers access the clocks.

The system's time service has priority. While that service keeps the clock synchronised, no corrections are
made.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from statistics import median
from typing import Final

from services.clocks.kernel_clock import KernelClock

from .receiver_input import TimeReport
from .time_judge import TimeJudge

SENTENCE_UNCERTAINTY_S: Final = 1.0
"""Uncertainty of a time from sentences alone, in seconds. At 4,800 baud, they arrive up to a second late."""
PULSE_UNCERTAINTY_S: Final = 0.01
"""Uncertainty of a time from pulses, in seconds, including the clock's drift until the next correction."""
CORRECT_EVERY_S: Final = 64.0
"""Interval between corrections, in seconds. The drift in between is about 1 ms at 20 ppm."""
STEP_S: Final = 2.0
"""Minimum deviation for setting the clock at once, in seconds. Smaller deviations are removed gradually."""
_SLEW_S: Final = 0.25
"""Minimum deviation for a correction without pulses, in seconds. The delay of sentences varies."""
_PULSE_SLEW_S: Final = 0.0005
_DRIFT: Final = 500e-6
"""Rate at which the kernel increases its maximum error, in s/s (MAXFREQ in linux/timex.h)."""
_LATEST_S: Final = 0.95
"""Maximum time from a pulse to the sentence that states the pulse's time, in seconds."""
_PULSES: Final = 9
PULSE_LOST_AFTER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """The last pulse, with the system clock's time at that pulse, in seconds since 1970."""

    number: int
    system_utc: float


class How(Enum):
    """Kind of a correction."""

    CONFIRM = "confirm"
    """The clock is marked as synchronised, and its time is not changed."""
    SLEW = "slew"
    STEP = "step"


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction of the system clock."""

    how: How
    by_s: float
    uncertainty_s: float


class Discipline:
    """Controller that determines the corrections of the system clock by one receiver."""

    def __init__(self, judge: TimeJudge, *, set_before: tuple[float, float] | None = None) -> None:
        """Set the object that judges the receiver's time, and the state from an earlier run.

        `set_before` is the boot clock time and the uncertainty of the last correction by an earlier run.
        """
        self._judge = judge
        self.last_set = set_before
        """Boot clock time and uncertainty, in seconds, of the last correction; None before the first."""
        self._pulse: tuple[float, Pulse] | None = None
        self._pulse_corrections: deque[float] = deque(maxlen=_PULSES)
        self.deviation_s: float | None = None
        """Last known deviation of the receiver's time from the clock, in seconds."""

    def governs(self, kernel: KernelClock, *, at: float) -> bool:
        """Return True if this receiver made the clock's last correction, and the clock is still synchronised.

        Every time service sets the kernel's maximum error, so a value other than the expected one shows
        that another service has corrected the clock.
        """
        if self.last_set is None or not kernel.is_synced:
            return False
        when, uncertainty = self.last_set
        expected = uncertainty + (at - when) * _DRIFT
        return abs(kernel.max_error_s - expected) <= 0.002 + (at - when) * _DRIFT / 20

    def has_pulses(self, at: float) -> bool:
        """Return True if pulses are arriving."""
        return self._pulse is not None and at - self._pulse[0] <= PULSE_LOST_AFTER_S

    def observe(self, report: TimeReport, *, system_utc: float, pulse: Pulse | None) -> None:
        """Process a time report from the receiver.

        `system_utc` is the system clock's time at which the report arrived, and `pulse` is the last pulse.
        """
        self._judge.observe(report.utc, at=report.at)
        if pulse is None or (self._pulse is not None and pulse.number == self._pulse[1].number):
            return
        self._pulse = report.at, pulse
        # The sentence after a pulse states the pulse's time.
        if report.utc == round(report.utc) and 0 < system_utc - pulse.system_utc < _LATEST_S:
            self._pulse_corrections.append(report.utc - pulse.system_utc)

    def correction(self, kernel: KernelClock, *, at: float, system_utc: float) -> Correction | None:
        """Return the correction that is due at the boot clock time `at`; None if there is none.

        `system_utc` is the system clock's time.
        """
        offset = self._judge.offset(at)
        if offset is None:
            self.deviation_s = None
            return None
        by = offset + at - system_utc
        pulses = self._pulse_corrections if self.has_pulses(at) else ()
        has_pulses = len(pulses) >= _PULSES // 2 and abs(median(pulses) - by) < 1 + SENTENCE_UNCERTAINTY_S
        if has_pulses:
            by = median(pulses)
        self.deviation_s = by
        ours = self.governs(kernel, at=at)
        if kernel.is_synced and not ours:
            return None
        if not self._judge.is_believed(by, at=at):
            return None
        is_step = abs(by) > STEP_S
        if ours and not is_step and self.last_set is not None and at - self.last_set[0] < CORRECT_EVERY_S:
            return None
        uncertainty = PULSE_UNCERTAINTY_S if has_pulses else SENTENCE_UNCERTAINTY_S
        if is_step:
            return Correction(How.STEP, by, uncertainty)
        how = How.SLEW if abs(by) >= (_PULSE_SLEW_S if has_pulses else _SLEW_S) else How.CONFIRM
        # The deviation remains until the kernel has removed it.
        return Correction(how, by, uncertainty + (abs(by) if how is How.SLEW else 0.0))

    def applied(self, correction: Correction, *, at: float) -> None:
        """Record that a correction was applied at the boot clock time `at`."""
        self.last_set = at, correction.uncertainty_s
        self._pulse_corrections.clear()
