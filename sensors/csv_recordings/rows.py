"""Readings of one path of a recording."""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, overload

from sensors.state import SensorState

_STATES: Final = tuple(SensorState)
_NUMBERS: Final = {state: number for number, state in enumerate(_STATES)}


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """Single reading of a recording."""

    offset_ns: int
    """Time in nanoseconds since the file's earliest row, regardless of that row's path."""
    value: float | None
    """Value in SI units; None if the row has no value."""
    state: SensorState = SensorState.GOOD


class RecordingRows(Sequence[RecordingRow]):
    """Sequence of rows in compact form: 17 bytes per row, because a recording may have a million rows."""

    def __init__(self) -> None:
        self._offsets, self._values, self._states = array("q"), array("d"), array("b")
        self.origin_ns = 0
        """Offset of the earliest row in the file. It is subtracted from all offsets."""

    def append(self, row: RecordingRow) -> None:
        """Add a row at the end."""
        self._offsets.append(row.offset_ns)
        self._values.append(math.nan if row.value is None else row.value)
        self._states.append(_NUMBERS[row.state])

    def sort(self) -> None:
        """Sort the rows by time; rows of the same time keep their order."""
        order = sorted(range(len(self)), key=self._offsets.__getitem__)
        self._offsets = array("q", map(self._offsets.__getitem__, order))
        self._values = array("d", map(self._values.__getitem__, order))
        self._states = array("b", map(self._states.__getitem__, order))

    def has_values(self) -> bool:
        """Return True if at least one row has a value."""
        return not all(map(math.isnan, self._values))

    def summary(self, is_possible: Callable[[float], bool]) -> "RowSummary":
        """Return a summary of the rows, of which there must be at least one.

        `is_possible` returns False for a value that is impossible for the quantity.
        """
        values = [value for value in self._values if not math.isnan(value)]
        gap_ns, gap_from_ns = max(
            ((later - earlier, earlier) for earlier, later in pairwise(self._offsets)),
            key=lambda gap: gap[0],
            default=(0, self._offsets[0]),
        )
        return RowSummary(
            values=len(values),
            impossible=len(values) - sum(map(is_possible, values)),
            lowest=min(values, default=None),
            highest=max(values, default=None),
            states=Counter(_STATES[number] for number in self._states),
            first_ns=self._offsets[0],
            last_ns=self._offsets[-1],
            gap_ns=gap_ns,
            gap_from_ns=gap_from_ns,
        )

    def __len__(self) -> int:
        return len(self._offsets)

    @overload
    def __getitem__(self, place: int) -> RecordingRow: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[RecordingRow, ...]: ...
    def __getitem__(self, place: int | slice) -> RecordingRow | tuple[RecordingRow, ...]:
        if isinstance(place, slice):
            return tuple(self[each] for each in range(*place.indices(len(self))))
        value = self._values[place]
        return RecordingRow(
            self._offsets[place] - self.origin_ns,
            None if math.isnan(value) else value,
            _STATES[self._states[place]],
        )


@dataclass(frozen=True, slots=True)
class RowSummary:
    """Summary of the rows of one path.

    Times are relative to the first time of the same form in the file.
    """

    values: int
    """Number of rows with a value."""
    impossible: int
    """Number of values that are impossible for the quantity."""
    lowest: float | None
    """Smallest value in SI units; None if there is no value."""
    highest: float | None
    """Largest value in SI units; None if there is no value."""
    states: Counter[SensorState]
    """Number of rows in each state."""
    first_ns: int
    last_ns: int
    gap_ns: int
    """Longest time between two successive rows in nanoseconds; 0 if there is only one row."""
    gap_from_ns: int
    """Time of the row before the longest gap."""


@dataclass(frozen=True, slots=True)
class PathRecording:
    """Rows of one path of a recording."""

    rows: Sequence[RecordingRow]
    length_ns: int
    """Time in nanoseconds at which the next repetition begins, if the recording repeats.

    This is the time of the latest row in the file plus the mean spacing of the rows.
    """
