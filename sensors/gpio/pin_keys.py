"""Keys of the kinds that read a GPIO line."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sensors.header_pins import on_header
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


@dataclass(frozen=True, slots=True)
class LineUse:
    """Mode in which a kind of sensor reads its GPIO line; sensors with the same mode can share a line."""

    name: str
    """Description of the mode for messages, such as `a contact`."""
    kernel_debounce: Callable[[float], float]
    """Function from the key `debounce`, in seconds, to the debounce time that the kernel must apply."""

    def electrical(self, key: str, value: Any) -> Any:
        """Return the effect on the kernel's line settings of a value of one of the keys in `LINE_KEYS`."""
        return self.kernel_debounce(value) if key == "debounce" else value


LINE_KEYS: Final = ("pull", "active", "debounce")
"""Keys that configure a line in the kernel, and so must mean the same for all sensors on the line."""


def as_contact(debounce_s: float) -> float:
    """Return the kernel's debounce time for a contact, which is the whole debounce time."""
    return debounce_s


KERNEL_DEBOUNCE_S: Final = 0.01
"""Shortest debounce time in seconds that is left to the kernel, for pulses.

The kernel's debounce counts in ticks of up to 10 ms, so a shorter time would suppress fast pulses entirely.
The driver therefore applies shorter debounce times itself, by the time stamps: a pulse that follows another
too soon is not counted.
"""


def as_pulses(debounce_s: float) -> float:
    """Return the kernel's debounce time for pulses, in seconds; 0 if the driver debounces them itself."""
    return debounce_s if debounce_s >= KERNEL_DEBOUNCE_S else 0.0


CONTACT_LINE: Final = LineUse("a contact", as_contact)
PULSE_LINE: Final = LineUse("pulses", as_pulses)


def wiring_of_line(options: LineOptions, *, inverted: bool = False) -> str:
    """Return a phrase with a line's position on the header, its pull resistor and its active level.

    If `inverted` is True, the equipment is active at the opposite level, because its contact then opens.
    """
    level = "low" if options.active_low is not inverted else "high"
    pull = "no pull resistor" if options.pull is Pull.NONE else f"pull {options.pull}"
    return f"{on_header(options.pin)}; {pull}; active when {level}"
