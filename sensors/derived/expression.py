"""The parts of an expression as a tree, and the text of each part.

For messages, each part records the number of its column in the file. Two parts are equal if they have the
same meaning, even in different columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

FUNCTIONS: Final = ("min", "max", "abs", "sum", "mean")
"""Names of the functions. `abs` has one argument, and each other function has two or more."""
_MOST_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class Number:
    """Plain number without a unit."""

    value: float
    written: str = field(compare=False)
    column: int = field(compare=False, default=1)


@dataclass(frozen=True, slots=True)
class Quantity:
    """Quantity with a unit, such as `'2 l/h'`."""

    value: float
    """Value in the SI unit."""
    unit: str
    """SI unit of the value."""
    is_point: bool
    """True for a temperature such as `20 °C`; False for a difference such as `20 K`, and any other quantity.
    """
    written: str = field(compare=False)
    column: int = field(compare=False, default=1)


@dataclass(frozen=True, slots=True)
class SensorValue:
    """Most recent value of a sensor, as an operand of an expression."""

    sensor: str
    """Id of the sensor."""
    column: int = field(compare=False, default=1)


@dataclass(frozen=True, slots=True)
class Negation:
    """Value with the opposite sign."""

    operand: "Part"
    column: int = field(compare=False, default=1)


@dataclass(frozen=True, slots=True)
class Operation:
    """Sum, difference, product or quotient of two values."""

    operator: str
    """One of `+`, `-`, `*` and `/`."""
    left: "Part"
    right: "Part"
    column: int = field(compare=False, default=1)
    """Column of the operator."""


@dataclass(frozen=True, slots=True)
class Call:
    """Result of one of `FUNCTIONS`."""

    function: str
    arguments: "tuple[Part, ...]"
    column: int = field(compare=False, default=1)


Part: TypeAlias = Number | Quantity | SensorValue | Negation | Operation | Call


@dataclass(frozen=True, slots=True)
class Expression:
    """Expression that `parser.parse_expression` has read."""

    root: Part

    def __str__(self) -> str:
        """Return the expression as text, from which the parser reads an equal expression."""
        return text_of(self.root)

    @property
    def sensors(self) -> tuple[SensorValue, ...]:
        """The sensors in the expression, each at its first use, in source order."""
        first: dict[str, SensorValue] = {}
        for part in parts(self.root):
            if isinstance(part, SensorValue):
                first.setdefault(part.sensor, part)
        return tuple(first.values())


def parts(part: Part) -> Iterator[Part]:
    """Yield a part and all parts nested in it, in source order."""
    match part:
        case Negation():
            yield part
            yield from parts(part.operand)
        case Operation():
            yield from parts(part.left)
            yield part
            yield from parts(part.right)
        case Call():
            yield part
            for argument in part.arguments:
                yield from parts(argument)
        case _:
            yield part


def text_of(part: Part) -> str:
    """Return the text of a part, with a space on both sides of each operator."""
    match part:
        case Number():
            return part.written
        case Quantity():
            return f"'{part.written}'"
        case SensorValue():
            return part.sensor
        case Negation():
            return f"- {_enclosed(part.operand, 3)}"
        case Operation():
            level = _level(part)
            return f"{_enclosed(part.left, level)} {part.operator} {_enclosed(part.right, level + 1)}"
        case Call():
            return f"{part.function}({', '.join(map(text_of, part.arguments))})"


def brief(part: Part) -> str:
    """Return the text of a part for a message, shortened if it is long."""
    text = text_of(part)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


def _level(part: Part) -> int:
    """Return the precedence of a part: 1 for a sum, 2 for a product, 3 for everything else."""
    if isinstance(part, Operation):
        return 1 if part.operator in "+-" else 2
    return 3


def _enclosed(part: Part, level: int) -> str:
    """Return the text of a part, in parentheses if its precedence is lower than `level`."""
    return f"({text_of(part)})" if _level(part) < level else text_of(part)
