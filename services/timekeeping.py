"""Timekeeping: what the machine's clock is worth, the time floor, and the time anchors of a boot.

An anchor says "at this moment of the boot clock it was that time, give or take so much, says so-and-so".
Readings carry the boot clock; anchors turn it into UTC, also later, when a better one has become known.

Sources, best first: `gnss`, `network` (NTP), `rtc` (a clock chip), `floor` (not earlier than this: the
image's date or the last time that was known).
"""

import ctypes
import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

STA_UNSYNC: Final = 0x0040
"""`adjtimex` status: no time service disciplines the clock (linux/timex.h)."""
RTC_UNCERTAINTY_S: Final = 20.0
"""A DS3231 keeps within 2 ppm, a cheaper chip 20 ppm: 20 s is ten days of the latter."""
REANCHOR_S: Final = 6 * 3600.0
"""A boot of weeks gets an anchor this often, so that the crystal's drift between two is known."""
STEP_S: Final = 0.5
"""A good clock that differs this much from what its last anchor foretells gets a new one."""
AHEAD: Final = 60.0
"""Seconds by which the floor may be ahead of a good clock: that is set in small steps, also back."""
DISBELIEVED_AFTER: Final = 3600.0
"""Seconds of the network's time that outweigh what was noted before. Somebody who fakes the time on a Wi-Fi
network that a vessel passes does not set it back in that time. A wrong floor lasts no longer than this."""


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

    @property
    def is_external(self) -> bool:
        """True if somebody else's clock says so: a time server, or satellites."""
        return self in (Source.NETWORK, Source.GNSS)


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


class TimeFloor:
    """The earliest time that it can be: one rule for all daemons.

    A clock may start in 1970, so what was known before is a floor for it. A clock may also have run ahead
    once, by a bad time server or clock chip. So a floor that the network's time contradicts for
    `DISBELIEVED_AFTER` gives way to it.
    """

    def __init__(self, *, image: float, known: float = 0.0, contradicted_s: float = 0.0) -> None:
        """Begin with what was kept.

        `image` is the date of the image, and `known` the last time that was known, seconds since 1970.
        `contradicted_s` is for how long the network's time has contradicted `known` in earlier boots.
        """
        self._image, self._known = image, known
        self.contradicted_s = contradicted_s
        """Seconds for which the network's time has contradicted the floor."""
        self._contradicted_at: float | None = None

    @property
    def utc(self) -> float:
        """The floor, seconds since 1970."""
        return max(self._image, self._known)

    def judge(self, utc: float, quality: ClockQuality) -> ClockQuality:
        """Return what a clock is worth: nothing if it shows a time before the floor."""
        if utc < self.utc:
            return ClockQuality(Source.FLOOR, 0.0)
        return quality

    def is_evidence(self, utc: float, quality: ClockQuality) -> bool:
        """Return True if the clock is worth recording, even where it contradicts the floor.

        A clock chip may itself be wrong, after years with an empty battery.
        """
        return quality.source.is_external and utc >= self._image

    def raise_to(self, utc: float) -> None:
        """Note what time it is. An earlier time than the floor changes nothing."""
        if utc > self._known:
            self._known = utc
            self._forget()

    def observe(self, utc: float, quality: ClockQuality, *, at: float) -> bool:
        """Look at a clock; return True if the floor has given way. `at`: seconds of a clock that never jumps.

        Without a time service nothing is learnt. The time for which the floor is contradicted adds up, also
        over boots, until the network's time confirms the floor.
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
                "the network's time is %s, but %s was noted before; if this does not change within"
                " %g minutes, the network's time is believed",
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
    """The anchors of one boot.

    The network's time becomes an anchor even where it contradicts the floor: an anchor is evidence, and the
    timeline weighs that of all boots. Meanwhile the clock counts as unknown, until the floor gives way.
    """

    def __init__(self, *, floor_utc: float, image_utc: float = 0.0) -> None:
        """`floor_utc` is the last time that was known, `image_utc` the date of the image."""
        self._floor = TimeFloor(image=image_utc, known=floor_utc)
        self.anchors: list[Anchor] = []

    def utc(self, utc: float) -> float:
        """Return the machine's UTC, but never a time before the floor."""
        return max(utc, self._floor.utc)

    def judge(self, utc: float, quality: ClockQuality) -> ClockQuality:
        """Return what the clock is worth: nothing if it shows a time before the floor."""
        return self._floor.judge(utc, quality)

    def observe(self, *, clock_s: float, utc: float, quality: ClockQuality) -> Anchor | None:
        """Look at the clocks at one moment; return the new anchor if they tell something new.

        It is then in `anchors`, too.
        """
        self._floor.observe(utc, quality, at=clock_s)
        if not self._floor.is_evidence(utc, quality):
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
        if anchor.source is Source.FLOOR:
            return False
        last = [known for known in self.anchors if known.source.rank == best][-1]
        foretold = last.utc + anchor.clock_s - last.clock_s
        return (
            abs(anchor.utc - foretold) > STEP_S
            or anchor.clock_s - last.clock_s >= REANCHOR_S
            or anchor.uncertainty_s < last.uncertainty_s / 10
        )
