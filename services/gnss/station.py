"""A satellite receiver: its input, its faults, and the resulting corrections of the clock.

This module does no I/O of its own: callers pass the bytes, the clocks and the functions that set the clock.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from sensors.units import format_duration
from services.clocks.kernel_clock import KernelClock
from services.terminal.present import count

from . import faults
from .discipline import SENTENCE_UNCERTAINTY_S, Correction, Discipline, How, Pulse
from .faults import Fault
from .receiver_input import ReceiverInput
from .time_judge import Doubt, TimeJudge, required_s

log = logging.getLogger(__name__)

EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
"""Date to use if the system image's date is unknown, in seconds since 1970."""
DIFFERS_S: Final = 3.0
"""Minimum deviation from a clock set by another service at which a warning is given, in seconds."""
_MANY_BAD: Final = 0.2
"""Minimum fraction of sentences with wrong checksums at which a fault is reported."""


class ClockSetter(Protocol):
    """Interface to the functions of `services.clocks.kernel_clock`. Tests pass other implementations."""

    def read(self) -> KernelClock:
        """Return the state of the clock."""
        ...

    def step(self, by_s: float, *, uncertainty_s: float) -> None:
        """Set the clock forward or back."""
        ...

    def slew(self, by_s: float, *, uncertainty_s: float) -> None:
        """Correct the clock gradually."""
        ...

    def confirm(self, *, uncertainty_s: float) -> None:
        """Mark the clock as synchronised."""
        ...


@dataclass(frozen=True, slots=True)
class Summary:
    """The current state of the GNSS receiver, and whether its time has set the clock."""

    fault: Fault | None
    words: str
    """Description of the receiver's state, as a clause."""
    governs: bool
    """True if the receiver's time has set the clock, and no other service has set it since."""


class Station:
    """A receiver, and the system clock that it corrects."""

    def __init__(
        self,
        device: str,
        *,
        image: float,
        setter: ClockSetter,
        utc: Callable[[], float],
        has_pps: bool = False,
        set_before: tuple[float, float] | None = None,
    ) -> None:
        """Set the receiver's device, the image's date, and the functions that access the system clock.

        `set_before` is as in `Discipline`. `utc` returns the system clock's time in seconds since 1970.
        """
        self._device, self._setter, self._utc, self._has_pps = device, setter, utc, has_pps
        self._image = max(image, EARLIEST)
        self.input = ReceiverInput()
        self._judge = TimeJudge(image=self._image)
        self.discipline = Discipline(self._judge, set_before=set_before)
        self._last_utc: float | None = None
        self._opened_at: float | None = None
        self._open_fault: Fault | None = faults.NO_DEVICE.filled(device=device)
        self._set_fault: Fault | None = None
        self.bauds: tuple[int, ...] = ()
        """Baud rates that have been tried without a sentence since the device was opened."""

    def opened(self, at: float) -> None:
        """Record that the receiver's device was opened."""
        self._opened_at, self._open_fault = at, None
        self.input.restart()

    def closed(self, error: OSError) -> None:
        """Record that the receiver's device could not be opened, or was disconnected."""
        self._judge.interrupt()
        if isinstance(error, FileNotFoundError):
            self._open_fault = faults.NO_DEVICE.filled(device=self._device)
        else:
            self._open_fault = faults.CANNOT_OPEN.filled(device=self._device, reason=error.strerror)

    def receive(self, data: bytes, *, at: float, pulse: Pulse | None = None) -> None:
        """Process received bytes, and correct the clock if this is due. `at` is the boot clock in seconds."""
        for report in self.input.feed(data, at=at):
            self._last_utc = report.utc
            self.discipline.observe(report, system_utc=self._utc(), pulse=pulse)
        if self.input.lost_fix:
            self._judge.interrupt()
        kernel = self._setter.read()
        correction = self.discipline.correction(kernel, at=at, system_utc=self._utc())
        if correction is not None:
            self._apply(correction, at)

    def summary(self, at: float) -> Summary:
        """Return the state of the receiver at the boot clock time `at`."""
        kernel = self._setter.read()
        governs = self.discipline.governs(kernel, at=at)
        fault = self._open_fault or self._fault(kernel, at, governs=governs)
        return Summary(fault, self._words(at, governs=governs) if fault is None else fault.text, governs)

    def _apply(self, correction: Correction, at: float) -> None:
        by, uncertainty = correction.by_s, correction.uncertainty_s
        try:
            if correction.how is How.STEP:
                before = self._utc()
                self._setter.step(by, uncertainty_s=uncertainty)
                log.warning(
                    "the clock was set to the satellite receiver's time: from %s to %s",
                    *map(_shown, (before, before + by)),
                )
            elif correction.how is How.SLEW:
                self._setter.slew(by, uncertainty_s=uncertainty)
            else:
                self._setter.confirm(uncertainty_s=uncertainty)
        except OSError as error:
            self._set_fault = faults.NOT_ALLOWED.filled(reason=error.strerror)
            return
        self._set_fault = None
        self.discipline.applied(correction, at=at)

    def _fault(self, kernel: KernelClock, at: float, *, governs: bool) -> Fault | None:
        """Return the most important fault, which must be remedied before others."""
        return (
            self._line_fault(at)
            or self._doubt(at)
            or self._fix_fault(at)
            or self._set_fault
            or self._difference(kernel, governs=governs)
            or self._pulse_fault(at)
        )

    def _line_fault(self, at: float) -> Fault | None:
        heard, device = self.input, self._device
        if (
            self._opened_at is not None
            and at - self._opened_at < SETTLED_AFTER_S
            and not heard.count("sentence", at)
            and not self.bauds
        ):
            return None
        if heard.is_silent(at):
            return faults.SILENT.filled(device=device)
        sentences, bad = heard.count("sentence", at), heard.count("checksum", at)
        if not sentences and not bad:
            bauds = ", ".join(map(str, self.bauds)) or "this"
            return faults.NOT_NMEA.filled(device=device, bauds=bauds)
        if bad > _MANY_BAD * (sentences + bad):
            return faults.BAD_CHECKSUMS.filled(bad=bad, every=sentences + bad, device=device)
        if not heard.has_time_sentence(at):
            return faults.NO_TIME.filled(device=device)
        return None

    def _doubt(self, at: float) -> Fault | None:
        doubt = self._judge.doubt(at)
        if doubt is None:
            return None
        dates = {"date": _shown(self._last_utc or 0.0)[:10], "image": _shown(self._image)[:10]}
        return _DOUBTS[doubt].filled(**dates)

    def _fix_fault(self, at: float) -> Fault | None:
        heard = self.input
        if heard.is_not_from_satellites(at):
            return faults.NOT_FROM_SATELLITES
        if not heard.lost_fix:
            return None
        if heard.antenna:
            return faults.ANTENNA_OPEN if heard.antenna == "OPEN" else faults.ANTENNA_SHORT
        in_view = heard.satellites_in_view(at)
        if in_view == 0:
            return faults.NO_SATELLITES
        view = "" if in_view is None else f": {count(in_view, 'satellite')} in view"
        return faults.NO_FIX.filled(view=view)

    def _difference(self, kernel: KernelClock, *, governs: bool) -> Fault | None:
        by = self.discipline.deviation_s
        if governs or not kernel.is_synced or by is None or abs(by) < DIFFERS_S + kernel.max_error_s:
            return None
        return faults.DIFFERS.filled(difference=format_duration(abs(by)))

    def _pulse_fault(self, at: float) -> Fault | None:
        if not self._has_pps or self.discipline.has_pulses(at) or self._judge.offset(at) is None:
            return None
        return faults.NO_PULSE.filled(uncertainty=SENTENCE_UNCERTAINTY_S)

    def _words(self, at: float, *, governs: bool) -> str:
        used = self.input.satellites_used(at)
        fix = "fix" if used is None else f"fix from {count(used, 'satellite')}"
        if self.discipline.has_pulses(at):
            fix += ", with pulses"
        by = self.discipline.deviation_s
        if by is None:
            return "waiting for the first time"
        kernel = self._setter.read()
        if governs:
            return fix
        if kernel.is_synced:
            return f"{fix}, in reserve: another time service sets the clock"
        return f"{fix}, being checked for {format_duration(required_s(by))} before it sets the clock"


SETTLED_AFTER_S: Final = 10.0
"""Time after a device was opened before missing sentences are reported, in seconds."""
_DOUBTS: Final = {
    Doubt.ROLLOVER: faults.ROLLOVER,
    Doubt.TOO_OLD: faults.TOO_OLD,
    Doubt.TOO_NEW: faults.TOO_NEW,
    Doubt.JUMPS: faults.JUMPS,
}


def _shown(utc: float) -> str:
    return f"{datetime.fromtimestamp(utc, UTC):%Y-%m-%d %H:%M:%S} UTC"
