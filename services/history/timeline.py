"""A vessel's timeline, which converts boot clock times to UTC and determines each result's uncertainty.

A reading carries the number of its boot and the time of the boot clock, which never jumps. A boot's anchors
relate that clock to UTC, and better anchors may be added later. The readings are never rewritten. Instead,
every view gets its times from this module.

Times on a boot's clock are converted to UTC as follows:

1. Only anchors from the best source count: GNSS and network equally, or else a clock chip. If two anchors
   contradict each other, the more certain one counts, or the later one if they are equally certain.
2. Between two anchors UTC is interpolated, which corrects the crystal's drift. Before the first anchor and
   after the last, UTC advances at the clock's own rate.
3. A boot whose anchors contradict most boots with trusted clocks around it is not believed (`boot_order`). A
   wrong answer from a time server therefore affects only one boot.
4. A clock chip that contradicts the boots around it, or the time floor (the earliest possible time), is not
   believed.
5. A boot without a believable anchor took place after the previous boot and after its own floors, and before
   the next boot. The estimate is the middle of that period, with half its length as the uncertainty. If
   there is no upper bound, only a lower bound is known.

Samples are in order by log and number; times never reorder them.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from services.clocks.boot_order import Span, outvoted
from services.clocks.clock_quality import Anchor
from services.clocks.time_source import TimeSource

DRIFT: Final = 100e-6
"""Maximum drift of a free-running clock, in seconds per second.

Crystals like those on a Raspberry Pi are rated at ±20 to ±50 ppm at 25 °C. The margin above that allows for
ageing and for the heat in an engine room.
"""
MOST_SLEW: Final = 500e-6
"""Maximum rate at which time services slew the boot clock, in seconds per second.

The value is MAXFREQ in linux/timex.h. Two anchors that imply a higher rate cannot both be right.
"""


class TimeTrust(StrEnum):
    """Reliability of a time. The members are in order, the most reliable first."""

    SYNCED = "synced"
    """From GNSS or network anchors of the same boot."""
    RTC = "rtc"
    """From a clock chip."""
    BETWEEN = "between"
    """Estimated from the boots before and after."""
    AFTER = "after"
    """A lower bound only: not before this time."""
    BEFORE = "before"
    """An upper bound only: not after this time."""
    RECORDED = "recorded"
    """Taken from the sample's own document, because the document about its boot is missing."""
    UNKNOWN = "unknown"
    """Neither an estimate nor a bound is known."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment in UTC, with its uncertainty and the reliability of its source."""

    trust: TimeTrust
    utc: float | None
    """Best estimate, or the only known bound, in seconds since 1970; None if unknown."""
    uncertainty: float | None = None
    """Uncertainty in seconds; None if only one bound or nothing is known."""

    @property
    def earliest(self) -> float:
        """Lower bound, in seconds since 1970; -inf if unknown."""
        if self.utc is None or self.trust is TimeTrust.BEFORE:
            return -math.inf
        return self.utc - (self.uncertainty or 0.0)

    @property
    def latest(self) -> float:
        """Upper bound, in seconds since 1970; inf if unknown."""
        if self.utc is None or self.trust is TimeTrust.AFTER:
            return math.inf
        return self.utc + (self.uncertainty or 0.0)

    def is_within(self, since: float, until: float) -> bool:
        """Return True if the estimate is within a range. An unknown moment counts as within every range."""
        return self.utc is None or since <= self.utc <= until


NEVER: Final = Moment(TimeTrust.UNKNOWN, None)


@dataclass(frozen=True, slots=True)
class RecordedBoot:
    """A boot of the machine, as read from its document."""

    log: str
    number: int
    anchors: tuple[Anchor, ...] = ()
    previous_end: tuple[int, float] | None = None
    """Number of the previous boot, and the boot clock time of its last durable data."""


@dataclass(frozen=True, slots=True)
class _Base:
    """A boot's believed anchors, and bounds for the UTC time at which its clock was zero."""

    trust: TimeTrust
    points: tuple[Anchor, ...]
    low: float
    high: float
    length: float
    """Boot clock time of the last known moment of the boot."""
    is_over: bool
    """True if `length` is the boot's end, as stated by a later boot."""

    def at(self, clock: float) -> Moment:
        if self.points:
            return Moment(self.trust, *_interpolated(self.points, clock))
        # `high` comes from a later boot's start, so it also bounds times after the last known one.
        low, high = self.low + clock, self.high + min(clock, self.length)
        if math.isfinite(low) and math.isfinite(high) and low <= high:
            return Moment(TimeTrust.BETWEEN, (low + high) / 2, (high - low) / 2)
        if math.isfinite(low):
            return Moment(TimeTrust.AFTER, low)
        if math.isfinite(high):
            return Moment(TimeTrust.BEFORE, high)
        return NEVER


class Timeline:
    """All boots of one vessel, across all of its logs."""

    def __init__(self, boots: Iterable[RecordedBoot]) -> None:
        self._bases: dict[tuple[str, int], _Base] = {}
        by_log: dict[str, dict[int, RecordedBoot]] = {}
        for boot in boots:
            by_log.setdefault(boot.log, {})[boot.number] = boot
        for log, numbered in by_log.items():
            in_order = [numbered[number] for number in sorted(numbered)]
            for boot, base in zip(in_order, _based(in_order), strict=True):
                self._bases[log, boot.number] = base

    def knows(self, log: str, boot: int) -> bool:
        """Return True if a document about this boot is stored."""
        return (log, boot) in self._bases

    def at(self, log: str, boot: int, clock: float, *, recorded: float | None = None) -> Moment:
        """Return the moment in UTC at which the boot clock showed `clock` seconds.

        `recorded` is the UTC time in the document that contains `clock`, used if the boot's document is
        missing.
        """
        base = self._bases.get((log, boot))
        if base is not None:
            return base.at(clock)
        return NEVER if recorded is None else Moment(TimeTrust.RECORDED, recorded)

    def boots(self, log: str) -> list[int]:
        """Return the numbers of a log's boots that have documents, in ascending order."""
        return sorted(number for base_log, number in self._bases if base_log == log)

    def length(self, log: str, boot: int) -> float:
        """Return the last known boot clock time of a boot, in seconds; 0 if the boot is unknown."""
        base = self._bases.get((log, boot))
        return 0.0 if base is None else base.length

    def first_boot_reaching(self, log: str, since: float) -> int:
        """Return the number of the first boot in a log that may have lasted until `since`.

        A boot whose end is unknown, such as the newest boot, may have lasted indefinitely. The result is 0 if
        no boot is known.
        """
        for number in self.boots(log):
            base = self._bases[log, number]
            if not base.is_over or base.at(base.length).is_within(since, math.inf):
                return number
        return max(self.boots(log), default=0)


def believed(anchors: Iterable[Anchor]) -> tuple[Anchor, ...]:
    """Return the anchors from the best class of source, without contradictions, in clock order.

    Floors are bounds, not anchors, and are never returned.
    """
    fixed = [anchor for anchor in anchors if anchor.source is not TimeSource.FLOOR and _is_finite(anchor)]
    good = [anchor for anchor in fixed if _trust(anchor) is TimeTrust.SYNCED]
    kept: list[Anchor] = []
    for anchor in sorted(good or fixed, key=lambda anchor: anchor.clock_s):
        while kept and not _agree(kept[-1], anchor):
            if kept[-1].uncertainty_s < anchor.uncertainty_s:
                break
            kept.pop()
        else:
            kept.append(anchor)
    return tuple(kept)


def sure_span(points: Sequence[Anchor]) -> Span | None:
    """Return the period in which a boot ran, from its GNSS or network anchors; None if it has none.

    `points` are the boot's believed anchors.
    """
    if not points or _trust(points[0]) is not TimeTrust.SYNCED:
        return None
    begin, give = _interpolated(points, 0.0)
    last = points[-1]
    return Span(latest_begin=begin + give, earliest_end=last.utc - last.uncertainty_s)


def _trust(anchor: Anchor) -> TimeTrust:
    return TimeTrust.RTC if anchor.source is TimeSource.RTC else TimeTrust.SYNCED


def _is_finite(anchor: Anchor) -> bool:
    return all(map(math.isfinite, (anchor.clock_s, anchor.utc, anchor.uncertainty_s)))


def _agree(one: Anchor, later: Anchor) -> bool:
    elapsed = later.clock_s - one.clock_s
    advance = later.utc - one.utc
    slack = one.uncertainty_s + later.uncertainty_s + MOST_SLEW * elapsed
    return elapsed > 0 and advance > 0 and abs(advance - elapsed) <= slack


def _interpolated(points: Sequence[Anchor], clock: float) -> tuple[float, float]:
    """Return the UTC time for a boot clock time, and the uncertainty.

    The UTC time is interpolated between anchors, which must be in clock order.
    """
    place = bisect_right(points, clock, key=lambda anchor: anchor.clock_s)
    if place == 0 or place == len(points):
        near = points[0] if place == 0 else points[-1]
        away = clock - near.clock_s
        return near.utc + away, near.uncertainty_s + DRIFT * abs(away)
    left, right = points[place - 1], points[place]
    share = (clock - left.clock_s) / (right.clock_s - left.clock_s)
    nearest = min(clock - left.clock_s, right.clock_s - clock)
    return (
        left.utc + share * (right.utc - left.utc),
        left.uncertainty_s + share * (right.uncertainty_s - left.uncertainty_s) + DRIFT * nearest,
    )


def _told_ends(boots: Sequence[RecordedBoot]) -> dict[int, float]:
    """Return the boot clock time of each boot's last durable data, as stated by later boots."""
    ends: dict[int, float] = {}
    for boot in boots:
        if boot.previous_end is not None:
            number, clock = boot.previous_end
            ends[number] = max(clock, ends.get(number, 0.0))
    return ends


def _based(boots: Sequence[RecordedBoot]) -> list[_Base]:
    """Return each boot's relation between boot clock and UTC, or the bounds set by neighbouring boots."""
    ends = _told_ends(boots)
    lengths = [
        max([ends.get(boot.number, 0.0), *(anchor.clock_s for anchor in boot.anchors)]) for boot in boots
    ]
    chosen = _chosen(boots)
    # First, GNSS and network times set the bounds. Then, clock chips are used if they are consistent with
    # these bounds.
    good = [points if points and _trust(points[0]) is TimeTrust.SYNCED else () for points in chosen]
    bounds = _bounds(boots, lengths, good)
    credible = [
        points if _fits(points, low=low, high=high) else ()
        for points, (low, high) in zip(chosen, bounds, strict=True)
    ]
    settled = [mine or other for mine, other in zip(good, credible, strict=True)]
    bounds = _bounds(boots, lengths, settled)
    return [
        _Base(
            trust=_trust(points[0]) if points else TimeTrust.UNKNOWN,
            points=points,
            low=low,
            high=high,
            length=length,
            is_over=boot.number in ends,
        )
        for boot, length, points, (low, high) in zip(boots, lengths, settled, bounds, strict=True)
    ]


def _chosen(boots: Sequence[RecordedBoot]) -> list[tuple[Anchor, ...]]:
    """Return each boot's anchors from the best source.

    If these are outvoted, return those from the clock chip.
    """
    chosen = [believed(boot.anchors) for boot in boots]
    sure = [(place, span) for place, points in enumerate(chosen) if (span := sure_span(points)) is not None]
    for (place, _), is_outvoted in zip(sure, outvoted([span for _, span in sure]), strict=True):
        if is_outvoted:
            chosen[place] = believed(a for a in boots[place].anchors if a.source is TimeSource.RTC)
    return chosen


def _fits(points: Sequence[Anchor], *, low: float, high: float) -> bool:
    """Return True if the anchors place the UTC time of the clock's zero within the bounds.

    If the bounds contradict each other, only `low` is checked.
    """
    if not points:
        return False
    utc, give = _interpolated(points, 0.0)
    return utc + give >= low and (utc - give <= high or high < low)


def _bounds(
    boots: Sequence[RecordedBoot], lengths: Sequence[float], anchored: Sequence[Sequence[Anchor]]
) -> list[tuple[float, float]]:
    """Return bounds for the UTC time of each boot clock's zero, from time floors and neighbouring boots."""
    highs: list[float] = []
    begins = math.inf  # latest UTC time at which the following boot can have begun
    for length, points in zip(reversed(lengths), reversed(anchored), strict=True):
        high = begins - length
        highs.append(high)
        begins = high
        if points:
            utc, give = _interpolated(points, 0.0)
            begins = utc + give
    highs.reverse()
    lows: list[float] = []
    over = -math.inf  # earliest UTC time at which all boots so far can have ended
    for boot, length, points, high in zip(boots, lengths, anchored, highs, strict=True):
        low = max([over, *(zero for zero in _floors(boot) if zero <= high)])
        lows.append(low)
        over = low + length
        if points:
            utc, give = _interpolated(points, length)
            over = utc - give
    return list(zip(lows, highs, strict=True))


def _floors(boot: RecordedBoot) -> Iterator[float]:
    """Yield the time floors of a boot, converted to the UTC time at which its clock was zero.

    The caller ignores floors that later boots disprove, because such floors came from a clock that ran ahead.
    """
    for anchor in boot.anchors:
        if anchor.source is TimeSource.FLOOR and _is_finite(anchor):
            yield anchor.utc - anchor.clock_s


def downtimes(timeline: Timeline, log: str) -> list["Downtime"]:
    """Return the periods between the boots in a log, when the machine was off."""
    periods = []
    for before, after in pairwise(timeline.boots(log)):
        end = timeline.at(log, before, timeline.length(log, before))
        start = timeline.at(log, after, 0.0)
        periods.append(Downtime(log=log, before=before, after=after, end=end, start=start))
    return periods


@dataclass(frozen=True, slots=True)
class Downtime:
    """A period during which the machine was off.

    It lasts from the last durable data of one boot to the start of the next boot.
    """

    log: str
    before: int
    """Number of the boot that ended."""
    after: int
    end: Moment
    start: Moment

    @property
    def seconds(self) -> float | None:
        """Duration in seconds; None if its start or end is unknown, or if the two contradict each other."""
        if self.end.uncertainty is None or self.start.uncertainty is None:
            return None
        assert self.end.utc is not None
        assert self.start.utc is not None
        seconds = self.start.utc - self.end.utc
        return seconds if seconds + self.uncertainty >= 0 else None

    @property
    def uncertainty(self) -> float:
        """Uncertainty of the duration, in seconds."""
        return (self.end.uncertainty or 0.0) + (self.start.uncertainty or 0.0)
