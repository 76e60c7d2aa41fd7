"""Input from a satellite receiver, and counts of recent lines. Callers pass in the bytes and the time."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from . import nmea
from .nmea import AntennaStatus, Fix, FixQuality, FullDate, InView, NmeaError

LATELY_S: Final = 10.0
"""Age at which data from the receiver no longer counts as recent, in seconds."""
IN_VIEW_S: Final = 30.0
_REAL_MODES: Final = ("", "A", "D", "F", "P", "R")
"""Mode indicators for a position from satellites, so without E (estimated), M (manual) or S (simulator)."""
_REAL_QUALITIES: Final = range(1, 6)
_ANTENNA_FAULTS: Final = ("OPEN", "SHORT")


@dataclass(frozen=True, slots=True)
class TimeReport:
    """A time that the receiver reports as valid."""

    utc: float
    """The reported time, in seconds since 1970."""
    at: float
    """Boot clock time, in seconds, at which the sentence arrived."""


class ReceiverInput:
    """The sentences of a receiver, and counts of what was received recently."""

    def __init__(self) -> None:
        self._rest = b""
        self._bytes_at: float | None = None
        self._lines: deque[tuple[float, str]] = deque()
        """Recent lines: the arrival time and the kind (`sentence`, `checksum` or `noise`) of each."""
        self._time_at: float | None = None
        self._quality: tuple[float, FixQuality] | None = None
        self._in_view: dict[str, tuple[float, int]] = {}
        self._not_real_at: float | None = None
        self.antenna = ""
        """The antenna's last reported status, if it is a fault: OPEN or SHORT."""
        self.lost_fix = False
        """True if the last sentence with a status reported no fix."""

    def feed(self, data: bytes, *, at: float) -> list[TimeReport]:
        """Process received bytes, and return the times that they report.

        `at` is the boot clock in seconds.
        """
        self._bytes_at = at
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > nmea.LONGEST:
            lines.append(self._rest)
            self._rest = b""
        times = [self._line(line, at) for line in lines if line.strip(b"\r\0 ")]
        found = [TimeReport(utc, at) for utc in times if utc is not None]
        self._forget(at)
        return found

    def restart(self) -> None:
        """Discard the received lines, because the device was reopened or the baud rate was changed."""
        self._rest = b""
        self._lines.clear()

    def is_silent(self, at: float) -> bool:
        """Return True if nothing has been received recently."""
        return not _is_recent(self._bytes_at, at)

    def count(self, what: str, at: float) -> int:
        """Return the number of recent lines that were a `sentence`, had a bad `checksum`, or were `noise`."""
        self._forget(at)
        return sum(1 for _, kind in self._lines if kind == what)

    def has_time_sentence(self, at: float) -> bool:
        """Return True if a sentence of a type that can state the time was received recently."""
        return _is_recent(self._time_at, at)

    def is_not_from_satellites(self, at: float) -> bool:
        """Return True if the receiver recently reported an estimated, entered or simulated position."""
        return _is_recent(self._not_real_at, at)

    def satellites_used(self, at: float) -> int | None:
        """Return the number of satellites in use; None if the receiver does not report it."""
        if self._quality is None or not _is_recent(self._quality[0], at):
            return None
        return self._quality[1].satellites

    def satellites_in_view(self, at: float) -> int | None:
        """Return the number of satellites in view; None if the receiver does not report it."""
        known = [number for when, number in self._in_view.values() if at - when <= IN_VIEW_S]
        return sum(known) if known else None

    def _line(self, line: bytes, at: float) -> float | None:
        try:
            found = nmea.parse(line)
        except NmeaError as error:
            self._lines.append((at, "checksum" if "checksum" in str(error) else "noise"))
            return None
        self._lines.append((at, "sentence"))
        match found:
            case Fix():
                return self._fix(found, at)
            case FullDate():
                return self._full_date(found, at)
            case FixQuality():
                self._quality = at, found
                if not found.quality:
                    self.lost_fix = True
            case InView():
                self._in_view[found.system] = at, found.satellites
            case AntennaStatus(status):
                self.antenna = status if status in _ANTENNA_FAULTS else ""
            case _:
                pass
        return None

    def _fix(self, fix: Fix, at: float) -> float | None:
        self._time_at = at
        self.lost_fix = not fix.is_valid or fix.utc is None
        if fix.is_valid and fix.mode not in _REAL_MODES:
            self._not_real_at, self.lost_fix = at, True
        return None if self.lost_fix or fix.utc is None else fix.utc.timestamp()

    def _full_date(self, found: FullDate, at: float) -> float | None:
        # ZDA does not state whether there is a fix, so a different sentence must state it.
        self._time_at = at
        if found.utc is None or self.lost_fix or self._quality is None:
            return None
        when, quality = self._quality
        is_real = quality.quality in _REAL_QUALITIES and _is_recent(when, at)
        return found.utc.timestamp() if is_real else None

    def _forget(self, at: float) -> None:
        while self._lines and at - self._lines[0][0] > LATELY_S:
            self._lines.popleft()


def _is_recent(when: float | None, at: float) -> bool:
    return when is not None and at - when <= LATELY_S
