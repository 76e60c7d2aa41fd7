"""A TOML file with line numbers, and everything that is wrong with it at once.

Owns reading a file that a person wrote on whatever machine (CRLF, byte-order mark), what a problem with it
is, and TOML's syntax errors in a fitter's words. Does not know what should stand in it: that is `schema`.

Promises that any content whatsoever leads to a `TomlFile` or to a `ConfigurationError`, whichever exception a
library raises on the way.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final

from .plaintext import clean
from .quantities import DIMENSIONS
from .tomllines import Place, locate

MOST_BYTES: Final = 256_000
"""A configuration is written by hand, and 500 sensors take less; anything longer is some other file. One
of this size takes 100 MB at most while it is read, whatever stands in it."""
MOST_PARTS: Final = 8
"""Names in a dotted key or a header. No key needs more than four, and the parser keeps for each
all those before it."""
UNREADABLE: Final = "\x00"
"""Stands in the data for a value that is not TOML; its problem has been told already. TOML allows no such
character, but as an escape sequence."""
_MOST_REPAIRS: Final = 50
"""More syntax errors than this are not a configuration's; and each costs a parse."""
_MOST_PARSED: Final = 1_000_000
"""Bytes, of all parses of a file together: some seconds on a small board."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file; `str` is one line: where, what, and what to do."""

    file: Path
    line: int | None
    key: str
    """'' when it concerns the whole table or file."""
    text: str
    """What is wrong, without a full stop."""
    remedy: str = ""
    """What to do, in whole sentences."""
    table: str = ""
    """Whose key it is, for people: `sensor "bilge-float"`."""
    column: int | None = None
    """For syntax errors."""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file.name, self.line, self.column) if part is not None)
        subject = ", ".join(part for part in (self.table, self.key) if part)
        said = ": ".join(part for part in (place, subject, self.text) if part)
        line = f"{said}. {self.remedy}" if self.remedy else said
        return clean(line)


class ConfigurationError(Exception):
    """A file is wrong. Carries all its problems, in the file's order; `str` has one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A file's content, parsed."""

    path: Path
    data: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[Place, int] = field(default_factory=dict)
    content: bytes | None = None
    """What was read; None if there is no such file."""
    problems: tuple[Problem, ...] = ()
    """Syntax errors that did not keep the rest from being read: see `UNREADABLE`."""

    def line(self, place: Place) -> int | None:
        """The line of a table, key or element; of what holds it if it is not there itself."""
        for length in range(len(place), 0, -1):
            found = self.lines.get(place[:length])
            if found is not None:
                return found
        return None


EMPTIED: Final = (
    "the file is empty, as a power cut leaves one that was being written",
    "Write it again. If all of it is to be usual, write a remark: # empty on purpose",
)
"""What is wrong with a file that had content before, and what to do."""


def is_empty(content: bytes) -> bool:
    """Return whether a file holds nothing but blanks, line ends and NUL bytes."""
    return not content.strip(b" \t\r\n\0")


def unforeseen(error: Exception) -> tuple[str, str]:
    """Return what to say of an exception that no check foresaw: what is wrong, and what to do.

    The text names the exception and where it was raised, so that the report of it can be acted upon.
    """
    frames = extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    words = str(error).partition("\n")[0][:_LONGEST_REASON]
    reason = f"{type(error).__name__}{where}" + (f": {words}" if words else "")
    return f"this cannot be used ({reason})", "Change it or take it out, and please report this."


_LONGEST_REASON: Final = 200


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raise them all as one `ConfigurationError`, in the order of the file's lines."""
    found = sorted(problems, key=lambda problem: (str(problem.file), problem.line or 0))
    if found:
        raise ConfigurationError(found)


def read(path: Path, *, missing_ok: bool = False) -> TomlFile:
    """Read and parse a file; with `missing_ok` one that is not there is empty.

    Raises `ConfigurationError`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        if missing_ok:
            return TomlFile(path)
        raise _failed(path, f"there is no file {path}", "Check the name, or create it.") from None
    except OSError as error:
        raise _failed(path, f"cannot be read: {error.strerror or error}", "Check the card.") from error
    except Exception as error:
        raise _failed(path, *unforeseen(error)) from error
    return parse(path, content)


def parse(path: Path, content: bytes) -> TomlFile:
    """Parse a file's bytes; `path` is only for messages.

    A line that is not TOML is told in `problems`, and the rest is read without it, so that one slip does not
    hide the others. Raises `ConfigurationError` where that is not possible.
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
            path, f"is far too long for a configuration: more than {most}", "Is this the right file?"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _failed(path, "this is not UTF-8 text", 'Save the file with encoding "UTF-8".', line) from None
    rows = text.replace("\r\n", "\n").split("\n")
    problems: list[Problem] = []
    most_repairs = min(_MOST_REPAIRS, _MOST_PARSED // max(len(content), 1))
    while True:
        text = "\n".join(rows)
        _check_parts(path, text)
        try:
            return TomlFile(path, tomllib.loads(text), locate(text), content, tuple(problems))
        except tomllib.TOMLDecodeError as error:
            problem, told = _syntax_problem(path, rows, str(error)), len(problems)
            if told < most_repairs and problem.line not in [other.line for other in problems]:
                problems.append(problem)
                if _repair(rows, problem):
                    continue
            raise ConfigurationError(problems) from None
        except RecursionError:
            raise _failed(path, "brackets are nested too deeply", "Close the brackets you opened.") from None
        except ValueError as error:  # an integer with thousands of digits, for one
            reason = str(error).partition(":")[0]
            raise _failed(path, f"a value cannot be read ({reason})", "Is this the right file?") from None


_PART: Final = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_MANY_PARTS: Final = re.compile(rf"(?:^|[\[{{,])[ \t]*(?:{_PART}[ \t]*\.[ \t]*){{{MOST_PARTS}}}")


def _check_parts(path: Path, text: str) -> None:
    """Refuse a key of so many parts that parsing it takes memory by the square of them."""
    for number, row in enumerate(text.split("\n"), start=1):
        if row.count(".") >= MOST_PARTS and _MANY_PARTS.search(row):
            raise _failed(
                path,
                f"a name has more than {MOST_PARTS} parts with points between",
                "Is this the right file?",
                number,
            )


def _failed(path: Path, text: str, remedy: str, line: int | None = None) -> ConfigurationError:
    return ConfigurationError([Problem(path, line, "", text, remedy)])


# TOML's syntax errors, for people who do not know TOML ----------------------------------------------

_POSITION: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_CURLY: Final = re.compile(
    "[\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
    "\N{DOUBLE LOW-9 QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}"
    "\N{RIGHT SINGLE QUOTATION MARK}]"
)
_TWICE: Final = "this is there twice"
_WORDS: Final = (
    ("after a key in a key/value pair", 'there is no "=" after the name', "Write: name = value."),
    (
        "Invalid value",
        "this value is not understood",
        "Put text in double quotes; write true or false in small letters.",
    ),
    (
        "after a statement",
        "there is more on the line than one value",
        "Begin a new line, or put # before a remark.",
    ),
    (
        "Invalid statement",
        "this line is not understood",
        "Write: name = value, or a [section], or # and a remark.",
    ),
    (
        "Invalid initial character for a key",
        "a name is missing or not understood",
        "Use letters, digits, - and _ in names.",
    ),
    ("Cannot declare", "this section is there twice", "Put both into one."),
    ("Cannot overwrite", _TWICE, "Keep one of the two."),
    ("Duplicate inline table key", _TWICE, "Keep one of the two."),
    ("Cannot mutate", "this cannot be added to what is already closed above", "Put it all in one place."),
    ("Cannot redefine", "this section is there twice", "Put both into one."),
    ("']]' at the end", 'the header does not end with "]]"', "Write, for example: [[sensor]]."),
    ("']' at the end", 'the header does not end with "]"', "Write, for example: [vessel]."),
    ("Unclosed array", 'a "[" is not closed before this', 'Add the "]".'),
    (
        "Unclosed inline table",
        'a "{" is not closed before this',
        'Add the "}"; all of { … } stands on one line.',
    ),
    (
        "Unescaped '\\'",
        "a backslash in double quotes has a meaning of its own",
        "Use / in file names, or single quotes.",
    ),
    (
        "Invalid hex value",
        "a backslash in double quotes has a meaning of its own",
        "Use / in file names, or single quotes.",
    ),
    ("Unterminated string", "a text in quotes is never closed", "Add the closing quote."),
    ("Illegal character '\\n'", "a text in quotes is not closed on its line", "Add the closing quote."),
    ("Invalid date", "this is not a date", "Write it as 2026-05-31, or put text in double quotes."),
    ("character", "there is a character that may not be here", "Delete it and type the line anew."),
)
"""A part of `tomllib`'s message; what that means; what to do. The first that fits."""
_NAME: Final = re.compile(r"""\s*([A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')\s*[= \t]""")
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.-]+)[\s\]]*(?:#.*)?")
_NUMBER_BEFORE: Final = re.compile(r"=\s*(-?[0-9.]+)\s*$")
_UNIT_AFTER: Final = re.compile(r"[A-Za-z%°µ][^\s,#}\]]*")
_KNOWN_UNITS: Final = frozenset(unit for dimension in DIMENSIONS.values() for unit in dimension.units)
_COMMA_AFTER: Final = re.compile(r",[0-9]+\s*(?:#.*)?$")


def _syntax_problem(path: Path, rows: Sequence[str], message: str) -> Problem:
    match = _POSITION.fullmatch(message)
    said = match[1] if match else message
    last = max((number for number, row in enumerate(rows, start=1) if row), default=1)
    line = int(match[2]) if match and match[2] else last
    column = int(match[3]) if match and match[3] else None
    row = rows[line - 1]
    what, remedy = next(
        ((what, remedy) for part, what, remedy in _WORDS if part in said), (f"this is not TOML: {said}", "")
    )
    before, after = (row[: column - 1], row[column - 1 :]) if column else (row, "")
    number, unit = _NUMBER_BEFORE.search(before), _UNIT_AFTER.match(after)
    if _CURLY.search(row):
        what, remedy = "these are typographic quotes", 'Use straight quotes: "…".'
    elif number and unit:
        what, remedy = "a value with a unit needs quotes", 'Write, for example: "50 ms".'
        if unit[0] in _KNOWN_UNITS:  # what is none may be a password that begins with digits
            remedy = f'Write "{number[1]} {unit[0]}".'
    elif number and _COMMA_AFTER.match(after):
        what, remedy = "this number has a comma", "Write it with a point."
    name = _NAME.match(row)
    return Problem(path, line, name[1] if name else "", what, remedy, column=column)


def _repair(rows: list[str], problem: Problem) -> bool:
    """Make a line that is wrong harmless without changing what the others mean; whether that was possible."""
    assert problem.line is not None
    row = rows[problem.line - 1]
    header, name = _HEADER.fullmatch(row), _NAME.match(row)
    if header:
        repaired = header[1] + header[2] + "]" * len(header[1])
    elif name and _TWICE not in problem.text:
        repaired = f'{name[1]} = "\\u{ord(UNREADABLE):04x}"'
    else:
        repaired = "" if name else row
    rows[problem.line - 1] = repaired
    return repaired != row
