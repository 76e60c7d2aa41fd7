"""Accuracy of the system clock, the time floor, and the time anchors of a boot.

An anchor states the UTC time of one boot clock reading, with an uncertainty and a source. A sensor reading
carries only the boot clock's time. Anchors convert that time to UTC, possibly much later, when a better
anchor has become known. The sources are, best first: `gnss`, `network` (NTP), `rtc` (a clock chip), and
`floor` (only a lower bound is known: the image's date or the last known time).
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from . import kernel_clock
from .time_source import TimeSource

log = logging.getLogger(__name__)

RTC_UNCERTAINTY_S: Final = 20.0
"""Uncertainty of a clock chip, in seconds.

A DS3231 is accurate to 2 ppm, and a cheaper chip to 20 ppm. At 20 ppm, a clock is off by 20 s after about ten
days.
"""
REANCHOR_S: Final = 6 * 3600.0
"""Maximum interval between anchors in a long boot, in seconds, so that the crystal's drift is known."""
STEP_S: Final = 0.5
"""Minimum deviation of a good clock from the last anchor's prediction for a new anchor, in seconds."""
AHEAD: Final = 60.0
"""Maximum time by which the floor may be ahead of a good clock without contradicting it, in seconds.

The tolerance is necessary because time services may set clocks back a little.
"""
DISBELIEVED_AFTER: Final = 3600.0
"""Time for which network time must contradict the stored time before it replaces that time, in seconds.

The delay prevents an attacker on a Wi-Fi network that the vessel passes from setting the clock back. While
network time is available, a wrong floor lasts no longer than this.
"""


KEEP_EVERY_S: Final = 600.0
"""Interval, in seconds, at which a daemon stores its floor. It limits the number of writes to the card."""


SYNCED: Final = "synced"
"""Value of `trust` in documents: the clock had been set by the network, GNSS or a clock chip."""
UNSYNCED: Final = "unsynced"
"""Value of `trust` in documents: the clock had not been set by a reliable source."""


def trust_of(*, synced: bool) -> str:
    """Return the value of `trust` that documents state for a UTC time."""
    return SYNCED if synced else UNSYNCED


@dataclass(frozen=True, slots=True)
class ClockQuality:
    """Source and uncertainty of the system clock's current time."""

    source: TimeSource
    uncertainty_s: float

    @property
    def is_synced(self) -> bool:
        """True if the clock's UTC time is correct to within the uncertainty."""
        return self.source is not TimeSource.FLOOR


@dataclass(frozen=True, slots=True)
class Anchor:
    """A measured relation between the boot clock and UTC."""

    clock_s: float
    utc: float
    source: TimeSource
    uncertainty_s: float

    def as_list(self) -> list[float | str]:
        """Return the anchor in the format of the boot document."""
        return [self.clock_s, self.utc, self.source.value, self.uncertainty_s]


def system_quality(*, root: Path = Path("/")) -> ClockQuality:
    """Return the quality of the system clock, as reported by the kernel.

    A time service may discipline the clock, or a clock chip may have set it. Every time service counts as the
    network here: `services.state.gnss_state` shows whether the time comes from the satellite receiver. Raise
    OSError if the kernel cannot be queried.
    """
    clock = kernel_clock.read()
    if clock.is_synced:
        return ClockQuality(TimeSource.NETWORK, max(clock.max_error_s, 0.001))
    # A value of 1 means that the kernel set the time from the first clock chip at boot (rtc's sysfs ABI,
    # hctosys).
    hctosys = root / "sys/class/rtc/rtc0/hctosys"
    if hctosys.exists() and hctosys.read_text().strip() == "1":
        return ClockQuality(TimeSource.RTC, RTC_UNCERTAINTY_S)
    return ClockQuality(TimeSource.FLOOR, 0.0)


@dataclass(frozen=True, slots=True)
class FloorRecord:
    """State of a `TimeFloor`, which a daemon stores so that its next run can continue from it."""

    utc: float = 0.0
    """The last known time, in seconds since 1970."""
    contradicted_s: float = 0.0
    """Number of seconds for which network time has contradicted the last known time."""


_NOTHING_KNOWN: Final = FloorRecord()


class TimeFloor:
    """The earliest possible current time, determined by the same rule in all daemons.

    A clock may start in 1970, so the last known time is used as a floor. A clock may also once have run
    ahead, because of a bad time server or clock chip. If network time contradicts the floor for
    `DISBELIEVED_AFTER` seconds, it therefore replaces the floor. The recorder and the sync daemon each store
    their own floor, so that neither has to wait for the other's file.
    """

    def __init__(self, *, image: float, kept: FloorRecord = _NOTHING_KNOWN) -> None:
        """Start with the date of the image, in seconds since 1970, and the stored state."""
        self._image, self._known = image, kept.utc
        self.contradicted_s = kept.contradicted_s
        """Number of seconds for which network time has contradicted the floor."""
        self._contradicted_at: float | None = None

    @property
    def record(self) -> FloorRecord:
        """The state of the floor, which a daemon stores for its next run."""
        return FloorRecord(self._known, self.contradicted_s)

    @property
    def utc(self) -> float:
        """The time floor, the earliest possible current time, in seconds since 1970."""
        return max(self._image, self._known)

    def judge(self, utc: float, quality: ClockQuality) -> ClockQuality:
        """Return the quality of a clock that shows `utc`; a time before the floor has the floor's quality."""
        if utc < self.utc:
            return ClockQuality(TimeSource.FLOOR, 0.0)
        return quality

    def is_evidence(self, utc: float, quality: ClockQuality) -> bool:
        """Return True if a time should be recorded as an anchor even though it may contradict the floor.

        A clock chip does not count, because its time may be years off after its battery was flat.
        """
        return quality.source.is_external and utc >= self._image

    def raise_to(self, utc: float) -> None:
        """Raise the floor to a known time. An earlier time has no effect."""
        if utc > self._known:
            self._known = utc
            self._forget()

    def observe(self, utc: float, quality: ClockQuality, *, at: float) -> bool:
        """Compare a clock's time with the floor. Return True if the clock's time has replaced the floor.

        `at` is the time of a monotonic clock in seconds. Without a time service nothing changes. Periods of
        contradiction add up, even across boots, until network time confirms the floor.
        """
        if not quality.source.is_external:
            self._contradicted_at = None
            return False
        if not self._image <= utc < self.utc - AHEAD:
            self._forget()
            return False
        if self._contradicted_at is not None:
            self.contradicted_s += max(at - self._contradicted_at, 0.0)
        elif self.contradicted_s == 0.0:
            log.warning(
                "the time from the network or from GNSS is %s, which is before the saved time %s; if this "
                "persists for %g minutes, it is accepted",
                *(f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M} UTC" for when in (utc, self.utc)),
                DISBELIEVED_AFTER / 60,
            )
        self._contradicted_at = at
        if self.contradicted_s < DISBELIEVED_AFTER:
            return False
        self._known = utc
        self._forget()
        return True

    def _forget(self) -> None:
        self.contradicted_s, self._contradicted_at = 0.0, None


class Timekeeper:
    """Keeper of the time anchors and the time floor during one boot.

    Network time becomes an anchor even if it contradicts the floor, because an anchor is evidence, and the
    timeline weighs the anchors of all boots. Until the floor is replaced, the current time counts as unknown.
    """

    def __init__(self, floor: TimeFloor) -> None:
        """Start with the time floor that earlier runs have stored."""
        self.floor = floor
        self.anchors: list[Anchor] = []

    def utc(self, utc: float) -> float:
        """Return `utc`, the system clock's time, or the floor if that is later."""
        return max(utc, self.floor.utc)

    def judge(self, utc: float, quality: ClockQuality) -> ClockQuality:
        """Return the quality of a clock that shows `utc`; a time before the floor has the floor's quality."""
        return self.floor.judge(utc, quality)

    def observe(self, *, clock_s: float, utc: float, quality: ClockQuality) -> Anchor | None:
        """Process one reading of all clocks. Return a new anchor if that adds information, else None.

        A new anchor is also appended to `anchors`.
        """
        self.floor.observe(utc, quality, at=clock_s)
        if not self.floor.is_evidence(utc, quality):
            quality, utc = self.judge(utc, quality), self.utc(utc)
        anchor = Anchor(round(clock_s, 3), round(utc, 3), quality.source, round(quality.uncertainty_s, 3))
        if not self._tells_more(anchor):
            return None
        self.anchors.append(anchor)
        return anchor

    def _tells_more(self, anchor: Anchor) -> bool:
        if not self.anchors:
            return True
        best = max(known.source.rank for known in self.anchors)
        if anchor.source.rank != best:
            return anchor.source.rank > best
        if anchor.source is TimeSource.FLOOR:
            return False
        last = [known for known in self.anchors if known.source.rank == best][-1]
        foretold = last.utc + anchor.clock_s - last.clock_s
        return (
            abs(anchor.utc - foretold) > STEP_S
            or anchor.clock_s - last.clock_s >= REANCHOR_S
            or anchor.uncertainty_s < last.uncertainty_s / 10
        )
