"""Human-readable descriptions of declared keys: rows of the reference, and values as written in a file."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sensors.units import DIMENSIONS, parse

from .declarations import declarations
from .value_forms import ValueForm, form_of


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """Description of one key, as printed in the reference."""

    name: str
    type_name: str
    """Name of the type, such as `duration` or `list of text`."""
    unit: str
    """SI unit of the value, or the empty string."""
    limits: str
    """Limits, such as `0 ms to 10 s`; empty if there are none."""
    words: tuple[str, ...]
    """Allowed values of a choice; empty for any other type."""
    is_required: bool
    default: str
    """Default as it would be written in a file; empty if `without` describes the behaviour."""
    without: str
    """Description of the behaviour if the key is missing; empty if the default value shows this."""
    only_for: str
    """Kind of table in which the key is allowed; empty for every kind."""
    example: str
    """Value as it would be written in a file; empty for tables."""
    meaning: str
    section: type | None
    """Class of the tables that are the value of this key; None for a single value."""
    is_list: bool


def describe(cls: type) -> Iterator[KeyDescription]:
    """Yield a description of each key of a section, in order."""
    for name, (_field, declaration, default) in declarations(cls).items():
        form = form_of(declaration.parse)
        value = form.item or form
        yield KeyDescription(
            name=name,
            type_name=form.noun if form.item is None else f"list: {value.noun}",
            unit=value.unit,
            limits=", ".join(part.limits for part in dict.fromkeys((form, value)) if part.limits),
            words=value.words,
            is_required=default is dataclasses.MISSING,
            default="" if declaration.section else as_written(default, form),
            without=declaration.without,
            only_for=declaration.only_for,
            example=declaration.example,
            meaning=declaration.meaning,
            section=declaration.section,
            is_list=declaration.is_list,
        )


def as_written(value: Any, form: ValueForm) -> str:
    """Return a value as it would be written in a file; empty for None and for a missing default."""
    if value is None or value is dataclasses.MISSING:
        return ""
    if form.values:
        value = form.words[form.values.index(value)]
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is tuple:
        item = form.item or ValueForm("a value")
        return f"[{', '.join(as_written(each, item) for each in value)}]"
    if isinstance(value, int | float):
        return f'"{_quantity(value, form.unit)}"' if form.unit in DIMENSIONS else f"{value:.10g}"
    return f'"{value}"'


def _quantity(value: float, unit: str) -> str:
    """Return a quantity in the unit in which its number is shortest, such as `50 ms` or `5 min`."""
    written = [
        f"{(value - each.offset) / each.factor:.10g} {name}" for name, each in DIMENSIONS[unit].units.items()
    ]
    exact = [each for each in written if parse(each, unit) == value]

    def length(text: str) -> tuple[int, bool]:
        number, _, name = text.partition(" ")
        return len(number), name != unit

    return min(exact or [f"{value:.10g} {unit}"], key=length)
