"""Parser of expressions: a tokenizer, and one method for each level of precedence.

    sum      = product { ("+" | "-") product }
    product  = signed { ("*" | "/") signed }
    signed   = "-" signed | value
    value    = number | quantity | id | function "(" sum { "," sum } ")" | "(" sum ")"
    quantity = text in quotes, such as '2 l/h'

Ids contain hyphens, so a minus sign is an operator only if it stands alone: `a - b` is a difference, and
`a-b` is an id. Every problem is an `InputError` that names the column; no text causes another exception.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from sensors.units import DIMENSIONS, InputError, close, finite, parse, shown, si_of, unit_of_text

from .expression import FUNCTIONS, Call, Expression, Negation, Number, Operation, Part, Quantity, SensorValue

MOST_NESTED: Final = 20
"""Maximum number of parentheses, functions and signs around a value."""
_SPACES: Final = 'Write a space on both sides of "-"'
_BLANK: Final = re.compile(r"\s*")
_NUMBER: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![^\s'\"()+*/,])")
_WORD: Final = re.compile(r"[^\s'\"()+*/,]+")
_ID: Final = re.compile(r"[a-z0-9-]{1,32}")
_PATH: Final = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_NUMBER_WITH_UNIT: Final = re.compile(r"([0-9.]+)([^0-9.]+)")
_SIGNS: Final = {
    "×": "*",  # noqa: RUF001
    "·": "*",
    "÷": "/",
    ":": "/",
    "−": "-",  # noqa: RUF001
    "–": "-",  # noqa: RUF001
    "[": "(",
    "]": ")",
    "{": "(",
    "}": ")",
    ";": ",",
}
"""Characters that users often write for an operator or a parenthesis, each with the valid character."""

_OTHER_NAMES: Final = {"avg": "mean", "average": "mean", "total": "sum"}
"""Names of functions in other programs, each with Logboat's name for the same function."""


class _Is(Enum):
    """Type of a token."""

    NUMBER = auto()
    QUANTITY = auto()
    WORD = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class _Token:
    type: _Is
    text: str
    column: int
    """Column of the first character; the first column of a text is 1."""

    @property
    def place(self) -> str:
        return f"{shown(self.text)} in column {self.column}"


def parse_expression(text: str) -> Expression:
    """Return the expression that a text contains; raise `InputError` if it contains none."""
    return Expression(_Parser(_tokens(text)).whole())


def _tokens(text: str) -> list[_Token]:
    found, position = list[_Token](), 0
    while True:
        blank = _BLANK.match(text, position)
        assert blank is not None
        position = blank.end()
        column = position + 1
        if position == len(text):
            return [*found, _Token(_Is.END, "", column)]
        character = text[position]
        if character in "'\"":
            end = text.find(character, position + 1)
            if end < 0:
                raise InputError(
                    f"the quotation mark in column {column} is not closed", f"Add {character} after the unit."
                )
            found.append(_Token(_Is.QUANTITY, text[position + 1 : end], column))
            position = end + 1
        elif character in "()+*/,":
            found.append(_Token(_Is.SYMBOL, character, column))
            position += 1
        else:
            number, word = _NUMBER.match(text, position), _WORD.match(text, position)
            assert word is not None
            what = _Is.NUMBER if number is not None else _Is.SYMBOL if word[0] == "-" else _Is.WORD
            match = number or word
            found.append(_Token(what, match[0], column))
            position = match.end()


class _Parser:
    """Reader of a list of tokens from left to right."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._nested = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _is_next(self, symbols: str) -> bool:
        return self._next.type is _Is.SYMBOL and self._next.text in symbols

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def whole(self) -> Part:
        if self._next.type is _Is.END:
            raise InputError("the expression is empty", 'Write, for example, "flow-in - flow-out".')
        part = self._sum()
        rest = self._take()
        if rest.type is _Is.END:
            return part
        if rest.text == ")":
            raise InputError(f"{rest.place} closes no parenthesis", "Remove it, or add ( before it.")
        if rest.text == ",":
            raise InputError(
                f"{rest.place} is not between the arguments of a function",
                "Write a number with a decimal point, or use a function such as min(a, b).",
            )
        self._at -= 1
        self._complain_of_neighbours()
        raise AssertionError

    def _complain_of_neighbours(self) -> None:
        """Report two values without an operator between them."""
        before, after = self._tokens[self._at - 1], self._next
        if after.text in _SIGNS:
            raise InputError(f"{after.place} is not an operator", f'Write "{_SIGNS[after.text]}".')
        remedy = "Write +, -, * or / between two values."
        if _sign_in(after.text):
            remedy = f'Write "{_SIGNS[_sign_in(after.text)]}" instead of "{_sign_in(after.text)}".'
        elif after.text.startswith("-"):
            remedy = f'{_SPACES}: "{before.text} - {after.text[1:]}".'
        elif before.text.endswith("-"):
            remedy = f'{_SPACES}: "{before.text[:-1]} - {after.text}".'
        elif before.type is _Is.NUMBER and (unit := self._unit_ahead()):
            remedy = f"Write a number with its unit in single quotes: '{before.text} {unit}'."
        raise InputError(f"an operator is missing before {after.place}", remedy)

    def _unit_ahead(self) -> str:
        """Return the unit that the next tokens form, such as `l/h`; empty if they form none."""
        ahead = [token.text for token in self._tokens[self._at : self._at + 3]]
        return next((unit for unit in ("".join(ahead), ahead[0]) if si_of(unit)), "")

    def _sum(self) -> Part:
        part = self._product()
        while self._is_next("+-"):
            token = self._take()
            part = Operation(token.text, part, self._product(), token.column)
        return part

    def _product(self) -> Part:
        part = self._signed()
        while self._is_next("*/"):
            token = self._take()
            part = Operation(token.text, part, self._signed(), token.column)
        return part

    def _signed(self) -> Part:
        if not self._is_next("-"):
            return self._value()
        token = self._take()
        self._enter(token)
        part = Negation(self._signed(), token.column)
        self._nested -= 1
        return part

    def _enter(self, token: _Token) -> None:
        self._nested += 1
        if self._nested > MOST_NESTED:
            raise InputError(
                f"{token.place} is nested too deeply: more than {MOST_NESTED} levels",
                "Split the expression across several sensors.",
            )

    def _value(self) -> Part:
        token = self._take()
        match token.type:
            case _Is.NUMBER:
                return Number(_finite(token), token.text, token.column)
            case _Is.QUANTITY:
                return _quantity(token)
            case _Is.WORD if self._is_next("("):
                return self._call(token)
            case _Is.WORD:
                return _sensor(token)
        if token.text == "(":
            self._enter(token)
            part = self._sum()
            self._close(token)
            return part
        self._at -= 1
        self._complain_of_missing_value()
        raise AssertionError

    def _complain_of_missing_value(self) -> None:
        where = "at the end" if self._next.type is _Is.END else f"before {self._next.place}"
        if self._at and self._tokens[self._at - 1].text == self._next.text == "*":
            raise InputError(f"** in column {self._next.column - 1} is not an operator", "Write a * a.")
        raise InputError(f"a value is missing {where}", "Write the id of a sensor, or a number.")

    def _close(self, opened: _Token) -> None:
        if not self._is_next(")"):
            if self._next.type is not _Is.END and not self._is_next(","):
                self._complain_of_neighbours()
            raise InputError(f"the parenthesis in column {opened.column} is not closed", "Add ).")
        self._take()
        self._nested -= 1

    def _call(self, name: _Token) -> Part:
        if name.text not in FUNCTIONS:
            near = _OTHER_NAMES.get(name.text.casefold()) or close(name.text, FUNCTIONS)
            remedy = f'Did you mean "{near}"?' if near else f"The functions are {', '.join(FUNCTIONS)}."
            if _ID.fullmatch(name.text) and not near:
                remedy = f"Write an operator before the parenthesis. {remedy}"
            raise InputError(f"{name.place} is not a function", remedy)
        opened = self._take()
        self._enter(opened)
        values = [self._sum()]
        while self._is_next(","):
            self._take()
            values.append(self._sum())
        self._close(opened)
        if name.text == "abs" and len(values) != 1:
            raise InputError(f"abs in column {name.column} has {len(values)} values", "Write one value.")
        if name.text != "abs" and len(values) < 2:
            raise InputError(
                f"{name.text} in column {name.column} has only one value",
                f"Write two or more, with commas between them: {name.text}(a, b).",
            )
        return Call(name.text, tuple(values), name.column)


def _finite(token: _Token) -> float:
    try:
        return finite(float(token.text))
    except InputError:
        raise InputError(
            f"the number in column {token.column} is too large", "Write a smaller number."
        ) from None


def _quantity(token: _Token) -> Quantity:
    """Return the quantity in quotes, whose dimension follows from its unit."""
    written = " ".join(token.text.split())
    for unit in DIMENSIONS:
        try:
            value = parse(written, unit)
        except InputError:
            continue
        is_point = unit == "K" and unit_of_text(written, unit) != "K"
        return Quantity(value, unit, is_point, written, token.column)
    if _NUMBER.fullmatch(written):
        raise InputError(f"{token.place} has no unit", f"Write {written} without quotes, or add a unit.")
    if _ID.fullmatch(written):
        raise InputError(
            f"{token.place} is not a quantity", f"Write the id of a sensor without quotes: {written}."
        )
    raise InputError(
        f"{token.place} is not a number with a known unit", "Write, for example, '2 l/h'. See the page Units."
    )


def _sensor(token: _Token) -> SensorValue:
    text = token.text
    if _ID.fullmatch(text):
        return SensorValue(text, token.column)
    if sign := _sign_in(text):
        raise InputError(f"{token.place} is not an id", f'Write "{_SIGNS[sign]}" instead of "{sign}".')
    if _PATH.fullmatch(text):
        raise InputError(f"{token.place} is a path", "Write the id of the sensor.")
    if match := _NUMBER_WITH_UNIT.fullmatch(text):
        raise InputError(
            f"{token.place} is not an id",
            f"Write a number with its unit in single quotes: '{match[1]} {match[2]}'.",
        )
    if _ID.fullmatch(text.casefold()):
        raise InputError(f"{token.place} is not an id", f"Ids are in lower case: write {text.casefold()}.")
    raise InputError(
        f"{token.place} is not an id",
        "The id of a sensor has 1 to 32 lower-case letters, digits and hyphens.",
    )


def _sign_in(text: str) -> str:
    """Return the first character of a text that is listed in `_SIGNS`; empty if there is none."""
    return next((character for character in text if character in _SIGNS), "")
