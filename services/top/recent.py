"""A sensor's values of the last minutes, as a line of bars. Pure; moments: seconds of the boot clock."""

from typing import Final

from sensors.sample import Value
from services.present import Curve, bars

SPAN_S: Final = 600.0
_CELL_S: Final = 5.0
_CELLS: Final = int(SPAN_S / _CELL_S)


class Recent:
    """Means of a few seconds each: as many as fit into `SPAN_S`, however many values come."""

    def __init__(self) -> None:
        self.cells: dict[int, tuple[float, int]] = {}
        """By their number since the boot clock's zero: sum and count of values."""
        self.last = float("-inf")
        """When the newest value was taken."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no value in it."""
        return not self.cells

    def add(self, clock: float, value: Value) -> None:
        """A value, unless one of that moment or of a later one is there; None leaves a blank."""
        if clock <= self.last:
            return
        self.last = clock
        if value is None or not abs(value) < Curve.MOST:
            return
        cell = int(clock // _CELL_S)
        total, number = self.cells.get(cell, (0.0, 0))
        self.cells[cell] = (total + value, number + 1)
        while len(self.cells) > _CELLS:
            del self.cells[min(self.cells)]

    def follow(self, past: "Recent") -> None:
        """What came before the first value that was added."""
        first = min(self.cells, default=None)
        before = {cell: found for cell, found in past.cells.items() if first is None or cell < first}
        self.cells = dict(sorted((before | self.cells).items())[-_CELLS:])
        self.last = max(self.last, past.last)

    def line(self, now: float, *, width: int, unicode: bool = True) -> str:
        """At most `width` bars up to `now`, each of a stretch that does not move; blank where nothing is."""
        each = -(-_CELLS // width)
        last = int(now // _CELL_S) // each
        first = last - _CELLS // each + 1
        sums = [(0.0, 0)] * (last - first + 1)
        for cell, (total, number) in self.cells.items():
            place = cell // each - first
            if 0 <= place < len(sums):
                before, more = sums[place]
                sums[place] = (before + total, more + number)
        return bars([total / number if number else None for total, number in sums], unicode=unicode)
