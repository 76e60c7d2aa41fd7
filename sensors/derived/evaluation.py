"""Computation of the value of an expression: a finite number, or the reason why there is none."""

import math
from collections.abc import Mapping, Sequence

from .expression import Call, Expression, Negation, Number, Operation, Part, Quantity, SensorValue, brief


class NoResultError(Exception):
    """An expression that has no value for the given inputs. The message names the part that has no value."""


def evaluate(expression: Expression, values: Mapping[str, float]) -> float:
    """Return the value in SI units, or raise `NoResultError`.

    `values` contains the value of each sensor in the expression, in its SI unit.
    """
    return _value(expression.root, values)


def _value(part: Part, values: Mapping[str, float]) -> float:
    match part:
        case Number() | Quantity():
            return part.value
        case SensorValue():
            return _finite(values[part.sensor], part)
        case Negation():
            return -_value(part.operand, values)
        case Operation():
            return _operation(part, _value(part.left, values), _value(part.right, values))
        case Call():
            return _finite(_call(part.function, [_value(each, values) for each in part.arguments]), part)


def _operation(part: Operation, left: float, right: float) -> float:
    match part.operator:
        case "+":
            return _finite(left + right, part)
        case "-":
            return _finite(left - right, part)
        case "*":
            return _finite(left * right, part)
    if right == 0:
        raise NoResultError(f"division by zero: {brief(part.right)} is 0")
    return _finite(left / right, part)


def _call(function: str, values: Sequence[float]) -> float:
    match function:
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "abs":
            return abs(values[0])
        case "sum":
            return sum(values)
    return sum(values) / len(values)


def _finite(value: float, part: Part) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise NoResultError(f"{brief(part)} is not a finite number")
    return number
