"""Parser of recordings. It converts lines of text to readings by path, and opens no file.

If a row cannot be read, only the path of that row cannot be played. The other paths can.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import chain
from typing import Final

from sensors.state import SensorState

from .cells import MOST_S, Time, TimeForm, parse_time, parse_value
from .layouts import Layout, again, recognise
from .refusals import CellError, Lines, RecordingError, Refusals, shown
from .rows import PathRecording, RecordingRow, RecordingRows

MOST_ROWS: Final = 1_000_000
"""Maximum number of rows in one file; a day of ten paths at 1 Hz has 864,000.

A small board reads a million rows in a minute.
"""
MOST_PATHS: Final = 5_000
"""Maximum number of paths in one file; a vessel has a few hundred."""
MOST_BACK_NS: Final = 5_000_000_000
"""Maximum step back in time, in nanoseconds, for which the rows are sorted.

Loggers with several sources buffer about a second of data from each source. A larger step has another cause.
"""
_MOST_NAMED: Final = 20
"""Maximum number of paths that a message lists."""
_MOST_ZONES: Final = 20
"""Maximum number of a file's time zones that are kept. A file with more of them is damaged."""
_UNSET_S: Final = 315_532_800.0
"""Start of 1980 in seconds since 1970; a logger without a clock starts in 1970."""
_SET_S: Final = 946_684_800.0
"""Start of 2000 in seconds since 1970; later times come from a clock that was set."""


@dataclass(slots=True)
class FormSpan:
    """The rows of a file whose times have the same form, and the span of these times."""

    first: Time
    zones: dict[tzinfo, None] = field(default_factory=dict)
    """Time zones of the rows, in the order in which they first occur; empty for all forms except `ZONED`."""
    earliest_ns: int = 0
    latest_ns: int = 0
    count: int = 0
    unset: Lines = field(default_factory=Lines)
    """Numbers of the lines whose times are before 1980."""
    between: int = 0
    """Number of rows with times from 1980 to 1999."""
    set: int = 0
    """Number of rows with times after 1999."""
    first_s: float = field(init=False)
    """Time of the first row in seconds since 1970."""
    _zone: tzinfo | None = None

    def __post_init__(self) -> None:
        self.first_s = self.first.epoch_s

    def add(self, line: int, time: Time) -> int:
        """Add a row; return its time in nanoseconds since the first row."""
        offset_ns = time.since(self.first)
        self.count += 1
        if time.zone is not self._zone:
            self._add_zone(time.zone)
        if offset_ns > self.latest_ns:
            self.latest_ns = offset_ns
        elif offset_ns < self.earliest_ns:
            self.earliest_ns = offset_ns
        epoch_s = self.first_s + offset_ns / 1e9
        if epoch_s < _UNSET_S:
            self.unset.add(line)
        elif epoch_s < _SET_S:
            self.between += 1
        else:
            self.set += 1
        return offset_ns

    def _add_zone(self, zone: tzinfo | None) -> None:
        self._zone = zone
        if zone is not None and len(self.zones) < _MOST_ZONES:
            self.zones[zone] = None

    @property
    def length_ns(self) -> int:
        """Time, in nanoseconds, from the earliest row to the start of the next repetition."""
        span = self.latest_ns - self.earliest_ns
        spacing = span // (self.count - 1) if self.count > 1 else 0
        return max(span + spacing, 1_000_000)

    def check(self) -> None:
        """Raise `RecordingError` if the times cannot belong to one recording."""
        if self.unset.count and self.set and not self.between:
            raise RecordingError(
                f"{self.unset}: the time is before 1980, but other rows are from 2000 or later, so the"
                " logger's clock was not set; remove or correct these lines"
            )
        if self.latest_ns - self.earliest_ns > MOST_S * 1e9:
            raise RecordingError(f"spans more than {MOST_S:.6g} s; correct the times")


@dataclass(slots=True)
class PathRows:
    """Content of a recording for one path."""

    rows: RecordingRows = field(default_factory=RecordingRows)
    refusals: Refusals = field(default_factory=Refusals)
    form: TimeForm | None = None
    missing: Lines = field(default_factory=Lines)
    """Numbers of the lines without a value, which are played as faults."""
    untimed: Lines = field(default_factory=Lines)
    """Numbers of the lines without a time, which are not played.

    Only `logboat log --csv` writes such lines.
    """
    sorted: Lines = field(default_factory=Lines)
    """Numbers of the lines whose time is slightly earlier than that of the preceding line."""
    last_ns: int = 0


class Recording:
    """Content of a recording, by path."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.paths: dict[str, PathRows] = {}
        self.spans: dict[TimeForm, FormSpan] = {}
        self.pathless = Lines()
        """Numbers of the lines that are not played because they have no path."""
        self.units: dict[str, None] = {}
        """Units that the file states, in the order in which they first occur."""
        self.decimal_marks: set[str] = set()
        """Decimal marks found in the file's values; empty if the values cannot have a decimal comma."""
        self.count = 0
        """Number of rows, without headers and comments."""

    def contents(self, path: str) -> PathRows | None:
        """Return the content for a path. A file with a single series has the same content for any path."""
        return self.paths.get(path if self.layout.shape.path else "")

    def play(self, path: str) -> PathRecording:
        """Return the rows of a path.

        Raise `RecordingError`, listing all reasons, if the path cannot be played.
        """
        found = self.contents(path)
        if found is None:
            there = ", ".join(sorted(self.paths)[:_MOST_NAMED]) or "none"
            out = f"; without a path: {self.pathless}" if self.pathless.count else ""
            raise RecordingError(f"has no rows with path {path}; paths in the file: {there}{out}")
        problems = found.refusals.problems
        span = None if found.form is None else self.spans.get(found.form)
        if span is not None:
            try:
                span.check()
            except RecordingError as error:
                problems += error.problems
        if problems:
            raise RecordingError(*problems)
        if span is None and found.untimed.count:
            raise RecordingError(f"{found.untimed}: no row has a time, so none can be replayed")
        if span is None or not (found.rows.has_values() or self.layout.shape.quality):
            raise RecordingError(f"{found.missing}: no row with path {path} has a value")
        found.rows.origin_ns = span.earliest_ns
        return PathRecording(found.rows, span.length_ns)


def parse(lines: Iterable[str]) -> Recording:
    """Return the content of a recording.

    Raises `RecordingError` if the file as a whole cannot be read. No text causes any other exception.
    """
    source = iter(lines)
    header, number = _header(source)
    layout = recognise(header, number)
    reader = csv.reader(
        chain([header], source), delimiter=layout.delimiter, skipinitialspace=f"{layout.delimiter} " in header
    )
    parser = _Parser(layout)
    try:
        next(reader)
        for row in reader:
            if row:
                parser.add(reader.line_num + number - 1, row)
    except csv.Error as error:
        raise RecordingError(
            f"line {reader.line_num + number - 1}: this is not CSV ({error}); correct the line"
        ) from error
    return parser.finished()


def _header(source: Iterator[str]) -> tuple[str, int]:
    """Return the first line that is neither blank nor a comment, and its number."""
    for number, line in enumerate(source, start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            return line, number
    return "", 1


class _Parser:
    def __init__(self, layout: Layout) -> None:
        self._layout: Layout = layout
        self._recording = Recording(layout)
        self._time: tuple[str, Time] | None = None
        """Time of the previous row, as text and parsed.

        It is kept because loggers often write the same time in several rows.
        """
        self._series: dict[str, int] = {}
        """Line at which each series begins, in a file that should contain one."""

    def add(self, line: int, row: Sequence[str]) -> None:
        """Add a row of cells."""
        if row[0].startswith("#"):
            return  # a comment, or an annotation of InfluxDB
        layout, recording = self._layout, self._recording
        if layout.shape.time in row:  # InfluxDB repeats the header before each table
            found = again(layout, row)
            if found is not None and found.shape == layout.shape:
                self._layout = found
                return
        recording.count += 1
        if recording.count > MOST_ROWS:
            raise RecordingError(f"has more than {MOST_ROWS} rows; split the recording")
        path = layout.cell(row, layout.shape.path) if layout.shape.path else ""
        time = layout.cell(row, layout.shape.time)
        if path is None or (layout.shape.path and not path):
            recording.pathless.add(line)
            return
        if layout.shape.series:
            self._series.setdefault(layout.cell(row, layout.shape.series) or "", line)
        found_path = recording.paths.get(path)
        if found_path is None:
            if len(recording.paths) >= MOST_PATHS:
                raise RecordingError(f"has more than {MOST_PATHS} paths; split the recording")
            found_path = recording.paths[path] = PathRows()
        self._note_unit(row)
        if not time and layout.shape.quality:
            found_path.untimed.add(line)
            return
        try:
            self._add(line, found_path, time, row)
        except CellError as error:
            found_path.refusals.add(line, error)

    def _note_unit(self, row: Sequence[str]) -> None:
        unit = self._layout.cell(row, self._layout.shape.unit) if self._layout.shape.unit else None
        units = self._recording.units
        if unit is not None and unit not in units and len(units) < _MOST_NAMED:
            units[unit] = None

    def _add(self, line: int, path: PathRows, written: str | None, row: Sequence[str]) -> None:
        value = self._layout.cell(row, self._layout.shape.value)
        if written is None or value is None:
            raise CellError(",".join(row), "is incomplete: a row needs time, path and value; remove the line")
        if self._time is None or self._time[0] != written or path.form is not self._time[1].form:
            days = TimeForm.SECONDS not in self._recording.spans
            self._time = (written, parse_time(written, path.form, days=days))
        time = self._time[1]
        span = self._recording.spans.get(time.form)
        if span is None:
            span = self._recording.spans[time.form] = FormSpan(time)
        offset_ns = span.add(line, time)
        if path.form is None:
            path.form, path.last_ns = time.form, offset_ns
        back_ns, path.last_ns = path.last_ns - offset_ns, offset_ns
        if back_ns > MOST_BACK_NS:
            raise CellError(written, _step_back(time.form, back_ns))
        if back_ns > 0:
            path.sorted.add(line)
        path.rows.append(self._reading(line, path, offset_ns, value, row))

    def _reading(
        self, line: int, path: PathRows, offset_ns: int, text: str, row: Sequence[str]
    ) -> RecordingRow:
        if self._layout.decimal_comma:
            self._recording.decimal_marks.update(mark for mark in ".," if mark in text)
        value = parse_value(text, decimal_comma=self._layout.decimal_comma)
        state = SensorState.GOOD
        if self._layout.shape.quality:
            word = self._layout.cell(row, self._layout.shape.quality) or ""
            if word not in set(SensorState):
                raise CellError(word, "is not a quality that `logboat log --csv` can write; correct the line")
            state = SensorState(word)
        if not state.carries_value:
            return RecordingRow(offset_ns, None, state)
        if value is None:
            path.missing.add(line)
            return RecordingRow(offset_ns, None, SensorState.FAILED)
        return RecordingRow(offset_ns, value, state)

    def finished(self) -> Recording:
        """Return the complete recording. Call this method after the last row has been added."""
        if len(self._series) > 1:
            starts = ", ".join(f"{shown(name)} from line {at}" for name, at in self._series.items())
            raise RecordingError(
                f"contains several series ({starts[:200]}) and no column _measurement; add this"
                " column, or export one series"
            )
        for path in self._recording.paths.values():
            if path.sorted.count:
                path.rows.sort()
        return self._recording


def _step_back(form: TimeForm, back_ns: int) -> str:
    hour = form is TimeForm.LOCAL and abs(back_ns - 3_600e9) <= MOST_BACK_NS
    hint = "; perhaps summer time ended: write the times with their zone" if hour else ""
    return (
        f"is more than {MOST_BACK_NS // 10**9} s earlier than the time of the row before; sort the recording"
        f" by time{hint}"
    )
