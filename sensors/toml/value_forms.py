"""Descriptions of the values that keys accept, for the reference and for templates.

Each parser has an attribute with the form of the values that it accepts. A type, a unit or a limit is
therefore stated only once, where the parser is made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

Parser = Callable[[Any], Any]
"""Function from a value, as `tomllib` returns it, to the typed value; may raise `InputError`."""
P = TypeVar("P", bound=Parser)

_ATTRIBUTE: Final = "form"


@dataclass(frozen=True, slots=True)
class ValueForm:
    """Form of the values that a parser accepts."""

    name: str
    """Name of the type with its article, such as `a duration`; `text` has no article."""
    unit: str = ""
    """SI unit of the parsed value; empty if the value has no unit."""
    limits: str = ""
    """Limits of the value, such as `0 ms to 10 s`."""
    words: tuple[str, ...] = ()
    """Allowed values of a choice; empty for any other type."""
    values: tuple[Any, ...] = ()
    """Parsed value of each of `words`; empty if the words are the values themselves."""
    item: "ValueForm | None" = None
    """Form of each entry of a list; None for any other type."""

    @property
    def noun(self) -> str:
        """Name of the type without its article, such as `duration`."""
        return self.name.removeprefix("a ").removeprefix("an ")


_UNKNOWN: Final = ValueForm("a value")


def parses(form: ValueForm) -> Callable[[P], P]:
    """Return a decorator that attaches `form` to a parser."""

    def decorate(parser: P) -> P:
        parser.__dict__[_ATTRIBUTE] = form
        return parser

    return decorate


def form_of(parser: Parser) -> ValueForm:
    """Return the form of the values that a parser accepts."""
    form = getattr(parser, _ATTRIBUTE, _UNKNOWN)
    assert isinstance(form, ValueForm)
    return form


def parsed_later(form: ValueForm) -> Parser:
    """Return a parser that returns the value unchanged.

    Use this parser for a value whose real parser depends on other keys. The caller parses the value later.
    """

    @parses(form)
    def parser(raw: Any) -> Any:
        return raw

    return parser
