"""The timeline of a vessel: which UTC a moment of some boot's clock was, how surely, and why.

Readings carry the number of their boot and its clock, which never jumps. A boot's anchors tie that clock to
UTC, better ones coming later; nothing is ever rewritten, whoever shows a time asks here. Pure.

How a boot's clock becomes UTC:

1. The anchors of the best source count (gnss and network alike, else rtc). Of two that cannot both be right
   the surer one stays, of two as sure the later.
2. Between two anchors UTC runs evenly (the crystal's drift); beyond the ends it runs at the clock's own pace.
3. A boot whose anchors contradict those of most sure boots around it is not believed (`agreement`): a time
   server that was wrong once does not outlive its boot.
4. A clock chip that contradicts the boots around it, or the floor, is not believed.
5. A boot without a believable anchor lies after the boot before it and its floors, and before the boot after
   it: in the middle, give or take half of that room; or just "not before" if nothing bounds it above.

Samples are in order by log and number; times never reorder them.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from .agreement import Span, outvoted
from .timekeeping import Anchor, Source

DRIFT: Final = 100e-6
"""Seconds a second that a free-running clock may be off: crystals of the kind on a Pi's board are sold with
±20 to ±50 ppm at 25 °C, the rest is for age and an engine room's heat."""
MOST_SLEW: Final = 500e-6
"""Seconds a second by which time services may push the boot clock (MAXFREQ in linux/timex.h): two anchors
that ask for more cannot both be right."""


class Trust(StrEnum):
    """How a time is known, best first."""

    SYNCED = "synced"
    """From GNSS or network anchors of its own boot."""
    RTC = "rtc"
    """From a clock chip."""
    BETWEEN = "between"
    """From the boots before and after it."""
    AFTER = "after"
    """Not before this."""
    BEFORE = "before"
    """Not after this."""
    RECORDED = "recorded"
    """As the document itself has it: that of its boot is not here."""
    UNKNOWN = "unknown"
    """Nothing is known."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment in UTC, as far as it is known."""

    trust: Trust
    utc: float | None
    """The best guess, or the only bound; seconds since 1970."""
    uncertainty: float | None = None
    """Give or take, seconds; None where only one bound or nothing is known."""

    @property
    def earliest(self) -> float:
        """It was not before this; -inf if unknown."""
        if self.utc is None or self.trust is Trust.BEFORE:
            return -math.inf
        return self.utc - (self.uncertainty or 0.0)

    @property
    def latest(self) -> float:
        """It was not after this; inf if unknown."""
        if self.utc is None or self.trust is Trust.AFTER:
            return math.inf
        return self.utc + (self.uncertainty or 0.0)

    def is_within(self, since: float, until: float) -> bool:
        """Whether it lies in a range as it is shown; one of which nothing is known lies in any."""
        return self.utc is None or since <= self.utc <= until


NEVER: Final = Moment(Trust.UNKNOWN, None)


@dataclass(frozen=True, slots=True)
class Boot:
    """One start of the machine, as its document tells."""

    log: str
    number: int
    anchors: tuple[Anchor, ...] = ()
    previous_end: tuple[int, float] | None = None
    """(number of the boot before, boot clock of its last durable moment)."""


@dataclass(frozen=True, slots=True)
class _Base:
    """What is known of a boot: its believed anchors, and bounds for the UTC of its clock's zero."""

    trust: Trust
    points: tuple[Anchor, ...]
    low: float
    high: float
    length: float
    """The last moment of the boot that is known of, on its clock."""
    is_over: bool
    """Whether that is its end: a later boot says so."""

    def at(self, clock: float) -> Moment:
        if self.points:
            return Moment(self.trust, *_interpolated(self.points, clock))
        # `high` comes from a later boot's start, and a moment after the last known one is before that, too.
        low, high = self.low + clock, self.high + min(clock, self.length)
        if math.isfinite(low) and math.isfinite(high) and low <= high:
            return Moment(Trust.BETWEEN, (low + high) / 2, (high - low) / 2)
        if math.isfinite(low):
            return Moment(Trust.AFTER, low)
        if math.isfinite(high):
            return Moment(Trust.BEFORE, high)
        return NEVER


class Timeline:
    """All boots of one vessel, in all of its logs."""

    def __init__(self, boots: Iterable[Boot]) -> None:
        self._bases: dict[tuple[str, int], _Base] = {}
        by_log: dict[str, dict[int, Boot]] = {}
        for boot in boots:
            by_log.setdefault(boot.log, {})[boot.number] = boot
        for log, numbered in by_log.items():
            in_order = [numbered[number] for number in sorted(numbered)]
            for boot, base in zip(in_order, _based(in_order), strict=True):
                self._bases[log, boot.number] = base

    def knows(self, log: str, boot: int) -> bool:
        """Whether there is a document of this boot."""
        return (log, boot) in self._bases

    def at(self, log: str, boot: int, clock: float, *, recorded: float | None = None) -> Moment:
        """UTC of a moment of a boot's clock (seconds).

        `recorded` is what a document says of that moment; it stands in if the boot's own is not here.
        """
        base = self._bases.get((log, boot))
        if base is not None:
            return base.at(clock)
        return NEVER if recorded is None else Moment(Trust.RECORDED, recorded)

    def boots(self, log: str) -> list[int]:
        """Numbers of the boots of a log of which there is a document, rising."""
        return sorted(number for found, number in self._bases if found == log)

    def length(self, log: str, boot: int) -> float:
        """The last moment of a boot that is known of, on its clock; 0 if none is."""
        base = self._bases.get((log, boot))
        return 0.0 if base is None else base.length

    def first_boot_reaching(self, log: str, since: float) -> int:
        """The lowest boot of a log with times, as they are shown, from `since` on: older ones need no look.

        One whose end is not told, as the newest's, may have gone on for ever. 0 if no boot is known.
        """
        for number in self.boots(log):
            base = self._bases[log, number]
            if not base.is_over or base.at(base.length).is_within(since, math.inf):
                return number
        return max(self.boots(log), default=0)


def believed(anchors: Iterable[Anchor]) -> tuple[Anchor, ...]:
    """The anchors that count: of the best class of source, in the order of the clock, without contradiction.

    Floors are bounds and no anchors; none of them is returned.
    """
    fixed = [anchor for anchor in anchors if anchor.source is not Source.FLOOR and _is_finite(anchor)]
    good = [anchor for anchor in fixed if _trust(anchor) is Trust.SYNCED]
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
    """Return when a boot was running by what GNSS or the network says; None if neither says anything.

    `points` are the boot's believed anchors.
    """
    if not points or _trust(points[0]) is not Trust.SYNCED:
        return None
    begin, give = _interpolated(points, 0.0)
    last = points[-1]
    return Span(latest_begin=begin + give, earliest_end=last.utc - last.uncertainty_s)


def _trust(anchor: Anchor) -> Trust:
    return Trust.RTC if anchor.source is Source.RTC else Trust.SYNCED


def _is_finite(anchor: Anchor) -> bool:
    return all(map(math.isfinite, (anchor.clock_s, anchor.utc, anchor.uncertainty_s)))


def _agree(one: Anchor, later: Anchor) -> bool:
    elapsed = later.clock_s - one.clock_s
    advance = later.utc - one.utc
    slack = one.uncertainty_s + later.uncertainty_s + MOST_SLEW * elapsed
    return elapsed > 0 and advance > 0 and abs(advance - elapsed) <= slack


def _interpolated(points: Sequence[Anchor], clock: float) -> tuple[float, float]:
    """UTC and uncertainty at a moment, from anchors in order."""
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


def _told_ends(boots: Sequence[Boot]) -> dict[int, float]:
    """The last durable moment of each boot, on its clock, as the boots after it tell."""
    told: dict[int, float] = {}
    for boot in boots:
        if boot.previous_end is not None:
            number, clock = boot.previous_end
            told[number] = max(clock, told.get(number, 0.0))
    return told


def _based(boots: Sequence[Boot]) -> list[_Base]:
    """Each boot of one log tied to UTC, or bounded by its neighbours."""
    told = _told_ends(boots)
    lengths = [
        max([told.get(boot.number, 0.0), *(anchor.clock_s for anchor in boot.anchors)]) for boot in boots
    ]
    chosen = _chosen(boots)
    # What GNSS and the network say bounds everything else; then a clock chip may say what fits in.
    good = [points if points and _trust(points[0]) is Trust.SYNCED else () for points in chosen]
    bounds = _bounds(boots, lengths, good)
    credible = [
        points if _fits(points, low=low, high=high) else ()
        for points, (low, high) in zip(chosen, bounds, strict=True)
    ]
    settled = [mine or other for mine, other in zip(good, credible, strict=True)]
    bounds = _bounds(boots, lengths, settled)
    return [
        _Base(
            trust=_trust(points[0]) if points else Trust.UNKNOWN,
            points=points,
            low=low,
            high=high,
            length=length,
            is_over=boot.number in told,
        )
        for boot, length, points, (low, high) in zip(boots, lengths, settled, bounds, strict=True)
    ]


def _chosen(boots: Sequence[Boot]) -> list[tuple[Anchor, ...]]:
    """Return the anchors that count for each boot: its clock chip's where the sure ones are outvoted."""
    chosen = [believed(boot.anchors) for boot in boots]
    sure = [(place, span) for place, points in enumerate(chosen) if (span := sure_span(points)) is not None]
    for (place, _), is_outvoted in zip(sure, outvoted([span for _, span in sure]), strict=True):
        if is_outvoted:
            chosen[place] = believed(a for a in boots[place].anchors if a.source is Source.RTC)
    return chosen


def _fits(points: Sequence[Anchor], *, low: float, high: float) -> bool:
    """Whether anchors put the clock's zero within bounds; of two that contradict, the lower one counts."""
    if not points:
        return False
    utc, give = _interpolated(points, 0.0)
    return utc + give >= low and (utc - give <= high or high < low)


def _bounds(
    boots: Sequence[Boot], lengths: Sequence[float], anchored: Sequence[Sequence[Anchor]]
) -> list[tuple[float, float]]:
    """Between which times the zero of each boot's clock lies, by the boots around it and its floors."""
    highs: list[float] = []
    begins = math.inf  # UTC at which the boots after had certainly begun, at the latest
    for length, points in zip(reversed(lengths), reversed(anchored), strict=True):
        high = begins - length
        highs.append(high)
        begins = high
        if points:
            utc, give = _interpolated(points, 0.0)
            begins = utc + give
    highs.reverse()
    lows: list[float] = []
    over = -math.inf  # UTC at which the boots so far were certainly over, at the earliest
    for boot, length, points, high in zip(boots, lengths, anchored, highs, strict=True):
        low = max([over, *(zero for zero in _floors(boot) if zero <= high)])
        lows.append(low)
        over = low + length
        if points:
            utc, give = _interpolated(points, length)
            over = utc - give
    return list(zip(lows, highs, strict=True))


def _floors(boot: Boot) -> Iterator[float]:
    """The floors of a boot, as UTC of its clock's zero. One that the boots after it disprove was a clock that
    ran ahead unnoticed: it counts for nothing."""
    for anchor in boot.anchors:
        if anchor.source is Source.FLOOR and _is_finite(anchor):
            yield anchor.utc - anchor.clock_s


def downtimes(timeline: Timeline, log: str) -> list["Downtime"]:
    """The times between the boots of a log during which the machine was off."""
    found = []
    for before, after in pairwise(timeline.boots(log)):
        end = timeline.at(log, before, timeline.length(log, before))
        start = timeline.at(log, after, 0.0)
        found.append(Downtime(log=log, before=before, after=after, end=end, start=start))
    return found


@dataclass(frozen=True, slots=True)
class Downtime:
    """The machine was off between two boots: from the last durable moment of one to the start of the next."""

    log: str
    before: int
    """Number of the boot that ended."""
    after: int
    end: Moment
    start: Moment

    @property
    def seconds(self) -> float | None:
        """How long; None where either end is not known, or they contradict each other."""
        if self.end.uncertainty is None or self.start.uncertainty is None:
            return None
        assert self.end.utc is not None
        assert self.start.utc is not None
        seconds = self.start.utc - self.end.utc
        return seconds if seconds + self.uncertainty >= 0 else None

    @property
    def uncertainty(self) -> float:
        """Give or take, seconds."""
        return (self.end.uncertainty or 0.0) + (self.start.uncertainty or 0.0)
