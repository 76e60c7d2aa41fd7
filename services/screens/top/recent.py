"""A sensor's values from the last few minutes, which can be shown as a line of bars.

All times are boot clock times in seconds.
"""

from typing import Final

from sensors.sample import Value
from services.terminal.present import Curve, bars

SPAN_S: Final = 600.0
_CELL_S: Final = 5.0
_CELLS: Final = int(SPAN_S / _CELL_S)


class Recent:
    """A sensor's values in the last `SPAN_S` seconds, as means over a few seconds each."""

    def __init__(self) -> None:
        self.cells: dict[int, tuple[float, int]] = {}
        """Sum and count of the values in each cell.

        A cell is a period of a few seconds. Cells are numbered from the machine's boot.
        """
        self.last = float("-inf")
        """Boot clock time of the newest value, in seconds."""

    @property
    def is_empty(self) -> bool:
        """True if there are no values in the period."""
        return not self.cells

    def add(self, clock: float, value: Value) -> None:
        """Add a value if it is newer than the last value. None leaves a gap."""
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
        """Prepend those values in `past` that are older than the oldest value in this object."""
        first = min(self.cells, default=None)
        before = {cell: mean for cell, mean in past.cells.items() if first is None or cell < first}
        self.cells = dict(sorted((before | self.cells).items())[-_CELLS:])
        self.last = max(self.last, past.last)

    def line(self, now: float, *, width: int, unicode: bool = True) -> str:
        """Return at most `width` bars. Each bar stands for a fixed period, and the last period ends at `now`.

        A bar is blank where there are no values.
        """
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
