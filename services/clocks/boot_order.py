"""Agreement of boots' clocks: the later of two boots of a log cannot begin before the earlier ended.

Where sure clocks contradict each other, the largest set that agrees is believed. Of two such sets, the one
that ends earlier is believed: a clock can be ahead by any amount, but behind by no more than the image's age.
Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NEAR: Final = 8
"""Number of sure boots on either side that are compared with a boot.

A clock that is wrong for three boots in a row is detected, also at the beginning of a log, and the time of
one boot does not require reading all boots.
"""
OVERLAP_S: Final = 60.0
"""Seconds of overlap that are no contradiction: time services correct a clock by as much, also backwards."""


@dataclass(frozen=True, slots=True)
class Span:
    """Span of time in which a boot was running, in seconds since 1970."""

    latest_begin: float
    earliest_end: float

    def is_before(self, later: "Span") -> bool:
        """Return True if the boot can have ended before another one began."""
        return self.earliest_end <= later.latest_begin + OVERLAP_S


def outvoted(spans: Sequence[Span]) -> list[bool]:
    """Return for each boot whether its neighbours outvote it; `spans` are all sure ones, in order."""
    return [
        is_outvoted(spans[max(place - NEAR, 0) : place], own, spans[place + 1 : place + NEAR + 1])
        for place, own in enumerate(spans)
    ]


def is_outvoted(before: Sequence[Span], own: Span, after: Sequence[Span]) -> bool:
    """Return whether the sure boots around one, up to `NEAR` on either side, outvote it."""
    if all(one.is_before(own) for one in before) and all(own.is_before(one) for one in after):
        return False
    return len(before) not in _largest_agreeing([*before, own, *after])


@dataclass(frozen=True, slots=True)
class _Chain:
    """Boots whose clocks agree, in order."""

    places: tuple[int, ...] = ()
    end: float = float("-inf")
    """Latest end of the boots in the chain."""


def _largest_agreeing(spans: Sequence[Span]) -> tuple[int, ...]:
    best = [_Chain()]  # for each length, the chain that ends earliest
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
