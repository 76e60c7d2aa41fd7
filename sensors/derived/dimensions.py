"""Check of the units in an expression. Only values of the same dimension can be added or compared.

A dimension is a product of powers of base units: W is kg·m2/s3. So a voltage times a current is a power, and
a flow divided by a number of revolutions per second is a volume per revolution. A unit that is not in the
table is a base unit of its own.

Temperatures are points on a scale. Subtracting two temperatures results in a temperature difference, which
can be added to a temperature. Two temperatures cannot be added, and a temperature cannot be multiplied.
Directions wrap around at north, so differences and means of directions would be wrong. Expressions therefore
cannot contain directions.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sensors.signalk_paths import is_direction, is_temperature_difference
from sensors.units import InputError

from .expression import Call, Expression, Negation, Number, Operation, Part, Quantity, SensorValue, brief

Powers = tuple[tuple[str, int], ...]
"""Base units with their powers, in alphabetical order, without powers of 0."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Dimension of a value."""

    powers: Powers
    is_point: bool = False
    """True for a temperature; False for a temperature difference and for any other quantity."""
    is_direction: bool = False
    """True for a direction: an angle that starts again from 0 after a full turn."""
    fits_all: bool = False
    """True for the number 0, which can have any unit."""

    def __str__(self) -> str:
        """Return the phrase that completes the sentence `it is …`."""
        if self.powers == _POWERS["K"]:
            return "a temperature" if self.is_point else "a difference of temperatures in K"
        return f"in {unit_of(self.powers)}" if self.powers else "a plain number"


def _powers(**exponents: int) -> Powers:
    return tuple(sorted((base, exponent) for base, exponent in exponents.items() if exponent))


_POWERS: Final[Mapping[str, Powers]] = {
    "": (),
    "ratio": (),
    "s": _powers(s=1),
    "Hz": _powers(s=-1),
    "V": _powers(kg=1, m=2, s=-3, A=-1),
    "A": _powers(A=1),
    "ohm": _powers(kg=1, m=2, s=-3, A=-2),
    "W": _powers(kg=1, m=2, s=-3),
    "J": _powers(kg=1, m=2, s=-2),
    "C": _powers(A=1, s=1),
    "K": _powers(K=1),
    "Pa": _powers(kg=1, m=-1, s=-2),
    "m": _powers(m=1),
    "m3": _powers(m=3),
    "m/s": _powers(m=1, s=-1),
    "m3/s": _powers(m=3, s=-1),
    "rad": _powers(rad=1),
    "rad/s": _powers(rad=1, s=-1),
    "kg": _powers(kg=1),
    "kg/s": _powers(kg=1, s=-1),
    "kg/m3": _powers(kg=1, m=-3),
    "Lux": _powers(Lux=1),
    "B": _powers(B=1),
    "B/s": _powers(B=1, s=-1),
}
_PLAIN: Final = Measure(())
_LITERAL_ZERO: Final = Measure((), fits_all=True)


def measure(unit: str, path: str) -> Measure:
    """Return the dimension of the values of a sensor with this SI unit and path."""
    return Measure(
        _POWERS.get(unit, ((unit, 1),)),
        is_point=unit == "K" and not is_temperature_difference(path),
        is_direction=unit == "rad" and is_direction(path),
    )


def unit_of(powers: Powers) -> str:
    """Return the SI unit with the given powers of base units, such as `W`.

    If there is no such unit, return the base units, such as `m6/s2`.
    """
    for unit, known in _POWERS.items():
        if known == powers:
            return unit
    above = [(base, exponent) for base, exponent in powers if exponent > 0]
    below = [(base, -exponent) for base, exponent in powers if exponent < 0]
    return "/".join([_product(above) or "1", *([_product(below)] if below else [])])


def _product(powers: Iterable[tuple[str, int]]) -> str:
    return "·".join(base if exponent == 1 else f"{base}{exponent}" for base, exponent in powers)


def check(expression: Expression, known: Mapping[str, Measure], *, unit: str, path: str) -> None:
    """Raise `InputError` if the value of the expression does not have the dimension of the path.

    `known` contains the dimension of each sensor in the expression.
    """
    found, wanted = _Check(known).of(expression.root), measure(unit, path)
    if found.powers != wanted.powers:
        raise InputError(
            f"the value is {found}, but {path} is {wanted}", "Correct the expression, or choose another path."
        )
    if found.is_point and not wanted.is_point:
        raise InputError(
            f"the value is a temperature, but {path} is for a difference",
            "Subtract another temperature, or choose another path.",
        )
    if wanted.is_point and not found.is_point:
        raise InputError(
            f"the value is a difference of temperatures, but {path} is for a temperature",
            'Choose a path whose last component ends in "temperatureDifference", and write unit = "K".',
        )


class _Check:
    """Determines the dimension of each part of an expression."""

    def __init__(self, known: Mapping[str, Measure]) -> None:
        self._known = known

    def of(self, part: Part) -> Measure:
        """Return the dimension of a part; raise `InputError` if the part has none."""
        match part:
            case Number():
                return _PLAIN if part.value else _LITERAL_ZERO
            case Quantity():
                return replace(measure(part.unit, ""), is_point=part.is_point, is_direction=False)
            case SensorValue():
                return self._known[part.sensor]
            case Negation():
                return self._multiple(part.operand, part.column)
            case Operation():
                return self._operation(part)
            case Call():
                return self._call(part)

    def _operation(self, part: Operation) -> Measure:
        if part.operator in "*/":
            left, right = self._multiple(part.left, part.column), self._multiple(part.right, part.column)
            if part.operator == "/" and right.fits_all:
                raise InputError(f"the divisor in column {part.column + 2} is 0", "Write another divisor.")
            sign = 1 if part.operator == "*" else -1
            exponents = Counter(dict(left.powers))
            for base, exponent in right.powers:
                exponents[base] += sign * exponent
            return Measure(_powers(**exponents))
        return self._sum(part)

    def _sum(self, part: Operation) -> Measure:
        left, right = self.of(part.left), self.of(part.right)
        common = _common(((part.left, left), (part.right, right)), part.column)
        if part.operator == "+" and left.is_point and right.is_point:
            raise InputError(
                f"two temperatures cannot be added (column {part.column})",
                "Use mean(a, b), or write a difference in K, such as '5 K'.",
            )
        if part.operator == "-" and right.is_point and not left.is_point:
            raise InputError(
                f"a temperature cannot be subtracted from a difference (column {part.column})",
                "Write the temperature first.",
            )
        return replace(common, is_point=left.is_point ^ right.is_point)

    def _multiple(self, part: Part, column: int) -> Measure:
        """Return the dimension of a part that is multiplied, divided or negated."""
        found = self.of(part)
        if found.is_point:
            raise InputError(
                f"{brief(part)} is a temperature and cannot be multiplied, divided or negated"
                f" (column {column})",
                "Subtract another temperature first, or use mean(a, b).",
            )
        if found.is_direction:
            raise _direction(part, column)
        return found

    def _call(self, part: Call) -> Measure:
        if part.function == "abs":
            only = self.of(part.arguments[0])
            return only if only.is_point else self._multiple(part.arguments[0], part.column)
        found = [self.of(argument) for argument in part.arguments]
        common = _common(zip(part.arguments, found, strict=True), part.column)
        points = [each.is_point for each in found]
        if part.function == "sum" and any(points):
            raise InputError(
                f"temperatures cannot be added (column {part.column})", "Use mean instead of sum."
            )
        if any(points) and not all(points):
            odd = part.arguments[points.index(not points[0])]
            raise InputError(
                f"{part.function} in column {part.column} has temperatures and differences:"
                f" {brief(part.arguments[0])} and {brief(odd)}",
                "Write only temperatures, such as '20 °C', or only differences, such as '20 K'.",
            )
        return replace(common, is_point=all(points))


def _common(parts: Iterable[tuple[Part, Measure]], column: int) -> Measure:
    """Return the common dimension of all parts. The number 0 matches any dimension except a temperature."""
    first: tuple[Part, Measure] | None = None
    for part, found in parts:
        if found.is_direction:
            raise _direction(part, column)
        if found.fits_all:
            continue
        if first is None:
            first = part, found
        elif found.powers != first[1].powers:
            raise InputError(
                f"{brief(first[0])} is {first[1]}, but {brief(part)} is {found} (column {column})",
                _unit_advice(first, (part, found)),
            )
    return _LITERAL_ZERO if first is None else first[1]


def _unit_advice(*sides: tuple[Part, Measure]) -> str:
    for (part, _), (_, other) in (sides, sides[::-1]):
        if isinstance(part, Number):
            return (
                f"Write the number with its unit in single quotes: '{part.written} {unit_of(other.powers)}'."
            )
    return "Add, subtract and compare only values of the same dimension."


def _direction(part: Part, column: int) -> InputError:
    return InputError(
        f"{brief(part)} is a direction, which starts again at 0 after a full turn (column {column})",
        "Directions cannot be used in expressions. Remove the direction.",
    )
