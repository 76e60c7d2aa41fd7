"""Generates docs/units.md, the list of the units that can be used in configuration files.

Run `python -m tests.docs.units` to update the page.
"""

from collections.abc import Iterable
from typing import Final

from sensors.units import DIMENSIONS, Dimension

from .pages import DOCS

PAGE: Final = DOCS / "units.md"
NOTE: Final = (
    "<!-- Made from the table of units by `python -m tests.docs.units`; edit `sensors/units.py`. -->"
)
_WORDS: Final = """\
In configuration files and commands, write a quantity as a number and a unit in quotes, such as `"95 °C"`.
Units are case-sensitive. The space between number and unit is optional. A duration can have several parts:
`"3 min 20 s"`.

You can also write `Ω` for `ohm`, `µ` for the prefix `u` (micro), and `m³` for `m3`. Write `US gal` or
`imp gal`, because an imperial gallon is 20 % larger than a US gallon.

Values are recorded in SI units. On screens, Logboat shows °C, bar, rpm, %, litres and knots. To see a value
in another unit, write the key `display` in its `[[sensor]]`, such as `display = "psi"` or
`display = "US gal"`. `logboat sensors`, `top`, `log` and `alarms` then show this unit, also on the other
vessels of the fleet. The key has no effect on CSV, JSON and MQTT."""


def page() -> str:
    """Return the text of docs/units.md."""
    head = ["| quantity | recorded in | usual units | all units |", "| --- | --- | --- | --- |"]
    rows = [_row(si, dimension) for si, dimension in DIMENSIONS.items()]
    return "\n\n".join(["# Units", NOTE, _WORDS, "\n".join([*head, *rows])]) + "\n"


def _row(si: str, dimension: Dimension) -> str:
    quantity = dimension.name.partition(" ")[2]
    return f"| {quantity} | {si} | {_list(dimension.usual)} | {_list(dimension.units)} |"


def _list(units: Iterable[str]) -> str:
    return ", ".join(f"`{unit}`" for unit in units)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
