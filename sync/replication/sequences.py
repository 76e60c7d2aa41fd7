"""Sets of sequence numbers, stored as ranges. A replication uses them to record which local changes are done.

In a checkpoint, a set is a flat list of the first number and the length of each range, as in Couchbase Lite.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

LIMIT: Final = 2**63
"""Exclusive upper limit of sequence numbers."""


class SequenceSet:
    """A set of non-negative integers, stored as disjoint ranges."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        """Create a set of the numbers in `ranges`, each given by its first number and its exclusive end."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(ranges):  # sorted, so that each of possibly thousands is appended at the end
            self.add(start, end)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Iterate over the ranges in ascending order, as (first number, exclusive end)."""
        return zip(self._starts, self._ends, strict=True)

    def __len__(self) -> int:
        """Return the number of ranges."""
        return len(self._starts)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number < self._ends[at]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SequenceSet):
            return NotImplemented
        return self._starts == other._starts and self._ends == other._ends

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        return f"SequenceSet({list(self)})"

    def add(self, start: int, end: int) -> None:
        """Add the numbers from `start` up to, but not including, `end`.

        Raises:
            ValueError: the range is not valid.
        """
        if not 0 <= start < end <= LIMIT:
            raise ValueError(f"{start} up to, but not including, {end} is not a range of sequences")
        # Ranges that touch the new one are merged with it.
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def remove(self, number: int) -> None:
        """Remove a number, if it is in the set."""
        at = bisect_right(self._starts, number) - 1
        if at < 0 or number >= self._ends[at]:
            return
        start, end = self._starts[at], self._ends[at]
        rest = [part for part in ((start, number), (number + 1, end)) if part[0] < part[1]]
        self._starts[at : at + 1] = [part[0] for part in rest]
        self._ends[at : at + 1] = [part[1] for part in rest]

    def copy(self) -> "SequenceSet":
        """Return a copy of the set."""
        return SequenceSet(self)

    def intersection(self, other: "SequenceSet") -> "SequenceSet":
        """Return the numbers that are in both sets."""
        result = SequenceSet()
        ours, theirs = list(self), list(other)
        i = j = 0
        while i < len(ours) and j < len(theirs):
            start, end = max(ours[i][0], theirs[j][0]), min(ours[i][1], theirs[j][1])
            if start < end:
                result.add(start, end)
            if ours[i][1] <= theirs[j][1]:
                i += 1
            else:
                j += 1
        return result

    def flat(self) -> list[int]:
        """Return a flat list of the first number and the length of each range."""
        return [number for start, end in self for number in (start, end - start)]

    @classmethod
    def from_flat(cls, numbers: Iterable[int]) -> "SequenceSet":
        """Return the set for a list in the form of `flat`.

        Raises:
            ValueError: the list does not represent ranges.
        """
        flat = list(numbers)
        if len(flat) % 2:
            raise ValueError("the list of ranges has an odd number of items: the last range has no length")
        return cls((first, first + length) for first, length in zip(flat[::2], flat[1::2], strict=True))
