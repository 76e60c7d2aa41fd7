"""Schemas for the tables in a TOML file, and the list of all problems in the file.

A schema maps each key to a `Key`. `Table.read` checks a table against a schema. Every unknown, missing or
invalid key is recorded as a `FileProblem` with its line, and reading continues. A parser accepts a value as
`tomllib` returns it and returns the typed value, or raises `InputError` with a human-readable message. Any
other exception, from a parser or from a check, is also recorded as a `FileProblem`. So no file can crash the
program that reads it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

from sensors.units import DIMENSIONS, InputError, close, finite, parse, shown

from .syntax_errors import is_odd_blank
from .toml_file import UNREADABLE, ConfigurationError, FileProblem, TomlFile, unforeseen
from .toml_lines import Place
from .value_forms import Parser, ValueForm, form_of, parses

Advice = tuple[str, str]
"""Description of a problem, and its remedy."""
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Key:
    """Rules for a key of a table."""

    parse: Parser
    default: Any = None
    """Value if the key is missing."""
    required: str = ""
    """Example of a key that must be present (`pin = 17`), shown if it is missing; empty for an optional key.
    """


Schema = Mapping[str, Key]


class Table:
    """Table in a file, with the list of problems in the whole file, which all its tables share."""

    def __init__(
        self, file: TomlFile, data: Mapping[str, Any], place: Place, label: str, problems: list[FileProblem]
    ) -> None:
        self.data = data
        self.label = label
        """Human-readable name of the table, such as `sensor "bilge-float"`."""
        self.problems = problems
        self.place = place
        self.faulty: set[str] = set()
        """Keys whose values are wrong and must not be used."""
        self._file = file

    @classmethod
    def root(cls, file: TomlFile) -> "Table":
        """Return the table for the whole file; its problems begin with the file's syntax errors."""
        return cls(file, file.data, (), "", list(file.problems))

    @property
    def whole_file(self) -> Mapping[str, Any]:
        """Data of the file that contains this table."""
        return self._file.data

    def row(self, *below: str | int) -> str:
        """Return the text of the line of this table or of an element in it; empty if it is not known."""
        number = self.line(*below)
        return "" if number is None else self._file.rows[number - 1]

    def has_header(self, header: str) -> bool:
        """Return True if a line of the file is the header, such as `[network]`, perhaps with a comment."""
        return any(row.partition("#")[0].strip() == header for row in self._file.rows)

    def mentions(self, key: str) -> bool:
        """Return True if the table has the key, even if its name is misspelt or its value is wrong."""
        return key in self.data or key in self.faulty

    def line(self, *below: str | int) -> int | None:
        """Return the line of this table or of an element in it; None if the line is not known."""
        return self._file.line((*self.place, *below))

    def complain(
        self, key: str, text: str, remedy: str = "", *, at: Place = (), line: int | None = None
    ) -> None:
        """Record a problem with a key (empty for the table); `at` is the path from the key to the mistake."""
        self.faulty.add(key)
        self.problems.append(self._problem(key, text, remedy, at=at, line=line))

    def warn(self, key: str, text: str, remedy: str, *, at: Place = ()) -> None:
        """Record a problem for which only a new file is rejected. The value remains usable.

        The arguments are those of `complain`.
        """
        self.problems.append(replace(self._problem(key, text, remedy, at=at), refuses_only_new=True))

    def _problem(
        self, key: str, text: str, remedy: str, *, at: Place, line: int | None = None
    ) -> FileProblem:
        return FileProblem(
            file=self._file.path,
            line=line or self.line(*([key] if key else []), *at),
            key=key,
            text=text,
            remedy=remedy,
            table=self.label,
        )

    def read(self, schema: Schema, *, elsewhere: Mapping[str, Advice] | None = None) -> dict[str, Any]:
        """Return the table's values by key: the parsed value, or the default if the key is missing.

        A wrong value is reported, and is None in the result.

        `elsewhere` explains keys that are unknown in this table but valid in another place.
        """
        for key in self.data:
            if key not in schema:
                self._unknown(key, schema, elsewhere or {})
        values: dict[str, Any] = {}
        for key, what in schema.items():
            if key not in self.data:
                values[key] = what.default
                if what.required:
                    values[key] = None
                    self._missing(key, what.required)
                continue
            values[key] = self.value(key, what.parse)
        return values

    def value(self, key: str, parser: Parser) -> Any:
        """Return the parsed value of one key; None if the value is wrong."""
        raw = self.data[key]
        if raw == UNREADABLE:
            self.faulty.add(key)
            return None
        try:
            return parser(raw)
        except InputError as error:
            self.complain(key, error.text, error.remedy, at=error.at)
        except Exception as error:  # noqa: BLE001  # anything that a parser raises is a problem of the file
            self.complain(key, *unforeseen(error))
        return None

    @contextmanager
    def guarded(self, key: str = "") -> Iterator[None]:
        """Record an exception raised in the block as a problem with this table, or with one of its keys.

        Statements after the exception are skipped.
        """
        try:
            yield
        except ConfigurationError as error:
            self.problems += error.problems
        except Exception as error:  # noqa: BLE001  # as above
            self.complain(key, *unforeseen(error))

    def _unknown(self, key: str, schema: Schema, elsewhere: Mapping[str, Advice]) -> None:
        if self.data[key] == UNREADABLE:
            return
        near = close(key, schema)
        if key in elsewhere:
            text, remedy = elsewhere[key]
        else:
            text = "this key is not known"
            remedy = f'Did you mean "{near}"?' if near else f"Known keys: {', '.join(schema)}."
        if near and near not in self.data:
            self.faulty.add(near)  # a misspelled key is reported once, not also as a missing key
        self.complain(key, text, remedy)

    def _missing(self, key: str, example: str) -> None:
        if key not in self.faulty:
            self.complain(key, "this key is missing", f"Add, for example: {example}")

    def tables(self, key: str, label: str = "") -> "list[Table]":
        """Return the tables under a key that contains one table or a list; empty if the key is missing."""
        raw = self.data.get(key)
        if raw is None:
            return []
        label = label or ", ".join(part for part in (self.label, key) if part)
        if isinstance(raw, dict):
            return [self._below(raw, (key,), label)]
        if isinstance(raw, list) and all(isinstance(item, dict) for item in raw):
            return [self._below(item, (key, number), label) for number, item in enumerate(raw)]
        if raw != UNREADABLE:
            self.complain(key, f"{shown(raw)} is not a table", f"Write: {key} = {{ name = value, … }}")
        self.faulty.add(key)
        return []

    def section(self, name: str) -> "Table":
        """Return the table under `[name]`, or an empty one if it is missing."""
        raw = self.data.get(name, {})
        if not isinstance(raw, dict):
            if raw != UNREADABLE:
                what = "two brackets" if isinstance(raw, list) else "no brackets"
                self.complain(name, f"this section is written with {what}", f"Write: [{name}]")
            raw = {}
        return self._below(raw, (name,), f"[{name}]")

    def sections(self, name: str) -> "list[Table]":
        """Return the tables under `[[name]]`, in the file's order."""
        raw = self.data.get(name, [])
        if isinstance(raw, list) and all(isinstance(item, dict) for item in raw):
            return [self._below(item, (name, number), f"[[{name}]]") for number, item in enumerate(raw)]
        if raw != UNREADABLE:
            self.complain(name, f"[[{name}]] is written without two brackets", f"Write: [[{name}]]")
        return []

    def _below(self, data: Mapping[str, Any], way: Place, label: str) -> "Table":
        return Table(self._file, data, (*self.place, *way), label, self.problems)


# Parsers -------------------------------------------------------------------------------------------


def text(most: int = 200, *, least: int = 0) -> Parser:
    """Return a parser for a string on one line, of `least` to `most` characters."""
    limits = f"{least} to {most} characters" if least else f"at most {most} characters"

    @parses(ValueForm("text", limits=limits))
    def parser(raw: Any) -> str:
        if not isinstance(raw, str):
            raise InputError(f"{shown(raw)} is not text", 'Put the value in double quotes: "…".')
        if len(raw) < least:
            raise InputError(f"{shown(raw)} is too short", f"Write at least {least} characters.")
        if len(raw) > most:
            raise InputError(
                f"the text is {len(raw)} characters long", f"Shorten the text to {most} characters."
            )
        odd = next((c for c in raw if is_odd_blank(c)), "")
        if odd:
            raise InputError(
                f"the text contains a space character other than the ordinary space (U+{ord(odd):04X})",
                "Delete every space in the text, and type it again.",
            )
        if not raw.isprintable():
            raise InputError(
                "the text contains line breaks or control characters", "Write the text on one line."
            )
        return raw

    return parser


@parses(ValueForm("true or false"))
def boolean(raw: Any) -> bool:
    """Parse `true` or `false`, and nothing else."""
    if not isinstance(raw, bool):
        raise InputError(f"{shown(raw)} is not true or false", "Write true or false, without quotes.")
    return raw


def integer(low: int, high: int) -> Parser:
    """Return a parser for a whole number from `low` to `high`, both included."""

    @parses(ValueForm("a whole number", limits=f"{low} to {high}"))
    def parser(raw: Any) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int):
            written = raw.strip() if isinstance(raw, str) else ""
            hint = written if written.isdecimal() else f"a number from {low} to {high},"
            raise InputError(
                f"{shown(raw)} is not a whole number", f"Write {hint} without quotes or decimal point."
            )
        _in_range(raw, low, high)
        return raw

    return parser


def _in_range(value: float, low: float, high: float) -> None:
    if value < low:
        raise InputError(f"{shown(value)} is too low", f"The value must be {low:g} or more.")
    if value > high:
        raise InputError(f"{shown(value)} is too high", f"The value must be {high:g} or less.")


def number(low: float = -math.inf, high: float = math.inf) -> Parser:
    """Return a parser for a number without a unit, from `low` to `high`, both included."""

    @parses(ValueForm("a number", limits=_range(low, high)))
    def parser(raw: Any) -> float:
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            raise InputError(f"{shown(raw)} is not a number", "Write the number without quotes or unit.")
        value = finite(raw)
        _in_range(value, low, high)
        return value

    return parser


def _range(low: float, high: float) -> str:
    if math.isinf(low):
        return "" if math.isinf(high) else f"at most {high:.10g}"
    return f"at least {low:.10g}" if math.isinf(high) else f"{low:.10g} to {high:.10g}"


@parses(ValueForm("a number", limits="more than 0"))
def positive(raw: Any) -> float:
    """Parse a number above 0 without a unit."""
    value: float = number()(raw)
    if value <= 0:
        raise InputError(f"{shown(raw)} is not above 0", "The value must be more than 0.")
    return value


def quantity(unit: str, low: str, high: str) -> Parser:
    """Return a parser for a quantity with its unit, converted to the SI unit `unit`.

    `low` and `high` are the limits of the range. They are written with their units, and both are valid.
    """
    least, most = parse(low, unit), parse(high, unit)

    @parses(ValueForm(DIMENSIONS[unit].name, unit, limits=f"{low} to {high}"))
    def parser(raw: Any) -> float:
        value = parse(raw, unit)
        if value < least:
            raise InputError(f"{shown(raw)} is too small", f"The value must be {low} or more.")
        if value > most:
            raise InputError(f"{shown(raw)} is too large", f"The value must be {high} or less.")
        return value

    return parser


def choice(*words: str) -> Parser:
    """Return a parser that accepts only the given words."""

    @parses(ValueForm("one of", words=words))
    def parser(raw: Any) -> str:
        if isinstance(raw, str) and raw in words:
            return raw
        near = close(raw, words) if isinstance(raw, str) else ""
        known = ", ".join(f'"{word}"' for word in words)
        hint = f'Did you mean "{near}"?' if near else f"Use one of {known}."
        raise InputError(f"{shown(raw)} is not an allowed value", hint)

    return parser


def one_of(enum: type[E]) -> Callable[[Any], E]:
    """Return a parser for a member of an enumeration, by its value."""
    words = choice(*enum)

    @parses(form_of(words))
    def parser(raw: Any) -> E:
        return enum(words(raw))

    return parser


def word_for(meanings: Mapping[str, Any]) -> Parser:
    """Return a parser that accepts only the keys of `meanings`, and returns the value of the key."""
    words = choice(*meanings)

    @parses(ValueForm("one of", words=tuple(meanings), values=tuple(meanings.values())))
    def parser(raw: Any) -> Any:
        return meanings[words(raw)]

    return parser


def list_of(parser: Parser, *, least: int = 0) -> Callable[[Any], tuple[Any, ...]]:
    """Return a parser for a list; `parser` parses each element."""
    limits = f"at least {least} {'entry' if least == 1 else 'entries'}" if least else ""

    @parses(ValueForm("a list", limits=limits, item=form_of(parser)))
    def parse_list(raw: Any) -> tuple[Any, ...]:
        if not isinstance(raw, list):
            raise InputError(f"{shown(raw)} is not a list", "Put the entries in square brackets: [ … ].")
        if len(raw) < least:
            entries = "1 entry" if len(raw) == 1 else f"{len(raw)} entries"
            raise InputError(f"the list has {entries}", f"Write at least {least}.")
        values = []
        for place, item in enumerate(raw):
            try:
                values.append(parser(item))
            except InputError as error:
                raise InputError(error.text, error.remedy, at=(place, *error.at)) from None
        return tuple(values)

    return parse_list


NAME_RULE: Final = "Use 1 to 32 lower-case letters, digits and hyphens."


@parses(ValueForm("an id", limits="1 to 32 lower-case letters, digits and hyphens"))
def identifier(raw: Any) -> str:
    """Parse the id of a vessel or a sensor: `[a-z0-9-]{1,32}`."""
    if isinstance(raw, str) and 1 <= len(raw) <= 32 and set(raw) <= _NAME_CHARACTERS:
        return raw
    raise InputError(f"{shown(raw)} is not a valid id", NAME_RULE)


_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def unique(tables: Iterable[tuple[Table, object]], key: str, what: str, remedy: str) -> None:
    """Report every value that an earlier table already contains. None does not count as a value."""
    first: dict[object, Table] = {}
    for table, value in tables:
        if value is None:
            continue
        earlier = first.setdefault(value, table)
        if earlier is not table:
            line = earlier.line(key)
            table.complain(key, f"{shown(value)} is already the {what}, in line {line}", remedy)
