"""The demo's output while it runs: events, and the state of each vessel.

On a terminal, the state is a table that is redrawn in place. If the output is not a terminal, a line is
printed every few seconds.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from sensors.plaintext import steer
from services.terminal.present import fold, screen, table, thousands

LINE_EVERY_S: Final = 5.0
TABLE_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class ProgressRow:
    """State of one vessel, shown as a row of the table."""

    vessel: str
    samples: int
    """Number of durable samples."""
    documents: int
    """Number of documents in the vessel's store, from all vessels."""
    links: int | None
    """Number of vessels to which the vessel is linked; None if the vessel's network is off."""
    behind: int
    """Number of known changes that the vessel still has to send or receive."""

    @property
    def network(self) -> str:
        """Human-readable state of the network."""
        return "network off" if self.links is None else f"{self.links} link{'' if self.links == 1 else 's'}"

    @property
    def text(self) -> str:
        """The row as text, for output that is not a table."""
        behind = f", {self.behind} behind" if self.behind else ""
        return f"{self.vessel} {self.samples} samples, {self.documents} documents, {self.network}{behind}"


class ProgressDisplay:
    """Progress display on a stream; `elapsed` returns the seconds since the start of the demo."""

    def __init__(self, elapsed: Callable[[], float], *, stream: TextIO | None = None) -> None:
        self._elapsed = elapsed
        self._stream = stream or sys.stdout
        self._is_terminal = screen(self._stream).is_terminal
        self._due = 0.0 if self._is_terminal else LINE_EVERY_S
        self._height = 0
        """Number of lines of the table that is currently at the bottom of the terminal."""

    def say(self, what: str) -> None:
        """Print an event with the time at which it happened."""
        self._erase()
        self._print(f"{self._elapsed():5.0f} s  {what}")
        self._due = 0.0 if self._is_terminal else self._elapsed() + LINE_EVERY_S

    def show(self, rows: Callable[[], Sequence[ProgressRow]]) -> None:
        """Show the state of all vessels if the next update is due."""
        now = self._elapsed()
        if now < self._due:
            return
        self._due = now + (TABLE_EVERY_S if self._is_terminal else LINE_EVERY_S)
        if not self._is_terminal:
            self._print(f"{now:5.0f} s  {'; '.join(row.text for row in rows())}")
            return
        text = fold(_table(rows()), screen(self._stream).width)
        self._erase()
        self._print(text)
        self._height = text.count("\n") + 1

    def _erase(self) -> None:
        if self._height:  # ECMA-48: cursor up, erase to the end of the display
            steer(self._stream, f"\x1b[{self._height}F\x1b[J")
            self._height = 0

    def _print(self, text: str) -> None:
        print(fold(text, screen(self._stream).width), file=self._stream, flush=True)


def _table(rows: Sequence[ProgressRow]) -> str:
    cells = [
        (row.vessel, thousands(row.samples), thousands(row.documents), row.network, thousands(row.behind))
        for row in rows
    ]
    head = ("vessel", "samples", "documents", "network", "behind")
    return "\n".join(f"         {line}" for line in table(cells, head=head, right=(1, 2, 4)).split("\n"))
