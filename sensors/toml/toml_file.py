"""Reads a TOML file with line numbers, and reports all problems with the file together.

The file may come from any operating system (CRLF, byte-order mark). This module defines the class of
problems. `syntax_errors` describes TOML's syntax errors in words that a boat's electrician understands. A
schema (see `schema`) defines the keys that belong in the file.

The result is always a `TomlFile` or a `ConfigurationError`, even if a library raises another exception.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final

from sensors.plaintext import clean

from .syntax_errors import UNREADABLE, explain, repair
from .toml_lines import Place, locate

__all__ = [
    "EMPTIED",
    "MOST_BYTES",
    "MOST_PARTS",
    "UNREADABLE",
    "ConfigurationError",
    "FileProblem",
    "TomlFile",
    "is_empty",
    "parse",
    "raise_if_any",
    "read",
    "unforeseen",
]

MOST_BYTES: Final = 256_000
"""Maximum size of a configuration file, in bytes.

Files are written by hand, and 500 sensors need less. Reading a file of this size takes at most 100 MB of
memory, whatever its content.
"""
MOST_PARTS: Final = 8
"""Maximum number of names in a dotted key or a header.

No key needs more than four, and for each name the parser keeps all the names before it.
"""
_MOST_REPAIRS: Final = 50
"""Maximum number of syntax errors to report in one file, because finding each requires another parse."""
_MOST_PARSED: Final = 1_000_000
"""Maximum number of bytes to parse for one file, in all attempts together: a few seconds on a small board."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Mistake in a file; `str` returns one line with the place, the mistake and the remedy."""

    file: Path
    line: int | None
    key: str
    """Key with the mistake; empty if the mistake concerns the whole table or file."""
    text: str
    """Description of the mistake, without a full stop."""
    remedy: str = ""
    """Instruction that corrects the mistake, in whole sentences."""
    table: str = ""
    """Human-readable name of the table that contains the key: `sensor "bilge-float"`."""
    column: int | None = None
    """Column of the mistake; set only for syntax errors."""
    refuses_only_new: bool = False
    """True if only a new file with this mistake is rejected. For a file in use, the mistake is a warning.
    """

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file.name, self.line, self.column) if part is not None)
        subject = ", ".join(part for part in (self.table, self.key) if part)
        statement = ": ".join(part for part in (place, subject, self.text) if part)
        line = f"{statement}. {self.remedy}" if self.remedy else statement
        return clean(line)


class ConfigurationError(Exception):
    """A file has mistakes; the exception contains all of them in order, and `str` returns one per line."""

    def __init__(self, problems: Iterable[FileProblem]) -> None:
        self.problems: tuple[FileProblem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class TomlFile:
    """Parsed content of a file."""

    path: Path
    data: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[Place, int] = field(default_factory=dict)
    content: bytes | None = None
    """Bytes of the file; None if the file does not exist."""
    problems: tuple[FileProblem, ...] = ()
    """Syntax errors that did not prevent the rest of the file from being read: see `UNREADABLE`."""

    @property
    def rows(self) -> list[str]:
        """Text of the file's lines."""
        return (self.content or b"").decode("utf-8-sig").replace("\r\n", "\n").split("\n")

    def line(self, place: Place) -> int | None:
        """Return the line of a table, key or element, or of its nearest parent that has one."""
        for length in range(len(place), 0, -1):
            number = self.lines.get(place[:length])
            if number is not None:
                return number
        return None


EMPTIED: Final = (
    "the file is empty, perhaps because of a power cut while it was written",
    "Write the file again. To use defaults for everything, write a comment: # empty on purpose",
)
"""Description and remedy for a file that is empty although it must have had content."""


def is_empty(content: bytes) -> bool:
    """Return True if a file contains nothing but white space and NUL bytes."""
    return not content.strip(b" \t\r\n\0")


def unforeseen(error: Exception) -> tuple[str, str]:
    """Return the description and remedy for an unexpected exception.

    The description names the exception and where it was raised, so that a bug report is useful.
    """
    frames = extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    words = str(error).partition("\n")[0][:_LONGEST_REASON]
    reason = f"{type(error).__name__}{where}" + (f": {words}" if words else "")
    return f"this cannot be processed ({reason})", "Change or remove it, and please report this."


_LONGEST_REASON: Final = 200


def raise_if_any(problems: Iterable[FileProblem]) -> tuple[FileProblem, ...]:
    """Raise `ConfigurationError` with all problems, in order of line, if even a file in use is rejected.

    Otherwise return the problems, for which only new files are rejected, in order of line.
    """
    in_order = sorted(problems, key=lambda problem: (str(problem.file), problem.line or 0))
    if not all(problem.refuses_only_new for problem in in_order):
        raise ConfigurationError(in_order)
    return tuple(in_order)


def read(path: Path, *, missing_ok: bool = False) -> TomlFile:
    """Read and parse a file; with `missing_ok` a missing file counts as empty.

    Raises `ConfigurationError` if the file cannot be read or parsed.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        if missing_ok:
            return TomlFile(path)
        raise _failed(
            path, f"the file {path} does not exist", "Check the name, or create the file."
        ) from None
    except OSError as error:
        raise _failed(
            path, f"the file cannot be read: {error.strerror or error}", "Check the card."
        ) from error
    except Exception as error:
        raise _failed(path, *unforeseen(error)) from error
    return parse(path, content)


def parse(path: Path, content: bytes) -> TomlFile:
    """Parse the content of a file. `path` is used only in messages.

    An invalid line is reported in `problems`, and the other lines are parsed without it, so that one mistake
    does not hide the others. Raises `ConfigurationError` where that is not possible.
    """
    try:
        return _parse(path, content)
    except ConfigurationError:
        raise
    except Exception as error:
        raise _failed(path, *unforeseen(error)) from error


def _parse(path: Path, content: bytes) -> TomlFile:
    if len(content) > MOST_BYTES:
        most = f"{MOST_BYTES // 1000} kB"
        raise _failed(
            path,
            f"the file is too long for a configuration: more than {most}",
            "Check that this is the right file.",
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _failed(path, "the file is not UTF-8 text", "Save the file as UTF-8.", line) from None
    rows = text.replace("\r\n", "\n").split("\n")
    problems: list[FileProblem] = []
    most_repairs = min(_MOST_REPAIRS, _MOST_PARSED // max(len(content), 1))
    while True:
        text = "\n".join(rows)
        _check_parts(path, text)
        try:
            return TomlFile(path, tomllib.loads(text), locate(text), content, tuple(problems))
        except tomllib.TOMLDecodeError as error:
            mistake, count = explain(rows, str(error)), len(problems)
            if count < most_repairs and mistake.line not in [other.line for other in problems]:
                problems.append(
                    FileProblem(
                        path,
                        mistake.line,
                        mistake.name,
                        mistake.text,
                        mistake.remedy,
                        column=mistake.column,
                    )
                )
                if repair(rows, mistake):
                    continue
            raise ConfigurationError(problems) from None
        except RecursionError:
            raise _failed(
                path, "brackets are nested too deeply", "Close every bracket that is open."
            ) from None
        except ValueError as error:  # for example, an integer with thousands of digits
            reason = str(error).partition(":")[0]
            raise _failed(
                path, f"a value cannot be read ({reason})", "Check that this is the right file."
            ) from None


_PART: Final = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_MANY_PARTS: Final = re.compile(rf"(?:^|[\[{{,])[ \t]*(?:{_PART}[ \t]*\.[ \t]*){{{MOST_PARTS}}}")


def _check_parts(path: Path, text: str) -> None:
    """Reject a key with too many parts, because memory usage grows with the square of their number."""
    for number, row in enumerate(text.split("\n"), start=1):
        if row.count(".") >= MOST_PARTS and _MANY_PARTS.search(row):
            raise _failed(
                path,
                f"a name has more than {MOST_PARTS} parts",
                "Check that this is the right file.",
                number,
            )


def _failed(path: Path, text: str, remedy: str, line: int | None = None) -> ConfigurationError:
    return ConfigurationError([FileProblem(path, line, "", text, remedy)])
