"""Kind `replay`: plays a recording as if it were live.

A recording is a CSV file with the columns time (ISO 8601, or seconds), path and value (SI). Every row of the
sensor's path is emitted exactly once, in the file's order, at a boot-clock time. The spacing of these times
is the recording's spacing divided by `speed`. A row that is emitted late keeps the time at which it was due.
Sensors that play different paths of one file stay synchronous, because time counts from the file's first row.
"""

import csv
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Final, overload

from sensors.driver import Driver, DriverError, Emit, options_of
from sensors.kind import SensorDraft, SensorKind
from sensors.sample import Sample, Totals
from sensors.settings import Options, SensorSettings
from sensors.toml.declarations import key, section
from sensors.toml.schema import boolean, number, text
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError, shown

POLL_NS: Final = 50_000_000
"""Interval, in nanoseconds, at which the driver checks for rows that are due.

It limits how late a row may be emitted, not how accurate the row's time is.
"""
MOST_S: Final = 1e10
"""Maximum duration of a recording, in seconds: 317 years.

A longer one shows an overflow in the program that wrote the file.
"""


@parses(ValueForm("text", limits="path of a file in the folder of `sensors.toml`, or in a subfolder"))
def parse_file(raw: Any) -> str:
    """Parse the path of a recording in the folder that contains `sensors.toml`, or in a subfolder."""
    name: str = text(least=1)(raw)
    way = PurePosixPath(name)
    if way.is_absolute() or ".." in way.parts:
        raise InputError(
            f"{shown(name)} is not in the folder of sensors.toml",
            "Copy the file to that folder, and write its name only.",
        )
    return name


@section
class ReplayOptions(Options):
    """Options of the kind `replay`."""

    file: Path = key(
        parse_file,
        example='"yacht.csv"',
        meaning="CSV file with the columns time, path and value.",
    )
    speed: float = key(
        number(0.001, 10_000.0),
        default=1.0,
        example="10.0",
        meaning="Speed of the replay. With 2.0, the recording takes half its time.",
    )
    repeat: bool = key(
        boolean, default=False, example="true", meaning="True to start again at the end of the recording."
    )

    @property
    def files(self) -> tuple[Path, ...]:
        """Path of the recording, which is the only file."""
        return (self.file,)


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """Single reading of a recording."""

    offset_ns: int
    """Time in nanoseconds since the file's first row, which may have another path."""
    value: float


MOST_ROWS: Final = 1_000_000
"""Maximum number of rows in one file; a day of ten paths at 1 Hz has 864,000.

A small board reads a million rows in a minute.
"""
_MOST_NAMED: Final = 20
"""Maximum number of paths that a message lists."""


class RecordingRows(Sequence[RecordingRow]):
    """Sequence of rows that takes 16 bytes for each row, because there may be a million."""

    def __init__(self) -> None:
        self._offsets, self._values = array("q"), array("d")

    def append(self, row: RecordingRow) -> None:
        """Add a row at the end; raise `OverflowError` if its time is too large to store."""
        self._offsets.append(row.offset_ns)
        self._values.append(row.value)

    def __len__(self) -> int:
        return len(self._offsets)

    @overload
    def __getitem__(self, place: int) -> RecordingRow: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[RecordingRow, ...]: ...
    def __getitem__(self, place: int | slice) -> RecordingRow | tuple[RecordingRow, ...]:
        if isinstance(place, slice):
            return tuple(map(RecordingRow, self._offsets[place], self._values[place]))
        return RecordingRow(self._offsets[place], self._values[place])


@dataclass(frozen=True, slots=True)
class PathRecording:
    """Rows of one path of a recording."""

    rows: Sequence[RecordingRow]
    length_ns: int
    """Time in nanoseconds at which the next repetition begins, if the recording repeats.

    This is the time of the file's last row plus the mean spacing of its rows.
    """


def rows(file: Path, path: str) -> tuple[RecordingRow, ...]:
    """Return the recording's rows for `path`, in order.

    Raises `DriverError`, with the file and usually the line, if the recording is not valid.
    """
    return tuple(load(file, path).rows)


def load(file: Path, path: str) -> PathRecording:
    """Read the rows for `path` from a recording; the other rows only count towards its length.

    Raises `DriverError` on any failure.
    """
    rows = RecordingRows()
    paths: set[str] = set()
    count = offset_ns = 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for number, offset_ns, row_path, value in _read(file, lines):
                count += 1
                if count > MOST_ROWS:
                    raise DriverError(f"{file} has more than {MOST_ROWS} rows; split the recording")
                if len(paths) < _MOST_NAMED:
                    paths.add(row_path)
                if row_path != path:
                    continue
                if rows and offset_ns < rows[-1].offset_ns:
                    raise DriverError(
                        f"{file}, line {number}: the time is earlier than in the row before; sort the"
                        " recording by time"
                    )
                rows.append(RecordingRow(offset_ns, value))
    except DriverError:
        raise
    except Exception as error:
        raise DriverError(f"the recording {file} cannot be read: {error}") from error
    if not rows:
        there = ", ".join(sorted(paths)) or "none"
        raise DriverError(f"{file} has no rows with path {path}; paths in the file: {there}")
    spacing = offset_ns // (count - 1) if count > 1 else 0
    return PathRecording(rows, max(offset_ns + spacing, 1_000_000))


def _read(file: Path, lines: Iterator[str]) -> Iterator[tuple[int, int, str, float]]:
    """Yield the line number, offset in ns, path and value of each row."""
    reader = csv.DictReader(lines)
    missing = {"time", "path", "value"} - set(reader.fieldnames or ())
    if missing:
        raise DriverError(
            f"{file}, line 1: column missing: {', '.join(sorted(missing))}; time, path and value are needed"
        )
    first: datetime | float | None = None
    for row in reader:
        number = reader.line_num
        if None in (row["time"], row["path"], row["value"]):
            raise DriverError(f"{file}, line {number}: a row needs time, path and value")
        try:
            time = _time(row["time"])
            first = time if first is None else first
            value = _value(row["value"])
            offset_ns = _between(first, time)
        except Exception as error:
            raise DriverError(f"{file}, line {number}: {error}") from error
        yield number, offset_ns, row["path"], value


def _time(text: str) -> datetime | float:
    try:
        time = float(text)
    except ValueError:
        return datetime.fromisoformat(text)
    if not math.isfinite(time):
        raise ValueError(f"{text} is not a time")
    return time


def _between(first: datetime | float, time: datetime | float) -> int:
    """Return the time from `first` to `time` in nanoseconds.

    Raises `TypeError` if only one of the two has a date or zone, and `ValueError` if the time is too long.
    """
    if isinstance(first, datetime) and isinstance(time, datetime):
        offset = time - first
        _check_length(offset.total_seconds())
        return offset // timedelta(microseconds=1) * 1000
    if isinstance(first, datetime) or isinstance(time, datetime):
        raise TypeError("the times must be either all dates or all seconds")
    _check_length(time - first)
    return round((time - first) * 1e9)


def _check_length(offset_s: float) -> None:
    if abs(offset_s) > MOST_S:
        raise ValueError(
            f"the time is {offset_s:.6g} s after the time of the first row; the limit is {MOST_S:.6g} s"
        )


def _value(text: str) -> float:
    words = {"true": 1.0, "false": 0.0}
    value = words[text] if text in words else float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


class ReplayDriver(Driver):
    """Driver that plays a recording, starting when it is first opened."""

    def __init__(self, settings: SensorSettings) -> None:
        super().__init__(settings)
        self.lane = "replay"
        self.interval_ns = POLL_NS
        self._options = options_of(settings, ReplayOptions)
        self._contact = settings.unit == "bool"
        self._recording: PathRecording | None = None
        self._emit: Emit | None = None
        self._start_ns: int | None = None
        self._round = 0
        self._next = 0

    @property
    def finished(self) -> bool:
        """True if the last row has been emitted and none will follow."""
        recording = self._recording
        return recording is not None and not self._options.repeat and self._next >= len(recording.rows)

    def open(self, emit: Emit, *, resume: Totals) -> None:  # noqa: ARG002  # no totals here
        """Read the whole recording, or, after a `close`, continue at the same row.

        Raises `DriverError` if the recording cannot be read.
        """
        if self._recording is None:
            self._recording = load(self._options.file, self.settings.path)
        self._emit = emit

    def poll(self, now_ns: int) -> None:
        """Emit every row that is due by now, including late ones."""
        if self._recording is None or self._emit is None:
            raise DriverError(f"sensor {self.settings.id} is not open")
        if self._start_ns is None:
            self._start_ns = now_ns
        recording = self._recording
        while not self.finished:
            row = recording.rows[self._next]
            due_ns = self._start_ns + round(
                (self._round * recording.length_ns + row.offset_ns) / self._options.speed
            )
            if due_ns > now_ns:
                return
            value = bool(row.value) if self._contact else row.value
            self._emit(Sample(self.settings.id, due_ns, value))
            self._next += 1
            if self._options.repeat and self._next == len(recording.rows):
                self._round, self._next = self._round + 1, 0

    def close(self) -> None:
        """Stop emitting; the position in the recording is kept."""
        self._emit = None


def _recording(draft: SensorDraft) -> Path:
    name: str = draft.values["file"]
    return draft.folder / name


def _check(draft: SensorDraft) -> None:
    """Report a problem unless the recording exists, is valid, and has rows for the path."""
    if draft.valid_value("file") is None or draft.valid_value("path") is None:
        return
    file = _recording(draft)
    if not _is_file(file):
        draft.table.complain(
            "file",
            f"file {file.name} does not exist in the folder of sensors.toml",
            f"Copy it to {file.parent}.",
        )
        return
    try:
        load(file, draft.values["path"])
    except DriverError as error:
        draft.table.complain("file", str(error), "Correct the recording, or name another file or path.")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # the name is invalid, or the folder must not be searched
        return False


def _options(draft: SensorDraft) -> ReplayOptions:
    values = draft.values
    return ReplayOptions(file=_recording(draft), speed=values["speed"], repeat=values["repeat"])


KIND: Final = SensorKind(
    name="replay",
    title="Replay of a recording",
    measures="values from a recording (CSV: time, path, value)",
    description="""\
A replay sensor replays a recording, for a demonstration or a test without hardware. A recording is a CSV
file with the columns `time` (ISO 8601, or seconds), `path` and `value` (in SI units). One file can contain
several paths, and the sensors that replay the file stay synchronised. Logboat includes a recording of a
real yacht, in `sensors/recordings/`.""",
    options=ReplayOptions,
    driver=lambda settings, _context: ReplayDriver(settings),
    check=_check,
    make_options=_options,
    interval_s=None,
    example="""\
[[sensor]]
id = "yacht-voltage"
name = "Voltage of a recorded yacht"
kind = "replay"
file = "yacht-2014-08-15.csv"
repeat = true
path = "electrical.batteries.1.voltage"
""",
)
