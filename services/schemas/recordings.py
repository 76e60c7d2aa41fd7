"""JSON output about CSV recordings that loggers wrote."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from services.state.described import described

from . import format_of
from .parts import Output, Part


class RejectedLines(Part, frozen=True, kw_only=True):
    """Lines of a file with the same finding."""

    text: Annotated[str, described("The finding.")]
    count: Annotated[int, described("Number of lines with this finding.", minimum=0)]
    ranges: Annotated[
        Sequence[tuple[int, int]], described("First and last line of each range; at most 20 ranges.")
    ]


class RecordedTimes(Part, frozen=True, kw_only=True):
    """The times of all rows that are written in one form."""

    form: Annotated[str, described("Form of the times in words, with the time zones.")]
    rows: Annotated[int, described("Number of rows with such times.", minimum=0)]
    first: Annotated[
        str, described("Earliest time: a date in UTC (ending in Z), a date without a zone, or seconds.")
    ]
    last: Annotated[str, described("Latest time, in the same form.")]
    seconds: Annotated[float, described("Time from the earliest to the latest row in seconds.", minimum=0)]


class RecordedPath(Part, frozen=True, kw_only=True):
    """Content of a file for one path."""

    path: Annotated[
        str, described("The path; '' for a file with a single series, which any path can replay.")
    ]
    unit: Annotated[str | None, described("SI unit of the values, '' for a plain number; null if unknown.")]
    replayable: Annotated[bool, described("True if a sensor can replay the path.")]
    problems: Annotated[
        Sequence[str], described("Reasons other than rejected lines why the path cannot be replayed.")
    ]
    values: Annotated[int, described("Number of rows with a value.", minimum=0)]
    impossible: Annotated[
        int,
        described("Number of values that the quantity cannot have; they are replayed as faults.", minimum=0),
    ]
    lowest: Annotated[float | None, described("Smallest value in the SI unit; null if there is none.")]
    highest: Annotated[float | None, described("Largest value in the SI unit; null if there is none.")]
    longest_gap: Annotated[
        float,
        described("Longest time between two successive rows in seconds; 0 if there is none.", minimum=0),
    ]
    faults: Annotated[
        Mapping[str, int], described("Number of rows for each fault that the file itself states.")
    ]
    missing: Annotated[RejectedLines, described("Lines without a value, which are replayed as faults.")]
    steps_back: Annotated[
        RejectedLines, described("Lines that are up to 5 s earlier than the line before, and are sorted.")
    ]
    without_time: Annotated[RejectedLines, described("Lines without a time, which are not replayed.")]
    rejected: Annotated[
        Sequence[RejectedLines],
        described("Rejected lines, grouped by cause; the text includes the first rejected cell."),
    ]
    sensor: Annotated[
        str, described("The `[[sensor]]` table that replays the path, as TOML; '' if it cannot be replayed.")
    ]


class ImportCheck(Output, frozen=True, kw_only=True, tag=format_of("import-check")):
    """Content of a recording, as Logboat understands it."""

    command: ClassVar[str] = "logboat import --check FILE --json"

    file: Annotated[str, described("Name of the file, without its folder.")]
    usable: Annotated[bool, described("True if at least one path can be replayed.")]
    problems: Annotated[
        Sequence[str], described("Reasons why the whole file cannot be used; empty if it can be read.")
    ]
    shape: Annotated[str | None, described("Name of the file's shape; null if it is not known.")]
    delimiter: Annotated[
        str | None,
        described("Character between columns.", enum=["comma", "semicolon", "tab", None]),
    ]
    decimal_mark: Annotated[
        str | None, described("Decimal marks that occur in the values, in words; null if not known.")
    ]
    rows: Annotated[int, described("Number of rows, without headers and comments.", minimum=0)]
    times: Annotated[
        Sequence[RecordedTimes], described("The times, for each form in which they are written.")
    ]
    without_path: Annotated[RejectedLines, described("Lines without a path, which are not replayed.")]
    paths: Annotated[Sequence[RecordedPath], described("The paths, sorted by name.")]
