"""Finds inconsistent clocks: a boot in a log cannot begin before an earlier boot ended.

If the clocks of boots with trusted time contradict each other, the largest consistent set of boots is
trusted. Of two equally large sets, the set that ends earlier is trusted: a clock can be fast by any
amount, but cannot be slow by more than the image's age.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NEAR: Final = 8
"""Number of boots on each side with which to compare a boot. Only boots with trusted clocks count.

This number is sufficient to detect a clock that is wrong for three boots in a row, even at the beginning of a
log. Because the number is limited, the time of one boot can be determined without reading all boots.
"""
OVERLAP_S: Final = 60.0
"""Seconds by which consecutive boots may overlap, because time services also set clocks back a little."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bounds for the period during which a boot was running, in seconds since 1970."""

    latest_begin: float
    earliest_end: float

    def is_before(self, later: "Span") -> bool:
        """Return True if this boot can have ended before `later` began."""
        return self.earliest_end <= later.latest_begin + OVERLAP_S


def outvoted(spans: Sequence[Span]) -> list[bool]:
    """Return a list of booleans, one for each boot: True if the boot's neighbours outvote it.

    `spans` contains the spans of all boots with trusted clocks, in order.
    """
    return [
        is_outvoted(spans[max(place - NEAR, 0) : place], own, spans[place + 1 : place + NEAR + 1])
        for place, own in enumerate(spans)
    ]


def is_outvoted(before: Sequence[Span], own: Span, after: Sequence[Span]) -> bool:
    """Return True if a boot is outvoted by the boots before and after it.

    `before` and `after` contain the spans of up to `NEAR` boots with trusted clocks on either side.
    """
    if all(one.is_before(own) for one in before) and all(own.is_before(one) for one in after):
        return False
    return len(before) not in _largest_agreeing([*before, own, *after])


@dataclass(frozen=True, slots=True)
class _Chain:
    """A sequence of boots whose clocks agree."""

    places: tuple[int, ...] = ()
    end: float = float("-inf")
    """Latest end time of any boot in the chain."""


def _largest_agreeing(spans: Sequence[Span]) -> tuple[int, ...]:
    best = [_Chain()]  # for each length, the chain of that length that ends earliest
    for place, span in enumerate(spans):
        for length in range(len(best) - 1, -1, -1):
            chain = best[length]
            if chain.end > span.latest_begin + OVERLAP_S:
                continue
            longer = _Chain((*chain.places, place), max(chain.end, span.earliest_end))
            if length + 1 == len(best):
                best.append(longer)
            elif longer.end < best[length + 1].end:
                best[length + 1] = longer
    return best[-1].places
