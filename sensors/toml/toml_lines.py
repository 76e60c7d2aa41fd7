"""Line numbers of the tables, keys and array elements of a TOML text, which `tomllib` does not report.

`locate` scans a text that `tomllib` has accepted, and records the line on which each of these parts begins.
It checks nothing, and understands only the part of TOML 1.0 that this requires: headers, dotted and quoted
keys, strings of all four kinds, arrays, and inline tables.

The library `tomlkit` keeps the layout of a text, but version 0.15.2 does not report line numbers either. For
50 sensors, it also needs 14 ms, while `tomllib` needs 1.4 ms (on the CPU of a server).
"""

import re
import tomllib
from bisect import bisect_right
from typing import Final

Place = tuple[str | int, ...]
"""Path to a value: names of tables and keys, and indexes of array elements, from 0."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_NAME: Final = re.compile(r'[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|\'[^\']*\'')
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'  # up to two quotes may come before the closing three
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_BARE: Final = re.compile(r"[^,\]}#\n]+")  # number, true, false, date (which may contain a blank)


def locate(text: str) -> dict[Place, int]:
    """Return the line (from 1) on which each table, key and array element of a valid TOML text begins.

    The line of a table is that of its header, or of the first dotted key that implies the table. Raises
    `RecursionError` for arrays that are nested too deeply for Python.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[Place, int] = {}
        self._text = text
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._counts: dict[Place, int] = {}
        """Number of tables so far in each array of tables."""

    def document(self) -> None:
        table: Place = ()
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Place:
        line = self._line()
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        *parents, name = self._names()
        self._skip(_SPACE)
        self._at += brackets
        place: Place = ()
        for parent in parents:
            place = (*place, parent)
            self.lines.setdefault(place, line)
            if place in self._counts:
                place = (*place, self._counts[place] - 1)
        place = (*place, name)
        if brackets == 1:
            self.lines[place] = line
            return place
        self.lines.setdefault(place, line)
        number = self._counts.get(place, 0)
        self._counts[place] = number + 1
        place = (*place, number)
        self.lines[place] = line
        return place

    def _pair(self, table: Place) -> None:
        place = table
        line = self._line()
        for name in self._names():
            place = (*place, name)
            self.lines.setdefault(place, line)
        self._skip(_SPACE)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(place)

    def _names(self) -> list[str]:
        names = []
        while True:
            self._skip(_SPACE)
            raw = self._skip(_NAME)
            names.append(_unquoted(raw) if raw[:1] in ('"', "'") else raw)
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return names
            self._at += 1

    def _value(self, place: Place) -> None:
        match self._text[self._at]:
            case "[":
                self._array(place)
            case "{":
                self._inline_table(place)
            case '"' | "'":
                self._skip(_STRING)
            case _:
                self._skip(_BARE)

    def _array(self, place: Place) -> None:
        self._at += 1
        number = 0
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "]":
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
                continue
            element = (*place, number)
            self.lines[element] = self._line()
            self._value(element)
            number += 1

    def _inline_table(self, place: Place) -> None:
        self._at += 1
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "}":
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._pair(place)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"line {self._line()} is not valid TOML")
        self._at = match.end()
        return match[0]

    def _line(self) -> int:
        return bisect_right(self._ends, self._at - 1) + 1


def _unquoted(raw: str) -> str:
    name = tomllib.loads(f"name = {raw}")["name"]
    assert isinstance(name, str)
    return name
