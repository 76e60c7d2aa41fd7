"""Explanations of TOML's syntax errors for users who do not know TOML.

`explain` converts a message of `tomllib` to a description and a remedy, for the line with the mistake.
`repair` makes that line harmless, so that the rest of the file can be examined too. A remedy never repeats
text that could be a password.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sensors.units import DIMENSIONS

UNREADABLE: Final = "\x00"
"""Placeholder in the data for a value that is not valid TOML, and whose problem has already been reported.

TOML allows this character only as an escape sequence.
"""
REPEATABLE: Final = ("sensor", "output", "service", "alarm", "user", "gateway", "wifi", "policy")
"""Names of the tables that can occur several times, in any configuration file."""


@dataclass(frozen=True, slots=True)
class SyntaxMistake:
    """A line that is not valid TOML."""

    line: int
    """Number of the line, from 1."""
    column: int | None
    name: str
    """Name of the key on the line; empty if there is none."""
    text: str
    """Description of the mistake, without a full stop."""
    remedy: str
    last_line: int
    """Number of the last line that belongs to the value on this line."""
    is_second: bool = False
    """True if the line is valid by itself, but repeats a key or a table that an earlier line has defined."""


_POSITION: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_TWICE: Final = "this is defined twice"
_SECTION_TWICE: Final = "this section is defined twice"
_UNCLOSED_TEXT: Final = "a quoted text is not closed on its line"
WORDS: Final = (
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
    ("Cannot declare", _SECTION_TWICE, "Merge the two sections."),
    ("Cannot overwrite", _TWICE, "Keep one of them."),
    ("Duplicate inline table key", _TWICE, "Keep one of them."),
    (
        "Cannot mutate",
        ("this cannot be added to a table that is already complete above"),
        "Write the whole table in one place.",
    ),
    ("Cannot redefine", _SECTION_TWICE, "Merge the two sections."),
    ("']]' at the end", 'the header does not end with "]]"', "Write, for example: [[sensor]]."),
    ("']' at the end", 'the header does not end with "]"', "Write, for example: [vessel]."),
    ("Unclosed array", 'a "[" is not closed', 'Add the "]".'),
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
    ("Unterminated string", _UNCLOSED_TEXT, "Add the closing quote."),
    ("Illegal character '\\n'", _UNCLOSED_TEXT, "Add the closing quote."),
    ("Found invalid character '\\n'", _UNCLOSED_TEXT, "Add the closing quote."),
    ('Expected "', _UNCLOSED_TEXT, "Add the closing quote."),
    ("Invalid date", "this is not a date", "Write a date as 2026-05-31, or put text in double quotes."),
    ("character", "there is a character that is not allowed here", "Delete the line and type it again."),
)
"""Part of a `tomllib` message, its meaning, and a remedy; the first matching entry applies."""

_NAME: Final = re.compile(r"""\s*([A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')\s*[= \t]""")
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.-]+)[\s\]]*(?:#.*)?")
_NUMBER_BEFORE: Final = re.compile(r"=\s*(-?[0-9.]+)\s*$")
_UNIT_AFTER: Final = re.compile(r"[A-Za-z%°µμΩ][^\s,#}\]]*")
_KNOWN_UNITS: Final = frozenset(unit for dimension in DIMENSIONS.values() for unit in dimension.units)
_COMMA_NUMBER: Final = re.compile(r"=\s*(-?[0-9]+),([0-9]+)(?=[\s,#}\]A-Za-z%°µ]|$)")
_UPPER_HEXADECIMAL: Final = re.compile(r"X([0-9A-Fa-f]+)\b")
_PIN_NAME: Final = re.compile(r"(?:GPIO|BCM)[ _]?([0-9]{1,2})\b", re.IGNORECASE)
_CAPITAL_WORD: Final = re.compile(r"(true|false)\b", re.IGNORECASE)
_BLANK_IN_NAME: Final = re.compile(r"\s*([A-Za-z0-9_-]+(?: +[A-Za-z0-9_-]+)+)\s*=")
_QUOTES: Final = "\"'"
_MOST_LINES: Final = 30
"""Maximum number of lines that are searched for the end of a table in curly brackets."""


def explain(rows: Sequence[str], message: str) -> SyntaxMistake:
    """Return the mistake that `tomllib` reports with `message` in a text that consists of these lines."""
    match = _POSITION.fullmatch(message)
    reason = match[1] if match else message
    last = max((number for number, row in enumerate(rows, start=1) if row), default=1)
    reported = int(match[2]) if match and match[2] else last
    column = int(match[3]) if match and match[3] else None
    line = _opening_line(rows, reported, column, reason)
    column = column if line == reported else None
    row = rows[line - 1]
    what, remedy = next(
        ((what, remedy) for part, what, remedy in WORDS if part in reason),
        (f"this is not TOML: {reason}", ""),
    )
    is_at_end = match is None or not match[2]
    end = reported - (not is_at_end) if line < reported and "Unclosed array" in reason else line
    before, after = (row[: column - 1], row[column - 1 :]) if column else (row, "")
    name_match = _NAME.match(row)
    name = name_match[1] if name_match else ""
    is_second = what in (_TWICE, _SECTION_TWICE)
    if is_second:
        what, remedy = _second(rows, line, name, (what, remedy))
    elif special := _in_characters(before, after) or _in_number(row, before, after, column or 0):
        what, remedy = special
    elif _is_table_open(before, after) and (end := _end_of_table(rows, line)) > line:
        what, remedy = f"{{ … }} ends only in line {end}", "Write all of { … } on one line."
    elif after.startswith("}") and before.rstrip().endswith(","):
        what, remedy = 'there is a comma before "}"', "Delete this comma."
    elif blank := _BLANK_IN_NAME.match(row):
        name = re.sub(" +", "_", blank[1])
        what, remedy = "a name contains a space", f"Write: {name} = …"
    elif "Invalid value" in reason:
        what, remedy = _value(name, after, (what, remedy))
    return SyntaxMistake(line, column, name, what, remedy, end, is_second=is_second)


def _opening_line(rows: Sequence[str], reported: int, column: int | None, reason: str) -> int:
    """Return the line with the bracket or quote that is not closed, or else the reported line.

    `tomllib` reports where it noticed the mistake, which can be at the end of the file.
    """
    upwards = range(reported, 0, -1)
    if "Unclosed array" in reason and not _has_odd_end(rows[reported - 1]):
        depth = 0
        for number in upwards:
            row = rows[number - 1]
            row = row[: column - 1] if column and number == reported else row
            depth += row.count("[") - row.count("]")
            if depth > 0:
                return number
        return reported
    for reason_part, quote in (('Expected "', "'"), ("Unterminated string", '"""')):
        if reason_part in reason:  # no such quote comes later, so the last one has opened the text
            return next((number for number in upwards if quote in rows[number - 1]), reported)
    return reported


def repair(rows: list[str], mistake: SyntaxMistake) -> bool:
    """Make an invalid line harmless without changing the meaning of other lines; return True on success."""
    row = rows[mistake.line - 1]
    ordinary = "".join(" " if is_odd_blank(character) else character for character in row)
    header, name = _HEADER.fullmatch(ordinary), mistake.name
    if header:
        repaired = header[1] + header[2] + "]" * len(header[1])
    elif name and not mistake.is_second:
        repaired = f'{name} = "\\u{ord(UNREADABLE):04x}"'
    else:
        repaired = "" if name or mistake.text.startswith(_ODD_BLANK) else row
    rows[mistake.line - 1] = repaired
    rows[mistake.line : mistake.last_line] = [""] * (mistake.last_line - mistake.line)
    return repaired != row


# Special cases -------------------------------------------------------------------------------------


def _second(rows: Sequence[str], line: int, name: str, usual: tuple[str, str]) -> tuple[str, str]:
    """Return the description and remedy for a key or table that is defined a second time."""
    row = rows[line - 1]
    header = _HEADER.fullmatch(row)
    if header:
        earlier = [number for number, other in enumerate(rows[: line - 1], 1) if _is_header(other, header[2])]
        last_name = header[2].rpartition(".")[2]
        if last_name in REPEATABLE:
            header_text = f"[[{header[2]}]]"
            usual = (usual[0], f"Write two brackets for each of them: {header_text}")
    else:
        earlier = _earlier_keys(rows, line, name)
        if name in REPEATABLE and "{" in row:
            usual = (usual[0], f"To have several, write one list: {name} = [{{ … }}, {{ … }}]")
    where = f", first in line {earlier[-1]}" if earlier else ""
    return f"{usual[0]}{where}", usual[1]


def _is_header(row: str, name: str) -> bool:
    header = _HEADER.fullmatch(row)
    return header is not None and header[2] == name


def _earlier_keys(rows: Sequence[str], line: int, name: str) -> list[int]:
    """Return the number of the earlier line of the same table that contains this key, or an empty list."""
    for number in range(line - 1, 0, -1):
        row = rows[number - 1]
        match = _NAME.match(row)
        if match and name and match[1] == name:
            return [number]
        if _HEADER.fullmatch(row):
            break
    return []


_ODD_BLANK: Final = "this line contains a space character other than the ordinary space"


def _in_characters(before: str, after: str) -> tuple[str, str] | None:
    """Return the description and remedy for a character that only looks like a quote or a space, or None."""
    here = after[:1]
    if here and is_odd_blank(here):
        return (
            f"{_ODD_BLANK} (U+{ord(here):04X})",
            "Delete every space on this line, and type it again.",
        )
    if (here and _is_odd_quote(here)) or _has_odd_end(before + after):
        return "typographic quotes are not allowed", 'Use straight quotes: "…".'
    if before.endswith(("''", '""')) and here.isalnum():
        return "two quotes stand side by side", 'Write one double quote on each side: "…".'
    return None


def is_odd_blank(character: str) -> bool:
    """Return True if a character only looks like a space (a no-break space, for example), or is invisible."""
    return character not in " \t\r\n" and unicodedata.category(character) in ("Zs", "Cf")


def _is_odd_quote(character: str) -> bool:
    return unicodedata.category(character) in ("Pi", "Pf") or character in _MORE_QUOTES


_MORE_QUOTES: Final = (
    "`"
    "\N{ACUTE ACCENT}"
    "\N{DOUBLE LOW-9 QUOTATION MARK}"
    "\N{SINGLE LOW-9 QUOTATION MARK}"
    "\N{PRIME}"
    "\N{DOUBLE PRIME}"
    "\N{FULLWIDTH QUOTATION MARK}"
    "\N{FULLWIDTH APOSTROPHE}"
    "\N{LEFT CORNER BRACKET}"
    "\N{RIGHT CORNER BRACKET}"
    "\N{LEFT WHITE CORNER BRACKET}"
    "\N{RIGHT WHITE CORNER BRACKET}"
    "\N{REVERSED DOUBLE PRIME QUOTATION MARK}"
    "\N{DOUBLE PRIME QUOTATION MARK}"
    "\N{LOW DOUBLE PRIME QUOTATION MARK}"
    "\N{HEAVY DOUBLE TURNED COMMA QUOTATION MARK ORNAMENT}"
    "\N{HEAVY DOUBLE COMMA QUOTATION MARK ORNAMENT}"
)
"""Quotes that are in none of Unicode's categories of quotes."""


def _has_odd_end(row: str) -> bool:
    """Return True if a string begins or ends with a typographic quote."""
    row = row.partition(" #")[0]
    for place, character in enumerate(row):
        if not _is_odd_quote(character):
            continue
        preceding, following = row[:place].rstrip(), row[place + 1 :].lstrip()
        begins = preceding.endswith(("=", "[", ",", "{"))
        ends = following[:1] in ("", ",", "}", "]", "#")
        is_open = any(preceding.count(quote) % 2 for quote in _QUOTES)
        if (begins and not is_open) or (ends and is_open):
            return True
    return False


def _in_number(row: str, before: str, after: str, column: int) -> tuple[str, str] | None:
    """Return the description and remedy for a number with a unit or a decimal comma, or None."""
    for match in _COMMA_NUMBER.finditer(row):
        if match.start() < column <= match.end() + 2:
            unit = _UNIT_AFTER.match(row[match.end() :].lstrip())
            if unit and unit[0] in _KNOWN_UNITS:
                remedy = f'Write "{match[1]}.{match[2]} {unit[0]}", with a decimal point and in quotes.'
            else:
                remedy = _pointed(match, row)
            return "this number has a decimal comma", remedy
    number, unit = _NUMBER_BEFORE.search(before), _UNIT_AFTER.match(after)
    if not number or not unit:
        return None
    if number[1] == "0" and (digits := _UPPER_HEXADECIMAL.match(after)):
        return "the x of a hexadecimal number must be a small letter", f"Write: 0x{digits[1]}"
    # anything but a known unit may be a password that begins with digits
    remedy = f'Write "{number[1]} {unit[0]}".' if unit[0] in _KNOWN_UNITS else 'Write, for example: "50 ms".'
    return "a value with a unit needs quotes", remedy


def _pointed(match: re.Match[str], row: str) -> str:
    """Return the remedy for a number with a decimal comma, without a unit."""
    if _SECRET.search(row) or len(match[1] + match[2]) > _MOST_SHOWN_DIGITS:
        return "Put text in double quotes, or write the number with a decimal point."
    thousands = f", or {match[1]}{match[2]} for thousands" if len(match[2]) == 3 else ""
    return f"Write {match[1]}.{match[2]} with a decimal point{thousands}."


_SECRET: Final = re.compile("password|hash|key|ssid", re.IGNORECASE)
"""Pattern of a line whose value may be a secret."""
_MOST_SHOWN_DIGITS: Final = 6
"""Maximum number of digits that a message repeats; a WPA password has at least 8 characters."""


def _is_table_open(before: str, after: str) -> bool:
    """Return True if the line ends inside curly brackets, at the place of the mistake."""
    rest = after.strip()
    is_open = before.count("{") > before.count("}")
    return is_open and (not rest or rest.startswith("#"))


def _end_of_table(rows: Sequence[str], line: int) -> int:
    """Return the line number of the closing curly bracket, or `line` if there is none."""
    depth = 0
    for number in range(line, min(line + _MOST_LINES, len(rows)) + 1):
        row = rows[number - 1]
        if number > line and _HEADER.fullmatch(row):
            break
        depth += row.count("{") - row.count("}")
        if depth <= 0:
            return number
    return line


def _value(name: str, after: str, usual: tuple[str, str]) -> tuple[str, str]:
    """Return the description and remedy for an invalid TOML value that begins with `after`."""
    if pin := _PIN_NAME.match(after):
        return "a pin is written as a number", f"Write: {name} = {int(pin[1])}"
    if word := _CAPITAL_WORD.match(after):
        return "true and false are written in lower case", f"Write: {name} = {word[1].lower()}"
    return usual
