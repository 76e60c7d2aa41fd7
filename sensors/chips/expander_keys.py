"""The pins of a GPIO expander, and the parser for the key that selects one of them."""

from typing import Any, Final

from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError, shown

_PORTS: Final = "AB"
_PINS_OF_PORT: Final = 8
OUTPUTS: Final = ("A7", "B7")
"""Pins that can only be outputs.

An input at these pins can disturb the I2C bus (Microchip data sheet DS20001952, revision D).
"""
PROOF_PIN: Final = "A7"
"""Output pin whose level shows whether the chip responds."""
INPUTS: Final = tuple(
    name for port in _PORTS for number in range(_PINS_OF_PORT) if (name := f"{port}{number}") not in OUTPUTS
)
"""Names of the pins that can be inputs."""


def line_of(pin: str) -> int:
    """Return the number of a pin's line in the kernel (`mcp23x17_pins` in `pinctrl-mcp23s08.c`)."""
    return _PORTS.index(pin[0]) * _PINS_OF_PORT + int(pin[1])


@parses(ValueForm("a pin of the chip", limits="A0 to A6, or B0 to B6"))
def parse_input(raw: Any) -> str:
    """Parse the name of an input."""
    if not isinstance(raw, str):
        raise InputError(
            f"{shown(raw)} is not a pin of the chip", 'Write its name: "A0" to "A6", or "B0" to "B6".'
        )
    name = raw.strip().upper().removeprefix("GP")
    if name in OUTPUTS:
        raise InputError(
            f"{shown(raw)} can only be an output of the chip", 'Use "A0" to "A6", or "B0" to "B6".'
        )
    if raw in INPUTS:
        return raw
    hint = f'Write: "{name}"' if name in INPUTS else 'Use "A0" to "A6", or "B0" to "B6".'
    raise InputError(f"{shown(raw)} is not a pin of the chip", hint)
