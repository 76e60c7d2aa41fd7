"""A log record as one line of fields, and the parser of a kept line. Pure.

    level=error daemon=recorder what=recording msg="samples.db: disk I/O error" again=12

`what` is the module that logs it; `again` is how often it was suppressed since it was last written. A kept
line begins with two more fields, `time` (UTC) and `clock` (seconds since the board's start).
"""

import json
import logging
import re
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

from sensors.plaintext import clean, json_text

MOST_CHARACTERS: Final = 2_000
"""Maximum length of a message in characters; it may contain a peer's words."""
_FRAMES: Final = 4
"""Number of a traceback's innermost frames that are logged."""
_JOURNAL_LEVELS: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Python's levels, and the journal's (sd-daemon(3))."""
_FIELD: Final = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


@dataclass(frozen=True, slots=True)
class LogLine:
    """The content of one line."""

    level: str
    """Python's name of the level, in lower case."""
    daemon: str
    what: str
    text: str
    again: int = 0

    def __str__(self) -> str:
        text = json_text(json.dumps(self.text[:MOST_CHARACTERS], ensure_ascii=False))
        more = f" again={self.again}" if self.again else ""
        return f"level={self.level} daemon={self.daemon} what={self.what} msg={text}{more}"


@dataclass(frozen=True, slots=True)
class StoredLogLine:
    """A line that was kept in the file."""

    utc: float
    """Time by the clock of that moment, in seconds since 1970."""
    clock: float
    """Seconds since the board's start."""
    line: LogLine
    lost: int = 0
    """Number of lines before it that could not be kept."""

    def __str__(self) -> str:
        lost = f" lost={self.lost}" if self.lost else ""
        moment = datetime.fromtimestamp(self.utc, UTC)
        return f"time={moment:%Y-%m-%dT%H:%M:%SZ} clock={self.clock:.1f} {self.line}{lost}"


def of_record(record: logging.LogRecord, daemon: str, *, again: int = 0) -> LogLine:
    """Return the line of a record of Python's logging, with the place of an exception."""
    text = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        text = f"{text}: {of_exception(record.exc_info[1], record.exc_info[2])}"
    what = record.name.removeprefix("services.")
    return LogLine(record.levelname.lower(), daemon, what, text, again)


class Foreground(logging.Formatter):
    """Formatter of records for a person who runs a command: level and text on one clean line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without a line ending."""
        return f"{record.levelname} {clean(of_record(record, '').text[:MOST_CHARACTERS])}"


def of_exception(error: BaseException, trace: TracebackType | None) -> str:
    """Describe an exception and where it was raised on one line, the innermost place first."""
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    places = (f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    description = f"{type(error).__name__}: {error}"
    return f"{description} ({' < '.join(places)})" if frames else description


def journal_level(level: int) -> str:
    """Return the prefix from which the journal takes a line's level, such as `<3>`."""
    return f"<{next((number for least, number in _JOURNAL_LEVELS if level >= least), 7)}>"


def parse(text: str) -> StoredLogLine | None:
    """Return a kept line; None if the text is no complete one.

    A power cut may have interrupted the writing.
    """
    try:
        fields = {
            name: str(json.loads(value)) if value.startswith('"') else value
            for name, value in _FIELD.findall(text)
        }
        moment = datetime.strptime(fields["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        line = LogLine(
            fields["level"], fields["daemon"], fields["what"], fields["msg"], int(fields.get("again", 0))
        )
        return StoredLogLine(moment.timestamp(), float(fields["clock"]), line, int(fields.get("lost", 0)))
    except (KeyError, ValueError):
        return None
