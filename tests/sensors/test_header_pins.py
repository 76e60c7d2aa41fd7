"""Tests of the header pins of each bus, and of conflicts between pins in a configuration."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sensors.config.loader import ConfigurationError, examine_sensors
from sensors.config.sections import RTC
from sensors.header_pins import BUSES, CLOCK_BUS, HEADER_PINS, bus_on_header
from sensors.toml import toml_file
from services.config.loader import reserved_pins
from services.config.model import ClockSection, Configuration, LightsSection


@pytest.mark.parametrize(
    ("lane", "select", "text"),
    [
        ("i2c-1", None, "header pins 3 = GPIO2 (SDA), 5 = GPIO3 (SCL)"),
        (
            "spi-0",
            1,
            "header pins 23 = GPIO11 (SCLK), 19 = GPIO10 (MOSI), 21 = GPIO9 (MISO), 26 = GPIO7 (CE1)",
        ),
        ("w1", None, "header pin 7 = GPIO4 (data)"),
        ("i2c-6", None, "header pins 15 = GPIO22 (SDA), 16 = GPIO23 (SCL) on a Raspberry Pi 4"),
        (
            "i2c-3",
            None,
            (
                "header pins 7 = GPIO4 (SDA), 29 = GPIO5 (SCL) on a Raspberry Pi 4, or 31 = GPIO6 (SDA),"
                " 26 = GPIO7 (SCL) on a Raspberry Pi 5"
            ),
        ),
        ("i2c-10", None, ""),
    ],
)
def test_header_pins_of_a_bus_are_listed(lane: str, select: int | None, text: str) -> None:
    assert bus_on_header(lane, select) == text


def test_every_line_of_a_bus_is_on_the_header() -> None:
    for lines in BUSES.values():
        assert {line.bcm for line in lines} <= HEADER_PINS.keys()
        assert len({(line.bcm, line.board) for line in lines}) == len(lines)


SWITCH = """\
[[sensor]]
id = "float"
kind = "switch"
pin = {pin}
path = "bilge.main.highWater"
"""
BATTERY = """\
[[sensor]]
id = "{id}"
kind = "ina226"
measure = "voltage"
bus = {bus}
path = "electrical.batteries.1.voltage"
"""
EXHAUST = """\
[[sensor]]
id = "exhaust"
kind = "thermocouple"
path = "propulsion.main.exhaustTemperature"
"""
COOLANT = """\
[[sensor]]
id = "coolant"
kind = "ds18b20"
path = "propulsion.main.coolantTemperature"
"""


def switch(pin: int) -> str:
    return SWITCH.format(pin=pin)


def battery(bus: int, name: str = "house") -> str:
    return BATTERY.format(id=name, bus=bus)


def warnings(folder: Path, content: str, reserved: Mapping[int, str] | None = None) -> list[str]:
    path = folder / "sensors.toml"
    path.write_text(content)
    examined = examine_sensors(toml_file.read(path), reserved=reserved or {})
    return [str(problem).removeprefix(f"{path.name}:") for problem in examined.warnings]


@pytest.mark.parametrize(
    ("bus", "pin", "where"),
    [
        (2, 5, "i2c-2 on a Raspberry Pi 5"),
        (3, 5, "i2c-3 on a Raspberry Pi 4"),
        (3, 6, "i2c-3 on a Raspberry Pi 5"),
        (4, 9, "i2c-4 on a Raspberry Pi 4"),
        (5, 12, "i2c-5 on a Raspberry Pi 4"),
        (6, 23, "i2c-6 on a Raspberry Pi 4"),
    ],
)
def test_pin_of_another_i2c_bus_is_a_warning(tmp_path: Path, bus: int, pin: int, where: str) -> None:
    (warning,) = warnings(tmp_path, switch(pin) + battery(bus))
    text = f'pin: {pin} belongs to bus {where}, which sensor "house" (line 6) uses. Choose another pin'
    assert warning.startswith(f'4: sensor "float", {text} (free: ')
    proposed = warning.partition("free: ")[2].removesuffix(" …).").split(", ")
    assert {int(each) for each in proposed}.isdisjoint({line.bcm for line in BUSES[f"i2c-{bus}"]})


def test_pin_of_no_bus_in_use_is_free(tmp_path: Path) -> None:
    assert warnings(tmp_path, switch(22) + battery(3) + battery(5, "start")) == []
    assert warnings(tmp_path, switch(2) + battery(3)) == []


def test_light_on_a_line_of_another_i2c_bus_is_a_warning(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, battery(6), {23: "mesh"})
    assert warning == (
        '5: sensor "house", bus: bus i2c-6 needs pin 23 on a Raspberry Pi 4, which is used by the mesh light.'
        " Use another bus, or set mesh = 0 under [lights] in vessel.toml (logboat.toml on the appliance)."
    )


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (
            EXHAUST + battery(4),
            (
                '9: sensor "house", bus: bus i2c-4 needs pin 8 on a Raspberry Pi 4, which belongs to bus'
                ' spi-0, which sensor "exhaust" (line 1) uses. Use another bus for one of them.'
            ),
        ),
        (
            battery(3) + COOLANT,
            (
                '7: sensor "coolant": bus w1 needs pin 4 on a Raspberry Pi 4, which belongs to bus i2c-3,'
                ' which sensor "house" (line 1) uses. Use another bus for one of them.'
            ),
        ),
    ],
)
def test_buses_that_need_the_same_line_are_a_warning(tmp_path: Path, content: str, warning: str) -> None:
    assert warnings(tmp_path, content) == [warning]


def test_buses_that_need_the_same_line_on_different_boards_are_no_problem(tmp_path: Path) -> None:
    assert warnings(tmp_path, battery(2) + battery(3, "start")) == []


@pytest.mark.parametrize("pin", [2, 3])
def test_pin_of_the_clock_chips_bus_is_a_warning(tmp_path: Path, pin: int) -> None:
    lights = LightsSection(power=0, record=0)
    reserved = reserved_pins(Configuration(lights=lights, clock=ClockSection(rtc="ds3231")))
    assert {line.bcm for line in BUSES[CLOCK_BUS]} == {at for at, name in reserved.items() if name == RTC}
    (warning,) = warnings(tmp_path, switch(pin), reserved)
    assert warning == (
        f'4: sensor "float", pin: {pin} belongs to bus i2c-1, which the clock chip ([clock] rtc) uses. Choose'
        " another pin (free: 5, 6, 12 …)."
    )
    assert warnings(tmp_path, switch(pin), reserved_pins(Configuration(lights=lights))) == []


def test_chips_can_share_the_clock_chips_bus(tmp_path: Path) -> None:
    reserved = reserved_pins(Configuration(clock=ClockSection(rtc="ds3231")))
    assert warnings(tmp_path, battery(1), reserved) == []
    with pytest.raises(ConfigurationError, match="2 belongs to bus i2c-1, which sensor"):
        warnings(tmp_path, switch(2) + battery(1), reserved)
