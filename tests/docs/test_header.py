"""The page about the pins of the header matches the pins that Logboat reserves."""

import re
import tomllib

from sensors.config.pin_conflicts import EEPROM_PINS, PROPOSED_PINS
from sensors.header_pins import USUAL_BUSES
from services.config.loader import reserved_pins
from services.config.model import Configuration

from .header import CONSOLE_PINS, PAGE, POWER, free_pins, page
from .pages import ROOT
from .wiring import PINS


def test_table_is_made_from_the_reserved_pins() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.docs.header"


def test_sentence_lists_the_free_pins() -> None:
    (listed,) = re.findall(r"^Eleven pins are free: GPIO(.*)\. Choose", PAGE.read_text(), re.MULTILINE)
    assert [int(pin) for pin in re.findall(r"\d+", listed)] == free_pins()
    assert len(free_pins()) == 11


def test_header_has_each_position_once() -> None:
    lines = [position for name, position in PINS.items() if name.startswith("GPIO")]
    positions = sorted([*lines, *(position for those in POWER.values() for position in those)])
    assert positions == list(range(1, 41))
    assert {PINS["3V3"], PINS["5V"], PINS["GND"]} == {POWER["3.3 V"][0], POWER["5 V"][0], POWER["ground"][1]}


def test_pin_that_is_not_proposed_has_a_use() -> None:
    buses = [line.bcm for lane in ("i2c-1", "spi-0", "w1") for line in USUAL_BUSES[lane]]
    assert set(range(28)) == {*EEPROM_PINS, *CONSOLE_PINS, *buses, *PROPOSED_PINS}
    assert set(reserved_pins(Configuration())) <= set(PROPOSED_PINS)


def test_image_has_a_serial_console() -> None:
    assert "enable_uart=1" in (ROOT / "image/boot/config.txt").read_text().splitlines()
    assert "console=serial0" in tomllib.loads((ROOT / "image/boards/pi.toml").read_text())["console"]
