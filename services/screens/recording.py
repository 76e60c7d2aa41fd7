"""Text and JSON that show how a CSV recording is understood, for `logboat import --check`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sensors import signalk_paths
from sensors.csv_recordings.cells import TimeForm
from sensors.csv_recordings.layouts import DELIMITERS
from sensors.csv_recordings.parser import FormSpan, PathRows, Recording
from sensors.csv_recordings.refusals import Lines, RecordingError
from sensors.csv_recordings.rows import RowSummary
from sensors.plausibility import possible_values
from sensors.presentation import format_exactly, format_value
from sensors.signalk_paths import CONTACT, unit_words
from sensors.state import SensorState
from sensors.units import format_duration
from services.terminal.present import count, thousands

if TYPE_CHECKING:
    from services.schemas.recordings import ImportCheck, RecordedPath, RecordedTimes, RejectedLines

Row = tuple[str, str]
"""Label of a line of text, and the text after the label."""
MOST_NAMED: Final = 20
"""Maximum number of line ranges to name for one type of problem. Further ranges are only counted."""
_GAP: Final = 2
_LONGEST_ID: Final = 32
"""Maximum length of a sensor's id."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SET_S: Final = 946_684_800.0
"""Start of the year 2000 in seconds since 1970. A larger number of seconds is shown as a date."""
_MARKS: Final = {".": "point", ",": "comma"}


@dataclass(frozen=True, slots=True)
class PathView:
    """Content of a CSV recording for one path."""

    path: str
    """Path of the values; empty for a file with a single series, which any path can replay."""
    unit: str | None
    """SI unit of the path; None if it is not known."""
    found: PathRows
    span: FormSpan | None
    """Times of all rows of the file, in the form used for this path; None if no row has a valid time."""
    summary: RowSummary | None
    """Summary of the rows; None if there is no valid row."""
    problems: tuple[str, ...]
    """Reasons why the path cannot be replayed; empty if it can."""

    @property
    def name(self) -> str:
        """The path, or a description of the series if it has no path."""
        return self.path or "single series"


@dataclass(frozen=True, slots=True)
class RecordingView:
    """Content of a CSV recording, or the reasons why it cannot be read."""

    file: str
    """Name of the file, without its folder."""
    problems: tuple[str, ...] = ()
    """Reasons why the whole file cannot be read; empty if it can."""
    recording: Recording | None = None
    paths: tuple[PathView, ...] = ()

    @property
    def is_usable(self) -> bool:
        """True if at least one path can be replayed."""
        return any(not path.problems for path in self.paths)


def view(file: str, content: Recording | RecordingError) -> RecordingView:
    """Return the content of a file, or the reasons why it cannot be read."""
    if isinstance(content, RecordingError):
        return RecordingView(file, problems=content.problems)
    paths = tuple(_path(content, path) for path in sorted(content.paths))
    problems = () if paths else (_without_rows(content),)
    return RecordingView(file, problems, content, paths)


def _without_rows(recording: Recording) -> str:
    if recording.pathless.count:
        return f"{recording.pathless.named(MOST_NAMED)}: no row has a path; fill in the column path"
    return "contains no rows"


def _path(recording: Recording, path: str) -> PathView:
    found = recording.paths[path]
    unit = signalk_paths.unit_of(path) if path else next(iter(recording.units), None)
    span = None if found.form is None else recording.spans.get(found.form)
    is_possible = (lambda _: True) if unit is None else possible_values(unit, path=path)
    summary = found.rows.summary(is_possible) if len(found.rows) else None
    problems: tuple[str, ...] = ()
    if path and not signalk_paths.is_well_formed(path):
        problems = ("is not a Signal K path; rename it in the file, such as electrical.batteries.1.voltage",)
    try:
        recording.play(path)
    except RecordingError as error:
        problems += error.problems
    return PathView(path, unit, found, span, summary, problems)


# Text ----------------------------------------------------------------------------------------------


def lines(found: RecordingView) -> Iterator[str]:
    """Yield the lines that describe the file. The verdict and the `[[sensor]]` tables are not included."""
    if found.recording is not None:
        yield f"{found.file}, as understood:"
        yield from _labelled(_file_rows(found.recording))
        for path in found.paths:
            yield ""
            yield f"{path.name}, {_unit(path.unit)}"
            yield from _labelled(_path_rows(path))


def verdict(found: RecordingView) -> str:
    """Return the problems of the whole file, and a line that states whether the file is usable."""
    problems = [f"{found.file}{', ' if each.startswith('line') else ' '}{each}" for each in found.problems]
    able = sum(not path.problems for path in found.paths)
    of = f"{able} of {count(len(found.paths), 'path')} can be replayed" if found.paths else "no path"
    return "\n".join([*problems, f"{found.file}: {'usable' if found.is_usable else 'NOT USABLE'}, {of}"])


def _unit(unit: str | None) -> str:
    if unit is None:
        return "unit not known"
    return {CONTACT: "a contact", "ratio": "a ratio"}.get(unit, f"in {unit_words(unit)}")


def _labelled(rows: Iterator[Row]) -> Iterator[str]:
    listed = list(rows)
    width = max((len(label) for label, _ in listed), default=0) + _GAP
    for label, text in listed:
        yield f"  {label.ljust(width)}{text}"


def _file_rows(recording: Recording) -> Iterator[Row]:
    layout = recording.layout
    yield "shape", layout.shape.name
    yield "delimiter", DELIMITERS[layout.delimiter]
    yield "decimal mark", _decimal_mark(recording)
    for span in recording.spans.values():
        yield "times", f"{_form(span)}, in {count(span.count, 'row')}"
        yield "first", _time(span, span.earliest_ns)
        length = format_duration((span.latest_ns - span.earliest_ns) / 1e9)
        yield "last", f"{_time(span, span.latest_ns)}, {length} later"
    yield "rows", thousands(recording.count)
    if recording.pathless.count:
        yield "left out", f"{recording.pathless.named(MOST_NAMED)}: the row has no path"
    if len(recording.units) > 1:
        yield "units", ", ".join(unit_words(unit) for unit in recording.units)


def _decimal_mark(recording: Recording) -> str:
    if not recording.layout.decimal_comma:
        return "point"
    return " and ".join(_MARKS[mark] for mark in sorted(recording.decimal_marks)) or "none occurs"


def _form(span: FormSpan) -> str:
    form = span.first.form
    if form is TimeForm.SECONDS and span.first_s >= _SET_S:
        return "seconds since 1970"
    if form is TimeForm.ZONED:
        return f"{TimeForm.ZONED.value} ({', '.join(map(str, span.zones))})"
    words: str = form.value
    return words


def _time(span: FormSpan, offset_ns: int) -> str:
    """Return a time in the file's form: a number of seconds, or a date in UTC or without a time zone."""
    seconds = span.first_s + offset_ns / 1e9
    if span.first.form is TimeForm.SECONDS and seconds < _SET_S:
        return f"{seconds:.10g} s"
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    except OverflowError:  # before the year 1, or after 9999
        return f"{seconds:.10g} s since 1970"
    return text if span.first.form in (TimeForm.LOCAL, TimeForm.DAY) else f"{text}Z"


def _path_rows(view: PathView) -> Iterator[Row]:
    found, summary = view.found, view.summary
    if summary is not None and view.span is not None:
        yield "values", _values(view, summary)
        yield "first", _time(view.span, summary.first_ns)
        yield "last", _time(view.span, summary.last_ns)
        if summary.gap_ns:
            gap = format_duration(summary.gap_ns / 1e9)
            yield "longest gap", f"{gap}, from {_time(view.span, summary.gap_from_ns)}"
        if summary.impossible:
            number = count(summary.impossible, "value")
            yield "impossible", f"{number} that the quantity cannot have; {_fault(SensorState.OUT_OF_RANGE)}"
        faults = _faults(view, summary)
        if faults:
            yield "faults", ", ".join(f"{number} {state}" for state, number in faults.items())
    if found.missing.count:
        named, number = found.missing.named(MOST_NAMED), count(found.missing.count, "row")
        yield "missing", f"{named}: {number} without a value; {_fault(SensorState.FAILED)}"
    if found.sorted.count:
        named = found.sorted.named(MOST_NAMED)
        yield "steps back", f"{named}: up to 5 s earlier than the row before, and sorted"
    if found.untimed.count:
        yield "left out", f"{found.untimed.named(MOST_NAMED)}: the row has no time, and is not replayed"
    for text, rejected in found.refusals.groups:
        yield "rejected", f"{rejected.named(MOST_NAMED)}: {text}"
    for problem in _other_problems(view):
        yield "problem", problem


def _fault(state: SensorState) -> str:
    return f"each is replayed as a fault ({state})"


def _values(view: PathView, summary: RowSummary) -> str:
    if summary.lowest is None or summary.highest is None:
        return "none"
    low, high = (_value(value, view) for value in (summary.lowest, summary.highest))
    return f"{thousands(summary.values)}, from {low} to {high}"


def _value(value: float, view: PathView) -> str:
    if view.unit == CONTACT and value in (0.0, 1.0):
        return format_value(bool(value), CONTACT)
    return format_exactly(value, view.unit or "", path=view.path)


def _faults(view: PathView, summary: RowSummary) -> dict[SensorState, int]:
    """Return the number of rows with each fault that the file itself states."""
    stated = summary.states.copy()
    stated[SensorState.FAILED] -= view.found.missing.count
    return {state: number for state, number in stated.items() if number and state is not SensorState.GOOD}


def _other_problems(view: PathView) -> tuple[str, ...]:
    """Return the problems of a path, except those of rejected lines."""
    rejected = view.found.refusals.problems
    return tuple(problem for problem in view.problems if problem not in rejected)


def sensor_tables(found: RecordingView) -> Iterator[str]:
    """Yield a `[[sensor]]` table for each path that can be replayed."""
    used = set[str]()
    for view in found.paths:
        if not view.problems:
            yield _table(view, found.file, _identifier(view.path, used))


def _table(view: PathView, file: str, name: str) -> str:
    rows = [
        "[[sensor]]",
        f"id = {_toml(name)}",
        'kind = "replay"',
        f"file = {_toml(file)}",
        f"path = {_toml(view.path or '…')}",
    ]
    if not view.path:
        rows[-1] += f"  # {_any_path(view.unit)}"
    elif view.unit is None:
        rows.append('unit = "…"  # SI unit of the values')
    return "\n".join(rows)


def _any_path(unit: str | None) -> str:
    if unit is None:
        return "any path"
    return "any contact" if unit == CONTACT else f"any path in {unit_words(unit)}"


def _identifier(path: str, used: set[str]) -> str:
    """Return an id made from the last parts of a path, and add it to the ids in use."""
    name = "recorded"
    for part in reversed(path.lower().split(".") if path else []):
        longer = part if name == "recorded" else f"{part}-{name}"
        if len(longer) > _LONGEST_ID:
            break
        name = longer
    candidate, number = name, 2
    while candidate in used:
        suffix = f"-{number}"
        candidate, number = name[: _LONGEST_ID - len(suffix)] + suffix, number + 1
    used.add(candidate)
    return candidate


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


# JSON ----------------------------------------------------------------------------------------------


def as_json(found: RecordingView) -> "ImportCheck":
    """Return the object that the command prints with `--json`."""
    from services.schemas.recordings import ImportCheck

    recording = found.recording
    return ImportCheck(
        file=found.file,
        usable=found.is_usable,
        problems=found.problems,
        shape=None if recording is None else recording.layout.shape.name,
        delimiter=None if recording is None else DELIMITERS[recording.layout.delimiter],
        decimal_mark=None if recording is None else _decimal_mark(recording),
        rows=0 if recording is None else recording.count,
        times=[] if recording is None else [_times_json(span) for span in recording.spans.values()],
        without_path=_lines_json("the row has no path", Lines() if recording is None else recording.pathless),
        paths=list(_paths_json(found)),
    )


def _times_json(span: FormSpan) -> "RecordedTimes":
    from services.schemas.recordings import RecordedTimes

    return RecordedTimes(
        form=_form(span),
        rows=span.count,
        first=_time(span, span.earliest_ns),
        last=_time(span, span.latest_ns),
        seconds=(span.latest_ns - span.earliest_ns) / 1e9,
    )


def _paths_json(found: RecordingView) -> "Iterator[RecordedPath]":
    from services.schemas.recordings import RecordedPath

    tables = sensor_tables(found)
    for view in found.paths:
        summary, rows = view.summary, view.found
        yield RecordedPath(
            path=view.path,
            unit=view.unit,
            replayable=not view.problems,
            problems=_other_problems(view),
            values=0 if summary is None else summary.values,
            impossible=0 if summary is None else summary.impossible,
            lowest=None if summary is None else summary.lowest,
            highest=None if summary is None else summary.highest,
            longest_gap=0.0 if summary is None else summary.gap_ns / 1e9,
            faults={}
            if summary is None
            else {str(state): number for state, number in _faults(view, summary).items()},
            missing=_lines_json("the row has no value", rows.missing),
            steps_back=_lines_json("the time is up to 5 s earlier than that of the row before", rows.sorted),
            without_time=_lines_json("the row has no time", rows.untimed),
            rejected=[_lines_json(text, rejected) for text, rejected in rows.refusals.groups],
            sensor="" if view.problems else next(tables),
        )


def _lines_json(text: str, found: Lines) -> "RejectedLines":
    from services.schemas.recordings import RejectedLines

    return RejectedLines(text=text, count=found.count, ranges=list(found.ranges[:MOST_NAMED]))
