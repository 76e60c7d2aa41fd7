"""Formatting for terminals: tables, times, sparklines.

Values and durations are formatted by `sensors.units`. Text from documents is shown through `clean`, so that
text from another vessel cannot control this terminal.
"""

import enum
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import zip_longest
from typing import Final, TextIO

from sensors.plaintext import clean
from sensors.units import format_duration
from services.history.timeline import Moment, TimeTrust

BARS: Final = "▁▂▃▄▅▆▇█"
PLAIN_BARS: Final = "_.:-=+*#"
"""Bars for output without Unicode, as on a serial console."""
EXACT_S: Final = 1.0
"""Uncertainty in seconds below which a time is shown without its uncertainty."""
ENDLESS: Final = sys.maxsize
"""Width in columns if output is not a terminal.

Each fact is then on one line, for programs that read the output.
"""
NARROWEST: Final = 20
"""Minimum width in columns, used even if the screen is narrower."""
_KEPT: Final = "\N{NO-BREAK SPACE}"
"""Placeholder for a space at which no line may break; `clean` removes it from other text."""
_WITHIN: Final = re.compile(
    r"(?<=\d) (?=\d{3}(?!\d))|(?<=\d) (?=[^\W\d]{1,3}(?!\w))|(?<=\d) (?=[%°])|(?<=±) | (?=±)"
    r"|(?<=-\d\d) (?=\d\d:\d\d)"
)
"""Pattern of spaces within a number or time, between a number and its unit, and around an uncertainty."""
_LABEL: Final = re.compile(r"\S+(?: \S+)* {2,}")
"""Pattern of a label at the start of a line, and the gap after it."""


class Style(enum.Enum):
    """Style of a line (ECMA-48, SGR). A style only repeats information that is also in the text."""

    TITLE = "1"
    GOOD = "32"
    WARN = "33"
    BAD = "1;31"


@dataclass(frozen=True, slots=True)
class Screen:
    """Properties of the output device."""

    is_terminal: bool = False
    is_coloured: bool = False
    width: int = ENDLESS
    height: int = 24
    unicode: bool = True
    zone: tzinfo = UTC


def screen(stream: TextIO | None = None, *, zone: tzinfo = UTC) -> Screen:
    """Return the properties of `stream`, by default standard output."""
    stream = stream or sys.stdout
    is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    size = shutil.get_terminal_size()
    return Screen(
        is_terminal=is_terminal,
        is_coloured=is_terminal and not os.environ.get("NO_COLOR"),  # https://no-color.org
        width=size.columns if is_terminal else ENDLESS,
        height=size.lines,
        unicode=encoding.replace("_", "-").startswith("utf"),
        zone=zone,
    )


@dataclass(frozen=True, slots=True)
class StyledLine:
    """A line without control characters, and its style."""

    text: str
    style: Style | None = None


_ASCII: Final = str.maketrans({"°": "deg ", "±": "+/-", "…": "...", "·": "?", "─": "-"})


def spelt(text: str, *, unicode: bool) -> str:
    """Return `text`. If `unicode` is False, replace symbols with ASCII characters."""
    return text if unicode else text.translate(_ASCII)


def paint(text: str, style: Style | None, where: Screen) -> str:
    """Return `text` with the control codes for a style, or unchanged if the screen has no colours."""
    if style is None or not text or not where.is_coloured:
        return text
    return f"\x1b[{style.value}m{text}\x1b[0m"


def wrap(text: str, width: int, *, indent: str = "", hang: int = 2) -> list[str]:
    """Return `text` as lines of at most `width` columns, without control characters.

    Lines after the first line are indented by `hang` columns more than `indent`.
    """
    room = max(width, NARROWEST)
    return broken(whole(clean(text)), room, first=indent, rest=indent + " " * hang)


def fold(text: str, width: int) -> str:
    """Return `text` with each line longer than `width` columns wrapped; the other lines are unchanged.

    A line continues below the text that follows its label, as in `label   text`. A line without a label
    continues two columns further right.
    """
    lines = list[str]()
    for line in text.split("\n"):
        if len(line) <= width:
            lines.append(line)
            continue
        words = line.lstrip(" ")
        indent = len(line) - len(words)
        label = _LABEL.match(words)
        hang = label.end() if label and indent + label.end() <= width // 2 else 2
        lines += wrap(words, width, indent=" " * indent, hang=hang)
    return "\n".join(lines)


def whole(text: str) -> str:
    """Return `text` with a placeholder for each space at which no line may break: `12 345 kB`, `± 2 s`."""
    return _WITHIN.sub(_KEPT, text)


def broken(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Return text prepared by `whole` as lines of at most `width` columns.

    Only words longer than `width` are broken.
    """
    lines = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    return [line.replace(_KEPT, " ") for line in lines]


def table(rows: Iterable[Sequence[str]], *, head: Sequence[str] = (), right: Iterable[int] = ()) -> str:
    """Return rows in columns below their headings; the columns in `right` are aligned to the right."""
    lines = [[clean(cell) for cell in row] for row in ([head] if head else [])]
    lines += [[clean(cell) for cell in row] for row in rows]
    if not lines:
        return ""
    to_right = set(right)
    widths = [max(len(row[column]) for row in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in to_right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in lines
    )


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 sensor`, `2 sensors`, `12 345 samples`."""
    return f"{thousands(number)} {noun}{'' if number == 1 else 's'}"


def thousands(number: int) -> str:
    """Return a number with spaces between groups of three digits."""
    return f"{number:,}".replace(",", " ")


def time_text(utc: float, zone: tzinfo, *, milliseconds: bool = False) -> str:
    """Return a time such as `2025-10-09 10:53:20 CEST`; UTC is marked with a Z.

    A time outside the calendar is shown in seconds.
    """
    try:
        moment = datetime.fromtimestamp(utc, tz=zone)
    except (OverflowError, ValueError, OSError):
        return f"{utc:.0f} s after 1970"
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    if milliseconds:
        text += f".{moment.microsecond // 1000:03d}"
    name = moment.tzname()
    return f"{text}Z" if name == "UTC" else f"{text} {name}"


def moment_text(moment: Moment, zone: tzinfo, *, milliseconds: bool = False) -> str:
    """Return a moment as text, with its uncertainty if that is significant."""
    if moment.utc is None:
        return "time unknown"
    is_exact = moment.uncertainty is not None and moment.uncertainty < EXACT_S
    text = time_text(moment.utc, zone, milliseconds=milliseconds and is_exact)
    match moment.trust:
        case TimeTrust.AFTER:
            return f"after {text}"
        case TimeTrust.BEFORE:
            return f"before {text}"
    if moment.uncertainty is not None and not is_exact:
        return f"{text} ± {format_duration(moment.uncertainty)}"
    return text


class Curve:
    """Graph of values over a range whose length is not known in advance.

    It consists of a line of bars, and of the lowest and highest values.
    """

    CELLS: Final = 1024
    """Maximum number of cells; when more are needed, pairs of cells are merged."""
    MOST: Final = 1e300
    """Largest absolute value that is accepted.

    It is far beyond any measurement, but small enough that sums do not overflow.
    """

    def __init__(self) -> None:
        self.values = 0
        """Number of values that have been added."""
        self.total = 0.0
        self.lowest = math.inf
        self.highest = -math.inf
        self._step = 0.001
        self._end = 0.0
        self._cells: list[tuple[float, int]] = []

    def add(self, place: float, value: float | None) -> None:
        """Add a value at a position that is not before the last position.

        None and values out of range leave a gap.
        """
        self._end = place
        if value is None or not abs(value) < self.MOST:
            return
        self.values += 1
        self.total += value
        self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)
        while place >= self._step * self.CELLS:
            self._cells = [
                (one + other, number + more)
                for (one, number), (other, more) in zip_longest(
                    self._cells[::2], self._cells[1::2], fillvalue=(0.0, 0)
                )
            ]
            self._step *= 2
        cell = int(place / self._step)
        self._cells += [(0.0, 0)] * (cell + 1 - len(self._cells))
        total, number = self._cells[cell]
        self._cells[cell] = (total + value, number + 1)

    def line(self, *, width: int, unicode: bool = True) -> str:
        """Return `width` bars, each of which shows the mean of the values in an equal part of the range.

        The bar for a part without values is blank.
        """
        sums, counts = [0.0] * width, [0] * width
        span = max(self._end, self._step)
        for cell, (total, number) in enumerate(self._cells):
            if number:
                place = min(int(cell * self._step / span * width), width - 1)
                sums[place] += total
                counts[place] += number
        means = [total / number if number else None for total, number in zip(sums, counts, strict=True)]
        return bars(means, unicode=unicode)


def bars(values: Sequence[float | None], *, unicode: bool = True) -> str:
    """Return a bar for each value, scaled from the lowest to the highest value. None becomes a blank."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    shapes = BARS if unicode else PLAIN_BARS
    return "".join(
        " " if value is None else shapes[_height(value, low, high, len(shapes))] for value in values
    )


def _height(value: float, low: float, high: float, heights: int) -> int:
    if high <= low:
        return heights // 2
    return min(int((value - low) / (high - low) * heights), heights - 1)
