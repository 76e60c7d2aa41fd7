"""Keys of the kinds that read a GPIO line."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sensors.settings import Options
from sensors.toml.declarations import key, section
from sensors.toml.schema import integer, one_of, word_for
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError

LAST_PIN: Final = 27
"""Highest BCM number of a line on the header."""
_PINS_OF_LINES: Final = (
    *(27, 28, 3, 5, 7, 29, 31, 26, 24, 21, 19, 23, 32, 33),
    *(8, 10, 36, 11, 12, 35, 38, 40, 15, 16, 18, 22, 37, 13),
)
HEADER_PINS: Final[Mapping[int, int]] = dict(enumerate(_PINS_OF_LINES))
"""Position on the 40-pin header by BCM number (Raspberry Pi documentation, "GPIO and the 40-pin header")."""


def on_header(line: int) -> str:
    """Return the position and the name of a GPIO line on the header: `header pin 23 = GPIO11`."""
    return f"header pin {HEADER_PINS[line]} = GPIO{line}"


class Pull(StrEnum):
    """Pull resistor of a GPIO line."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


@parses(ValueForm("a whole number", limits=f"0 to {LAST_PIN}"))
def parse_pin(raw: Any) -> int:
    """Parse a GPIO line by its BCM number."""
    try:
        number: int = integer(0, LAST_PIN)(raw)
    except InputError as error:
        raise InputError(error.text, f"Write the BCM number, from 0 to {LAST_PIN} (GPIO17 is 17).") from None
    return number


@section
class LineOptions(Options):
    """Options of a GPIO line."""

    pin: int = key(
        parse_pin, example="17", meaning="BCM number of the line, not the position of its pin on the header."
    )
    pull: Pull = key(
        one_of(Pull),
        default=Pull.UP,
        example='"none"',
        meaning="Pull resistor inside the Raspberry Pi. It gives the line a level while nothing drives it.",
    )
    active_low: bool = key(
        word_for({"low": True, "high": False}),
        name="active",
        default=True,
        example='"high"',
        meaning="Level of the line when the equipment is active. A contact to ground reads `low`.",
    )


def wiring_of_line(options: LineOptions, *, inverted: bool = False) -> str:
    """Return where a line is on the header, its pull resistor and its active level, as a phrase.

    With `inverted` the equipment is active at the other level, because its contact then opens.
    """
    level = "low" if options.active_low is not inverted else "high"
    pull = "no pull resistor" if options.pull is Pull.NONE else f"pull {options.pull}"
    return f"{on_header(options.pin)}; {pull}; active when {level}"
