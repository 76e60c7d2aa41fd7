"""CSV formats that loggers write, recognised by the names of their columns."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .refusals import RecordingError, shown


@dataclass(frozen=True, slots=True)
class Shape:
    """CSV format: its name, and the columns that contain the readings."""

    name: str
    time: str
    value: str
    path: str = ""
    """Column with the path; empty if the file contains only one series, which is then played for any path."""
    quality: str = ""
    """Column with the state of the sensor; empty if there is none."""
    also: tuple[str, ...] = ()
    """Other columns by which the format is recognised."""
    series: str = ""
    """Column whose values number the series; empty if there is none."""
    unit: str = ""
    """Column with the SI unit of the values; empty if there is none."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the file must have."""
        named = (self.time, self.path, self.value, self.quality, self.unit, *self.also)
        return tuple(name for name in named if name)


SHAPES: Final = (
    Shape("columns time, path and value", "time", "value", path="path"),
    Shape("output of logboat log --csv", "time", "value", quality="quality", unit="unit", also=("seq",)),
    Shape("InfluxDB, path in _measurement", "_time", "_value", path="_measurement"),
    Shape("InfluxDB, single series", "_time", "_value", series="table"),
)
"""Formats that can be played. If several match, the first of them applies."""
DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab"}
"""Characters that separate columns, with their names. If several match, the first of them applies."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Format of one file, and the positions of its columns."""

    shape: Shape
    delimiter: str
    places: dict[str, int]
    """Positions of the columns, by name."""

    @property
    def decimal_comma(self) -> bool:
        """True if a value can have a decimal comma, because a comma does not separate columns."""
        return self.delimiter != ","

    def cell(self, row: Sequence[str], column: str) -> str | None:
        """Return a cell without surrounding white space, or None if the row is too short."""
        place = self.places.get(column, len(row))
        return row[place].strip() if place < len(row) else None


def recognise(header: str, line: int) -> Layout:
    """Return the layout of a file whose header is the line with this number.

    Raises `RecordingError` if the columns match none of the known formats.
    """
    for delimiter in DELIMITERS:
        layout = _layout(_cells(header, delimiter), delimiter)
        if layout is not None:
            return layout
    cells = _cells(header, max(DELIMITERS, key=header.count))
    missing = sorted({"time", "path", "value"} - {name.strip().casefold() for name in cells})
    there = ", ".join(shown(name.strip()) for name in cells[:20]) or "none"
    raise RecordingError(
        f"line {line}: missing {'columns' if missing[1:] else 'column'}: {', '.join(missing)}; the file has"
        f" the columns {there}; rename or add columns, so that there are time, path and value"
    )


def again(layout: Layout, row: Sequence[str]) -> Layout | None:
    """Return the layout if a row is another header within the same file, or None if it is not a header."""
    return _layout(row, layout.delimiter)


def _cells(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def _layout(names: Sequence[str], delimiter: str) -> Layout | None:
    places = {name.strip().casefold(): place for place, name in enumerate(names)}
    places |= {name: place for place, name in enumerate(names)}  # an exact name comes before a similar one
    for shape in SHAPES:
        if places.keys() >= set(shape.columns):
            return Layout(shape, delimiter, places)
    return None
