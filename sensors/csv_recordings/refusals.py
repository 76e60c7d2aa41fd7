"""Reasons why a recording cannot be played, with every line to which each reason applies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

MOST_NAMED: Final = 50
"""Maximum number of ranges of lines that a message names. Further lines are only counted."""
_MOST_SHOWN: Final = 40
"""Maximum number of characters of a cell that a message quotes."""


class CellError(ValueError):
    """A cell that cannot be read.

    `cause` states the reason and the remedy, in the same words for all such cells.
    """

    def __init__(self, text: str, cause: str) -> None:
        super().__init__(f"{shown(text)} {cause}")
        self.cause = cause


class RecordingError(Exception):
    """A recording that cannot be played. `problems` contains one sentence for each reason.

    A sentence begins with the line numbers, or with a verb whose implied subject is the file.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems

    def of(self, file: Path) -> tuple[str, ...]:
        """Return the problems, each preceded by the name of the file."""
        return tuple(f"{file}{', ' if each.startswith('line') else ' '}{each}" for each in self.problems)


def shown(text: str) -> str:
    """Return a cell in quotation marks, shortened and on one line."""
    return repr(text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…")


class Lines:
    """Set of line numbers, which are added in ascending order and stored as ranges."""

    def __init__(self) -> None:
        self._ranges: list[list[int]] = []
        self.count = 0
        self._more = 0

    def add(self, line: int) -> None:
        """Add a line number, which must be higher than all others in the set."""
        self.count += 1
        if self._more:
            self._more += 1
        elif self._ranges and self._ranges[-1][1] == line - 1:
            self._ranges[-1][1] = line
        elif len(self._ranges) < MOST_NAMED:
            self._ranges.append([line, line])
        else:
            self._more = 1

    @property
    def ranges(self) -> Sequence[tuple[int, int]]:
        """First and last line of each range, at most `MOST_NAMED` of them."""
        return [(first, last) for first, last in self._ranges]

    def __str__(self) -> str:
        return self.named(MOST_NAMED)

    def named(self, most: int) -> str:
        """Return the lines as text, which names at most the first `most` ranges."""
        named = self.ranges[:most]
        more = self.count - sum(last - first + 1 for first, last in named)
        text = ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in named)
        return f"line{'s' if self.count > 1 else ''} {text}{f' and {more} more' if more else ''}"


class Refusals:
    """Rejected lines, grouped by cause."""

    def __init__(self) -> None:
        self._groups: dict[str, tuple[str, Lines]] = {}

    def add(self, line: int, error: CellError) -> None:
        """Add a line. For each cause, the message quotes the first cell that was added."""
        self._groups.setdefault(error.cause, (str(error), Lines()))[1].add(line)

    @property
    def groups(self) -> tuple[tuple[str, Lines], ...]:
        """Text of each cause, and the lines to which it applies."""
        return tuple(self._groups.values())

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences that name each cause and its lines."""
        return tuple(f"{lines}: {text}" for text, lines in self._groups.values())
