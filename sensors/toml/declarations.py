"""Declarations of keys: a section of a file is a class, and each of its fields declares one key.

    @section
    class Contact:
        pin: int = key(parse_pin, example="17", meaning="BCM number of the input pin.")
        debounce_s: float = key(
            quantity("s", "0 ms", "10 s"),
            name="debounce",
            default=0.05,
            example='"20 ms"',
            meaning="Time for which the contact must be stable before a change is accepted.",
        )

A field without a default is a key that must be present. The type, the unit and the limits come from the
parser. From such a class, `schema_of` makes the schema that checks a table, and `from_values` makes the
object. `read` does both for a section and the tables in it. `reference` describes the keys in the
documentation.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, dataclass_transform

from .schema import Advice, Key, Schema, Table, boolean, choice, integer, quantity, text
from .value_forms import Parser, ValueForm, parsed_later

S = TypeVar("S")
_MISSING: Final[Any] = dataclasses.MISSING
_DECLARATION: Final = "declaration"
"""Name of a field's metadata that contains the declaration."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """Properties of one key, except its default, which is the default of the field."""

    parse: Parser
    name: str
    """Name in the file; empty if it is the field's name."""
    meaning: str
    """Explanation of the key for users, in whole sentences."""
    example: str = ""
    """Value as it would be written in a file (`"50 ms"` with its quotes)."""
    without: str = ""
    """Description of the behaviour if the key is missing; empty if the default value shows this."""
    only_for: str = ""
    """Kind of table in which the key is allowed; empty for every kind."""
    secret: bool = False
    section: type | None = None
    """Class of the table or tables that are the value of this key; None for a single value."""
    is_list: bool = False
    """True if there can be several tables."""
    is_included: bool = False
    """True if the keys of `section` are in the same table, and their values form one object."""


def key(
    parse: Parser,
    *,
    meaning: str,
    example: str,
    default: Any = _MISSING,
    name: str = "",
    without: str = "",
    only_for: str = "",
    secret: bool = False,
) -> Any:
    """Return the field for a key. Without `default`, the key must be present.

    `name` is the name in the file, if it is not the field's name. `example` is a value as it would be written
    in a file. `without` describes the behaviour if the key is missing, unless the default shows it.
    `only_for` names the kind of table in which the key is allowed. A secret key does not appear in a `repr`
    or in a message.
    """
    declaration = Declaration(parse, name, meaning, example, without, only_for, secret)
    return dataclasses.field(default=default, repr=not secret, metadata={_DECLARATION: declaration})


def table(section: type, *, meaning: str, default: Any = _MISSING, name: str = "", without: str = "") -> Any:
    """Return the field for a key whose value is one table, with the keys of the class `section`."""
    declaration = Declaration(_TABLE, name, meaning, without=without, section=section)
    return dataclasses.field(default=default, metadata={_DECLARATION: declaration})


def tables(section: type, *, meaning: str, default: Any, name: str = "", without: str = "") -> Any:
    """Return the field for a key whose value is a list of tables, with the keys of the class `section`."""
    declaration = Declaration(_TABLES, name, meaning, without=without, section=section, is_list=True)
    return dataclasses.field(default=default, metadata={_DECLARATION: declaration})


def included(section: type, *, default: Any, only_for: str = "") -> Any:
    """Return the field for an object whose fields are keys of the same table.

    `section` is a plain dataclass, in a package that does not read files. Each of its fields has a default,
    and the metadata `meaning`, `example` and, if the default does not show the behaviour, `without`. A choice
    also has `words`. A number also has `limits` (the lowest and the highest value). A quantity has `limits`,
    which are written with their units, and `unit`.
    """
    declaration = Declaration(_TABLE, "", "", only_for=only_for, section=section, is_included=True)
    return dataclasses.field(default=default, metadata={_DECLARATION: declaration})


_TABLE: Final = parsed_later(ValueForm("a table"))
_TABLES: Final = parsed_later(ValueForm("a list of tables"))


@dataclass_transform(
    frozen_default=True,
    field_specifiers=(key, table, tables, included, dataclasses.field),
)
def section(cls: type[S]) -> type[S]:
    """Convert a class whose fields declare keys into a frozen dataclass with slots.

    Fields that are made without `key`, `table`, `tables` or `included` are not keys of the file.
    """
    made = dataclass(frozen=True, slots=True, eq=False, repr=False)(cls)
    # These methods are the same for every section. Compiling them for each class would delay each start.
    made.__eq__ = _is_equal  # type: ignore[method-assign]
    made.__hash__ = _hash  # type: ignore[assignment, method-assign]
    made.__repr__ = _repr  # type: ignore[method-assign]
    return made


def _values(instance: Any) -> tuple[Any, ...]:
    return tuple(getattr(instance, field.name) for field in dataclasses.fields(instance))


def _is_equal(instance: Any, other: object) -> bool:
    return _values(instance) == _values(other) if other.__class__ is instance.__class__ else NotImplemented


def _hash(instance: Any) -> int:
    return hash(_values(instance))


def _repr(instance: Any) -> str:
    shown = (
        f"{field.name}={getattr(instance, field.name)!r}"
        for field in dataclasses.fields(instance)
        if field.repr
    )
    return f"{instance.__class__.__qualname__}({', '.join(shown)})"


_DECLARATIONS: Final[dict[type, Mapping[str, tuple[str, Declaration, Any]]]] = {}
_SCHEMAS: Final[dict[type, Schema]] = {}


def declarations(cls: type) -> Mapping[str, tuple[str, Declaration, Any]]:
    """Return the keys of a section, in order, by their names in the file.

    Each value consists of the name of the field, the declaration and the default. The default is
    `dataclasses.MISSING` for a key that must be present.
    """
    if cls not in _DECLARATIONS:
        keys: dict[str, tuple[str, Declaration, Any]] = {}
        for field in dataclasses.fields(cls):
            declaration = field.metadata.get(_DECLARATION)
            if declaration is None:
                continue
            if declaration.is_included:
                keys |= _included_keys(declaration)
            else:
                keys[declaration.name or field.name] = (field.name, declaration, field.default)
        _DECLARATIONS[cls] = keys
    return _DECLARATIONS[cls]


def _included_keys(declaration: Declaration) -> dict[str, tuple[str, Declaration, Any]]:
    assert declaration.section is not None
    return {
        field.name: (
            field.name,
            Declaration(
                _parser_of(field),
                "",
                field.metadata["meaning"],
                field.metadata["example"],
                field.metadata.get("without", ""),
                only_for=declaration.only_for,
            ),
            field.default,
        )
        for field in dataclasses.fields(declaration.section)
    }


def _parser_of(field: "dataclasses.Field[Any]") -> Parser:
    """Return the parser for a field of a plain dataclass, from its type and its metadata."""
    if field.type is bool:
        return boolean
    if field.type is str:
        return choice(*field.metadata["words"]) if "words" in field.metadata else text(least=1)
    low, high = field.metadata["limits"]
    return integer(low, high) if field.type is int else quantity(field.metadata["unit"], low, high)


def schema_of(cls: type) -> Schema:
    """Return the schema for a section's tables."""
    if cls not in _SCHEMAS:
        _SCHEMAS[cls] = {
            name: Key(declaration.parse, required=f"{name} = {_shown_example(declaration)}")
            if default is _MISSING
            else Key(declaration.parse, default)
            for name, (_field, declaration, default) in declarations(cls).items()
        }
    return _SCHEMAS[cls]


def _shown_example(declaration: Declaration) -> str:
    return '"…"' if declaration.secret else declaration.example


def from_values(cls: type[S], values: Mapping[str, Any], **others: Any) -> S:
    """Return an instance of a section, from values by key and from the values of its other fields."""
    fields = dict(others)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]  # the decorator `section` made the class
        declaration = field.metadata.get(_DECLARATION)
        if declaration is None:
            continue
        if declaration.is_included:
            names = [each.name for each in dataclasses.fields(declaration.section)]
            fields[field.name] = declaration.section(**{name: values[name] for name in names})
        else:
            fields[field.name] = values[declaration.name or field.name]
    return cls(**fields)


Adviser = Callable[[Table, type], Mapping[str, Advice]]
"""Function that returns advice about unknown keys, given the table and the section that it contains."""
Check = Callable[[Table, Any], None]
"""Function that reports problems in a combination of keys, given the table and the section made from it."""
NO_CHECKS: Final[Mapping[type, Check]] = {}


def read(
    source: Table,
    cls: type[S],
    *,
    checks: Mapping[type, Check] = NO_CHECKS,
    elsewhere: Adviser = lambda _table, _cls: {},
) -> S:
    """Return the section that is read from a table, including the tables in it.

    Problems are reported to the table. A wrong value is None in the result. `checks` contains a function for
    each class whose keys depend on each other. `elsewhere` explains keys that are unknown in their table but
    valid in another place.
    """
    values = source.read(schema_of(cls), elsewhere=elsewhere(source, cls))
    for name, (_field, declaration, default) in declarations(cls).items():
        inner = declaration.section
        if inner is not None:
            found: tuple[Any, ...] = tuple(
                read(below, inner, checks=checks, elsewhere=elsewhere) for below in source.tables(name)
            )
            values[name] = found if declaration.is_list else _only(source, name, found, default)
    section = from_values(cls, values)
    if cls in checks:
        checks[cls](source, section)
    return section


def _only(source: Table, name: str, found: tuple[Any, ...], default: Any) -> Any:
    """Return the only section in `found`, or the default if there is none; report a second section."""
    if len(found) > 1:
        source.complain(name, "this section can appear only once", f"Write: {name} = {{ … }}")
    return found[0] if found else default
