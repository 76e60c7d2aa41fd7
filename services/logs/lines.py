"""Formats a log record as one line of fields, and parses a saved line.

    level=error daemon=recorder what=recording msg="samples.db: disk I/O error" again=12

`what` is the module that logged the message. `again` is the number of times that the message was suppressed
since it was last written. A saved line begins with two more fields, `time` (UTC) and `clock` (seconds since
the board started).
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
"""Maximum length of a message in characters; a message may contain text from a peer."""
_FRAMES: Final = 4
"""Maximum number of a traceback's innermost frames to log."""
_JOURNAL_LEVELS: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Python's log levels, each with the equivalent level of the systemd journal (sd-daemon(3))."""
_FIELD: Final = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


@dataclass(frozen=True, slots=True)
class LogLine:
    """Contents of one log line."""

    level: str
    """Python's name for the level, in lower case."""
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
    """A log line that was saved in the file."""

    utc: float
    """System clock time at which the line was logged, in seconds since 1970."""
    clock: float
    """Boot clock time at which the line was logged, in seconds."""
    line: LogLine
    lost: int = 0
    """Number of lines before this one that could not be saved."""

    def __str__(self) -> str:
        lost = f" lost={self.lost}" if self.lost else ""
        moment = datetime.fromtimestamp(self.utc, UTC)
        return f"time={moment:%Y-%m-%dT%H:%M:%SZ} clock={self.clock:.1f} {self.line}{lost}"


def of_record(record: logging.LogRecord, daemon: str, *, again: int = 0) -> LogLine:
    """Return the line for a record from Python's logging, including where any exception was raised."""
    text = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        text = f"{text}: {of_exception(record.exc_info[1], record.exc_info[2])}"
    what = record.name.removeprefix("services.")
    return LogLine(record.levelname.lower(), daemon, what, text, again)


class Foreground(logging.Formatter):
    """Formatter for interactive use: level and text on one line of printable characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without a line ending."""
        return f"{record.levelname} {clean(of_record(record, '').text[:MOST_CHARACTERS])}"


def of_exception(error: BaseException, trace: TracebackType | None) -> str:
    """Return a one-line description of an exception and its traceback, innermost frame first."""
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    places = (f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    description = f"{type(error).__name__}: {error}"
    return f"{description} ({' < '.join(places)})" if frames else description


def journal_level(level: int) -> str:
    """Return the prefix that marks a line's level in the systemd journal, such as `<3>`."""
    return f"<{next((number for least, number in _JOURNAL_LEVELS if level >= least), 7)}>"


def parse(text: str) -> StoredLogLine | None:
    """Return a saved line; None if the text is not a complete line.

    A line may be incomplete because a power cut interrupted the write.
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
