"""Kind `replay`: plays a recording as a live sensor.

`sensors.csv_recordings` reads the file. Every row of the sensor's path is emitted exactly once, in the order
of time, at a boot-clock time. The spacing of these times is the recording's spacing divided by `speed`. A row
that is emitted late keeps the time at which it was due. A row without a value is emitted as a fault. Sensors
that play different paths of one file stay synchronous, because time counts from the file's earliest row.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sensors.csv_recordings.files import RecordingCache
from sensors.csv_recordings.refusals import RecordingError
from sensors.csv_recordings.rows import PathRecording, RecordingRow
from sensors.driver import Driver, DriverError, Emit, options_of
from sensors.kind import SensorDraft, SensorKind
from sensors.plausibility import possible_values
from sensors.presentation import format_exactly
from sensors.sample import Sample, Totals
from sensors.settings import Fact, Options, SensorSettings
from sensors.signalk_paths import unit_words
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import boolean, number, text
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError, shown

POLL_NS: Final = 50_000_000
"""Interval, in nanoseconds, at which the driver checks for rows that are due.

It limits how late a row may be emitted, not how accurate the row's time is.
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
        """The recording's path, as the only element."""
        return (self.file,)


def rows(file: Path, path: str) -> tuple[RecordingRow, ...]:
    """Return the recording's rows for `path`, in order.

    Raises `DriverError`, with the file and usually the line, if the recording is not valid.
    """
    return tuple(load(file, path).rows)


def load(file: Path, path: str, recordings: RecordingCache | None = None) -> PathRecording:
    """Read the rows for `path` from a recording. Rows of other paths only contribute to its duration.

    Raises `DriverError` on any failure.
    """
    try:
        return (recordings or RecordingCache()).play(file, path)
    except RecordingError as error:
        raise DriverError("; ".join(error.of(file))) from error


class ReplayDriver(Driver):
    """Driver that plays a recording, starting when it is first opened."""

    def __init__(self, settings: SensorSettings, recordings: RecordingCache | None = None) -> None:
        super().__init__(settings)
        self._recordings = recordings
        self.lane = "replay"
        self.interval_ns = POLL_NS
        self._options = options_of(settings, ReplayOptions)
        self._contact = settings.unit == "bool"
        self._is_possible = possible_values(settings.unit, path=settings.path)
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
            self._recording = load(self._options.file, self.settings.path, self._recordings)
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
            self._emit(self._sample(row, due_ns))
            self._next += 1
            if self._options.repeat and self._next == len(recording.rows):
                self._round, self._next = self._round + 1, 0

    def _sample(self, row: RecordingRow, due_ns: int) -> Sample:
        if row.value is None:
            return Sample(self.settings.id, due_ns, None, row.state, detail="the recording has no value here")
        settings = self.settings
        if not self._is_possible(row.value):
            shown = format_exactly(row.value, settings.unit, path=settings.path, shown_in=settings.display)
            detail = f"the recording has {shown} here, which is not a possible value"
            return Sample(settings.id, due_ns, None, SensorState.OUT_OF_RANGE, detail=detail)
        value = bool(row.value) if self._contact else row.value
        return Sample(settings.id, due_ns, value, row.state)

    def close(self) -> None:
        """Stop emitting; the position in the recording is kept."""
        self._emit = None


def _recording(draft: SensorDraft) -> Path:
    name: str = draft.values["file"]
    return draft.folder / name


def _check(draft: SensorDraft) -> None:
    """Report every reason why the recording cannot be played, such as a missing file or path."""
    if draft.valid_value("file") is None or draft.valid_value("path") is None:
        return
    file = _recording(draft)
    if not _is_file(file):
        draft.table.complain(
            "file",
            f"file {file.name} does not exist in the folder of sensors.toml",
            "Copy it there, or correct the name.",
        )
        return
    if draft.recordings is None:
        return
    try:
        draft.recordings.play(file, draft.values["path"])
        units = draft.recordings.recording(file).units
    except RecordingError as error:
        for problem in error.of(Path(draft.values["file"])):
            draft.table.complain("file", problem, "Correct the recording, or name another file or path.")
        return
    others = [unit for unit in units if unit != draft.unit]
    if draft.unit is not None and others:
        draft.table.warn(
            "file",
            f"{file.name} contains values in {unit_words(others[0])}, but {draft.values['path']} is in"
            f" {unit_words(draft.unit)}",
            "Choose another file or path.",
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # the name is invalid, or the folder must not be searched
        return False


def _options(draft: SensorDraft) -> ReplayOptions:
    values = draft.values
    return ReplayOptions(file=_recording(draft), speed=values["speed"], repeat=values["repeat"])


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, ReplayOptions)
    speed = "" if options.speed == 1 else f", {options.speed:g} times as fast"
    yield "recording", f"{options.file.name}{speed}, {'again and again' if options.repeat else 'once'}"


def _recording_facts(settings: SensorSettings, recordings: RecordingCache) -> Iterator[Fact]:
    options = options_of(settings, ReplayOptions)
    try:
        recording = recordings.recording(options.file)
    except RecordingError:
        return  # has been reported
    found = recording.contents(settings.path)
    if found is None or not found.rows:
        return
    summary = found.rows.summary(possible_values(settings.unit, path=settings.path))
    yield "values", f"{summary.values - summary.impossible} of {len(found.rows)} rows have a valid value"
    if found.missing.count:
        yield "missing", f"{found.missing} without a value; {_fault(SensorState.FAILED)}"
    if summary.impossible:
        noun = "value" if summary.impossible == 1 else "values"
        text = (
            f"{summary.impossible} {noun} that the quantity cannot have; {_fault(SensorState.OUT_OF_RANGE)}"
        )
        yield "impossible", text
    if found.untimed.count:
        yield "left out", f"{found.untimed} without a time, not replayed"


def _fault(state: SensorState) -> str:
    return f"each is replayed as a fault ({state})"


KIND: Final = SensorKind(
    name="replay",
    title="Replay of a recording",
    measures="values from a recording (CSV: time, path, value)",
    description="""\
A replay sensor replays a recording, for a demonstration or a test without hardware. A recording is a CSV
file with the columns `time`, `path` and `value` (in SI units). One file can contain several paths, and the
sensors that replay the file stay synchronised. Logboat includes a recording of a real yacht, in
`sensors/recordings/`.

Files in these formats can be replayed:

- the columns `time`, `path` and `value`, in any order, in upper or lower case
- the output of `logboat log SENSOR --csv`, which any path can replay; a fault is replayed as the same fault
- InfluxDB's CSV, annotated or not: `_time`, `_value`, and the path in `_measurement`; without this column,
  the file must contain one series

Columns are separated by commas, semicolons or tabs. With semicolons or tabs, values can have a decimal
comma. A time is an ISO 8601 date, a number of seconds, or a number of milliseconds, microseconds or
nanoseconds since 1970. A time of eight digits such as `20240601` is a
date, unless earlier times in the file are numbers of seconds. `True` and `False` are 1 and 0.

An empty value, `-` or `NaN` is replayed as a fault (`failed`). A value that the quantity cannot have, such as
a level of 4000 %, is replayed as a fault too (`out-of-range`). Rows that are up to 5 s earlier than the row
before are sorted. A larger step back is rejected, and so are times of a clock that was not set. A message
names all rejected lines of the sensor's path. Rows of other paths are not rejected. If the time of a reading
is unknown, `logboat log --csv` writes no time, and the row is not replayed.

`logboat import --check yacht.csv` shows how a file is understood: its format and its times, the values of
each
path, and every rejected line. It also prints the `[[sensor]]` tables that replay the file.""",
    options=ReplayOptions,
    driver=lambda settings, context: ReplayDriver(settings, context.recordings),
    check=_check,
    make_options=_options,
    facts=_facts,
    recording_facts=_recording_facts,
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
