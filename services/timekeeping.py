"""Timekeeping: what the machine's clock is worth, and the time anchors of a boot.

An anchor says "at this moment of the boot clock it was that time, give or take so much, says so-and-so".
Readings carry the boot clock; anchors turn it into UTC, also later, when a better one has become known.

Sources, best first: `gnss`, `network` (NTP), `rtc` (a clock chip), `floor` (not earlier than this: the
image's date or the last time that was known).
"""

import ctypes
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

STA_UNSYNC: Final = 0x0040
"""`adjtimex` status: no time service disciplines the clock (linux/timex.h)."""
RTC_UNCERTAINTY_S: Final = 20.0
"""A DS3231 keeps within 2 ppm, a cheaper chip 20 ppm: 20 s is ten days of the latter."""
REANCHOR_S: Final = 6 * 3600.0
"""A boot of weeks gets an anchor this often, so that the crystal's drift between two is known."""
STEP_S: Final = 0.5
"""A good clock that differs this much from what its last anchor foretells gets a new one."""


class Source(StrEnum):
    """Who says what time it is."""

    FLOOR = "floor"
    RTC = "rtc"
    NETWORK = "network"
    GNSS = "gnss"

    @property
    def rank(self) -> int:
        """0 for the floor, up to 3."""
        return list(Source).index(self)


@dataclass(frozen=True, slots=True)
class ClockQuality:
    """What the machine's clock is worth now."""

    source: Source
    uncertainty_s: float

    @property
    def is_synced(self) -> bool:
        """Whether UTC can be believed to within the uncertainty."""
        return self.source is not Source.FLOOR


@dataclass(frozen=True, slots=True)
class Anchor:
    """One fixed point between the boot clock and UTC."""

    clock_s: float
    utc: float
    source: Source
    uncertainty_s: float

    def as_list(self) -> list[float | str]:
        """As the boot document holds it."""
        return [self.clock_s, self.utc, self.source.value, self.uncertainty_s]


class _Timex(ctypes.Structure):
    """`struct timex` (linux/timex.h), as far as it is read here, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def system_quality(*, root: Path = Path("/")) -> ClockQuality:
    """Asks the kernel whether a time service keeps the clock, and else whether a clock chip set it."""
    timex = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(ctypes.byref(timex)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if not timex.status & STA_UNSYNC:
        return ClockQuality(Source.NETWORK, max(timex.maxerror / 1e6, 0.001))
    # The kernel took the time from the first clock chip at start if this says 1 (rtc's sysfs ABI, hctosys).
    hctosys = root / "sys/class/rtc/rtc0/hctosys"
    if hctosys.exists() and hctosys.read_text().strip() == "1":
        return ClockQuality(Source.RTC, RTC_UNCERTAINTY_S)
    return ClockQuality(Source.FLOOR, 0.0)


class Timekeeper:
    """Decides when a boot gets another anchor. Pure: moments come in."""

    def __init__(self, *, floor_utc: float) -> None:
        self._floor = floor_utc
        self.anchors: list[Anchor] = []

    def utc(self, utc: float) -> float:
        """The machine's UTC, but never before the floor."""
        return max(utc, self._floor)

    def judge(self, utc: float, quality: ClockQuality) -> ClockQuality:
        """A clock that shows a time before the floor is not worth what it says."""
        if utc < self._floor:
            return ClockQuality(Source.FLOOR, 0.0)
        return quality

    def observe(self, *, clock_s: float, utc: float, quality: ClockQuality) -> Anchor | None:
        """The clocks at one moment: a new anchor if they tell something new (it is then in `anchors`)."""
        quality = self.judge(utc, quality)
        anchor = Anchor(
            round(clock_s, 3), round(self.utc(utc), 3), quality.source, round(quality.uncertainty_s, 3)
        )
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
        if anchor.source is Source.FLOOR:
            return False
        last = [known for known in self.anchors if known.source.rank == best][-1]
        foretold = last.utc + anchor.clock_s - last.clock_s
        return (
            abs(anchor.utc - foretold) > STEP_S
            or anchor.clock_s - last.clock_s >= REANCHOR_S
            or anchor.uncertainty_s < last.uncertainty_s / 10
        )
