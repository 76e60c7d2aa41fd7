"""A TOML file with line numbers, and a single report of everything that is wrong with it.

This module reads a file that a person wrote on any machine (CRLF, byte-order mark). It defines what a problem
is, and describes TOML's syntax errors in words that a fitter understands. The keys that belong in the file
are not defined here, but by a schema (see `schema`).

The result is always a `TomlFile` or a `ConfigurationError`, even if a library raises another exception.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final

from sensors.plaintext import clean
from sensors.units import DIMENSIONS

from .toml_lines import Place, locate

MOST_BYTES: Final = 256_000
"""Largest size of a configuration file in bytes.

The file is written by hand, and 500 sensors need less. A file of this size takes at most 100 MB of memory
while it is read, whatever its content.
"""
MOST_PARTS: Final = 8
"""Largest number of names in a dotted key or a header.

No key needs more than four, and for each name the parser keeps all the names before it.
"""
UNREADABLE: Final = "\x00"
"""Placeholder in the data for a value that is not valid TOML, and whose problem has already been reported.

TOML allows this character only as an escape sequence.
"""
_MOST_REPAIRS: Final = 50
"""Maximum number of syntax errors to report in one file, because finding each requires another parse."""
_MOST_PARSED: Final = 1_000_000
"""Maximum number of bytes to parse for one file, over all attempts: some seconds on a small board."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Mistake in a file; `str` returns one line that says what is wrong, where, and what to do."""

    file: Path
    line: int | None
    key: str
    """Key with the mistake; empty if the mistake concerns the whole table or file."""
    text: str
    """Description of the mistake, without a full stop."""
    remedy: str = ""
    """Instruction that corrects the mistake, in whole sentences."""
    table: str = ""
    """Table that the key belongs to, as shown to people: `sensor "bilge-float"`."""
    column: int | None = None
    """Column of the mistake; set only for syntax errors."""
    refuses_only_new: bool = False
    """True if a file with this mistake is refused only when it is new; for a file in use it is a warning.
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
    """Return True if a file contains nothing but blanks, line ends and NUL bytes."""
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
    """Raise all problems as one `ConfigurationError`, in order of line, if any of them refuses every file.

    Otherwise return the problems that refuse only new files, in order of line.
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
    """Parse the content of a file; `path` is used only in messages.

    A line that is not TOML is reported in `problems`, and the rest of the file is parsed without it, so that
    one mistake does not hide the others. Raises `ConfigurationError` where that is not possible.
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
        raise _failed(
            path, "the file is not UTF-8 text", "Save the file with the encoding UTF-8.", line
        ) from None
    rows = text.replace("\r\n", "\n").split("\n")
    problems: list[FileProblem] = []
    most_repairs = min(_MOST_REPAIRS, _MOST_PARSED // max(len(content), 1))
    while True:
        text = "\n".join(rows)
        _check_parts(path, text)
        try:
            return TomlFile(path, tomllib.loads(text), locate(text), content, tuple(problems))
        except tomllib.TOMLDecodeError as error:
            problem, count = _syntax_problem(path, rows, str(error)), len(problems)
            if count < most_repairs and problem.line not in [other.line for other in problems]:
                problems.append(problem)
                if _repair(rows, problem):
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
    """Reject a key with too many parts: the memory for parsing grows with the square of their number."""
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


# TOML's syntax errors, for people who do not know TOML ----------------------------------------------

_POSITION: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_CURLY: Final = re.compile(
    "[\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
    "\N{DOUBLE LOW-9 QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}"
    "\N{RIGHT SINGLE QUOTATION MARK}]"
)
_TWICE: Final = "this is defined twice"
_WORDS: Final = (
    ("after a key in a key/value pair", 'there is no "=" after the name', "Write: name = value."),
    (
        "Invalid value",
        "this value is not understood",
        "Put text in double quotes; write true and false in lower case.",
    ),
    (
        "after a statement",
        "there is text after the value",
        "Start a new line, or put # before a comment.",
    ),
    (
        "Invalid statement",
        "this line is not understood",
        "Write name = value, a [section], or a comment after #.",
    ),
    (
        "Invalid initial character for a key",
        "a name is missing or not understood",
        "Use letters, digits, - and _ for names.",
    ),
    ("Cannot declare", "this section is defined twice", "Merge the two sections."),
    ("Cannot overwrite", _TWICE, "Keep one of them."),
    ("Duplicate inline table key", _TWICE, "Keep one of them."),
    (
        "Cannot mutate",
        ("this cannot be added to a table that is already complete above"),
        "Write the whole table in one place.",
    ),
    ("Cannot redefine", "this section is defined twice", "Merge the two sections."),
    ("']]' at the end", 'the header does not end with "]]"', "Write, for example: [[sensor]]."),
    ("']' at the end", 'the header does not end with "]"', "Write, for example: [vessel]."),
    ("Unclosed array", 'a "[" above is not closed', 'Add the "]".'),
    (
        "Unclosed inline table",
        'a "{" is not closed',
        'Add the "}"; all of { … } must be on one line.',
    ),
    (
        "Unescaped '\\'",
        "a backslash in double quotes starts an escape",
        "Use / in file names, or use single quotes.",
    ),
    (
        "Invalid hex value",
        "a backslash in double quotes starts an escape",
        "Use / in file names, or use single quotes.",
    ),
    ("Unterminated string", "a quoted text is never closed", "Add the closing quote."),
    ("Illegal character '\\n'", "a quoted text is not closed on its line", "Add the closing quote."),
    ("Invalid date", "this is not a date", "Write a date as 2026-05-31, or put text in double quotes."),
    ("character", "there is a character that is not allowed here", "Delete the line and type it again."),
)
"""Part of a `tomllib` message, its meaning, and a remedy; the first matching entry applies."""
_NAME: Final = re.compile(r"""\s*([A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')\s*[= \t]""")
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.-]+)[\s\]]*(?:#.*)?")
_NUMBER_BEFORE: Final = re.compile(r"=\s*(-?[0-9.]+)\s*$")
_UNIT_AFTER: Final = re.compile(r"[A-Za-z%°µ][^\s,#}\]]*")
_KNOWN_UNITS: Final = frozenset(unit for dimension in DIMENSIONS.values() for unit in dimension.units)
_COMMA_AFTER: Final = re.compile(r",[0-9]+\s*(?:#.*)?$")


def _syntax_problem(path: Path, rows: Sequence[str], message: str) -> FileProblem:
    match = _POSITION.fullmatch(message)
    reason = match[1] if match else message
    last = max((number for number, row in enumerate(rows, start=1) if row), default=1)
    line = int(match[2]) if match and match[2] else last
    column = int(match[3]) if match and match[3] else None
    row = rows[line - 1]
    what, remedy = next(
        ((what, remedy) for part, what, remedy in _WORDS if part in reason),
        (f"this is not TOML: {reason}", ""),
    )
    before, after = (row[: column - 1], row[column - 1 :]) if column else (row, "")
    number, unit = _NUMBER_BEFORE.search(before), _UNIT_AFTER.match(after)
    if _CURLY.search(row):
        what, remedy = "typographic quotes are not allowed", 'Use straight quotes: "…".'
    elif number and unit:
        what, remedy = "a value with a unit needs quotes", 'Write, for example: "50 ms".'
        if unit[0] in _KNOWN_UNITS:  # anything else may be a password that begins with digits
            remedy = f'Write "{number[1]} {unit[0]}".'
    elif number and _COMMA_AFTER.match(after):
        what, remedy = "this number has a decimal comma", "Write the number with a decimal point."
    name = _NAME.match(row)
    return FileProblem(path, line, name[1] if name else "", what, remedy, column=column)


def _repair(rows: list[str], problem: FileProblem) -> bool:
    """Make an invalid line harmless without changing the meaning of other lines; return True on success."""
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
