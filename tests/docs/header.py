"""Generates the table in docs/pins.md, which shows the use of each pin of the 40-pin header.

Run `python -m tests.docs.header` to update the page.
"""

import re
from collections.abc import Mapping
from typing import Final

from sensors.config.pin_conflicts import EEPROM_PINS, PROPOSED_PINS
from sensors.header_pins import USUAL_BUSES
from services.config.loader import reserved_pins
from services.config.model import Configuration

from .pages import DOCS
from .wiring import PINS

PAGE: Final = DOCS / "pins.md"
POWER: Final[Mapping[str, tuple[int, ...]]] = {
    "3.3 V": (1, 17),
    "5 V": (2, 4),
    "ground": (6, 9, 14, 20, 25, 30, 34, 39),
}
"""Pin numbers of each supply and of ground (Raspberry Pi documentation, "GPIO and the 40-pin header")."""
CONSOLE_PINS: Final = (14, 15)
"""BCM numbers of the pins of the serial console, which `image/boot/config.txt` enables."""
BUSES: Final[Mapping[str, str]] = {"i2c-1": "I2C", "spi-0": "SPI", "spi-1": "SPI bus 1", "w1": "1-wire"}
"""Name of each bus in the table."""
TABLE: Final = re.compile(r"^\| use \|.*\n(?:\|.*\n)+", re.MULTILINE)


def free_pins() -> list[int]:
    """Return the BCM numbers of the recommended pins that the default configuration leaves free."""
    lights = reserved_pins(Configuration())
    return [pin for pin in PROPOSED_PINS if pin not in lights]


def use(pin: int) -> str:
    """Return the text that describes the use of the pin with this BCM number. Free pins are in bold."""
    light = reserved_pins(Configuration()).get(pin)
    if light is not None:
        return f"{light} light"
    if pin in EEPROM_PINS:
        return "EEPROM of a HAT"
    if pin in CONSOLE_PINS:
        return "serial console"
    buses = [BUSES[lane] for lane, lines in USUAL_BUSES.items() if any(pin == line.bcm for line in lines)]
    if pin in free_pins():
        return " or ".join(["**free**", *buses])
    return " or ".join(buses)


def table() -> str:
    """Return the table in Markdown. Each row describes two neighbouring pins, as on the header."""
    pins = {position: ("-", name) for name, positions in POWER.items() for position in positions}
    pins |= {
        PINS[name]: (name, use(int(name.removeprefix("GPIO")))) for name in PINS if name.startswith("GPIO")
    }
    rows = []
    for odd in range(1, 41, 2):
        (left, left_use), (right, right_use) = pins[odd], pins[odd + 1]
        rows.append(f"| {left_use} | {left} | {odd} | {odd + 1} | {right} | {right_use} |")
    head = ["| use | name | pin | pin | name | use |", "| --- | --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) + "\n"


def page() -> str:
    """Return the text of docs/pins.md with an updated table."""
    text, count = TABLE.subn(lambda _found: table(), PAGE.read_text(encoding="utf-8"))
    assert count == 1, f"{PAGE} has {count} tables of the header"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
