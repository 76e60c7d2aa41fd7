"""Checks of values in the sensor's unit: limits, deadbands and offsets."""

from typing import Any

from sensors.kind import SensorDraft
from sensors.plausibility import impossible_value, missing_unit
from sensors.toml.schema import Table
from sensors.units import InputError, parse_value, shown


def check_value(table: Table, key: str, draft: SensorDraft, *, difference: bool = False) -> None:
    """Report an impossible value of a key in the sensor's unit, or a number whose unit is missing."""
    path = draft.valid_value("path")
    if key not in table.data or key in table.faulty or draft.unit is None or path is None:
        return
    written, unit = table.data[key], draft.unit
    problem = missing_unit(written, unit, path=path, difference=difference)
    if problem is None and not difference:
        problem = impossible_value(written, unit, path=path)
    if problem is not None:
        table.warn(key, problem.text, problem.remedy)


def parse_difference(unit: str) -> Any:
    """Return a parser for a difference between two values in `unit`; a negative difference is an error."""

    def parser(raw: Any) -> float:
        difference = parse_value(raw, unit, difference=True)
        if difference < 0:
            raise InputError(f"{shown(raw)} is below 0", "Write a number that is 0 or more.")
        return difference

    return parser
