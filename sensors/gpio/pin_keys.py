"""Keys of the kinds that read a GPIO line."""

from enum import StrEnum
from typing import Any, Final

from sensors.settings import Options
from sensors.toml.declarations import key, section
from sensors.toml.schema import integer, one_of, word_for
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError

LAST_PIN: Final = 27
"""Highest BCM number of a line on the header."""


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
