"""Parsers for single keys of a sensor: pins, addresses, voltages, calibrations, files.

The schemas in `schema` use these parsers. Their errors (`InputError`) tell a fitter what to do. The facts
about chips that the parsers need are in this module too. Combinations of keys are checked in `kinds`.
"""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from sensors.kinds.sysfs import CHIPS, Wiring
from sensors.signalk_paths import CONTACT, COUNT
from sensors.toml.schema import integer, list_of, text
from sensors.units import InputError, parse_value, shown

THERMOMETER: Final = "ds18b20"
MEASURES: Final[Mapping[str, str]] = {
    "temperature": "K",
    "voltage": "V",
    "current": "A",
    "power": "W",
    "relativeHumidity": "ratio",
    "pressure": "Pa",
}
"""Quantities that a chip can measure, with the SI unit of each."""
CHANNELS: Final[Mapping[str, int]] = {"mcp3008": 8, "mcp3208": 8, "ads1115": 4}
"""Number of inputs of each ADC."""
_ADDRESSES: Final[Mapping[str, range]] = {  # from the chips' data sheets, according to their address pins
    "ads1115": range(0x48, 0x4C),
    "ina219": range(0x40, 0x50),
    "ina226": range(0x40, 0x50),
    "bme280": range(0x76, 0x78),
}
_SELECTS: Final = range(3)
"""Chip selects of an SPI bus: SPI1 has three, SPI0 has two."""
_LAST_PIN: Final = 27
_LAST_BUS: Final = 22
"""Highest I2C bus number on a Pi, including the buses inside the display connectors."""


def pin(raw: Any) -> int:
    """Parse a GPIO line by its BCM number."""
    try:
        number: int = integer(0, _LAST_PIN)(raw)
    except InputError as error:
        raise InputError(error.text, f"Write the BCM number, from 0 to {_LAST_PIN} (GPIO17 is 17).") from None
    return number


def bus(raw: Any) -> int:
    """Parse the number of an I2C or SPI bus."""
    number: int = integer(0, _LAST_BUS)(raw)
    return number


def address(chip: str) -> Callable[[Any], int]:
    """Return a parser for the I2C addresses or SPI chip selects that a type of chip can have."""
    if CHIPS[chip].wiring is Wiring.SPI:
        what, allowed, form = "a chip select", _SELECTS, "{}"
    else:
        what, allowed, form = "an I2C address", _ADDRESSES[chip], "0x{:02x}"
    known = f"{form.format(allowed[0])} to {form.format(allowed[-1])}"

    def parser(raw: Any) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise InputError(f"{shown(raw)} is not {what}", f"Write a number from {known}, without quotes.")
        if raw not in allowed:
            written = form.format(raw) if 0 <= raw < 1024 else shown(raw)
            raise InputError(f"the {CHIPS[chip].title} cannot have {what} of {written}", f"Use {known}.")
        return raw

    return parser


def thermometer_id(raw: Any) -> str:
    """Parse the name of a DS18B20 on the 1-wire bus, such as `28-0316a2795cff`."""
    name = raw.lower() if isinstance(raw, str) else ""
    family, _, serial = name.partition("-")
    if family == "28" and len(serial) == 12 and set(serial) <= set("0123456789abcdef"):
        return name
    raise InputError(
        f"{shown(raw)} is not the address of a DS18B20",
        "Write 28- followed by 12 digits or letters a to f, as in /sys/bus/w1/devices.",
    )


def volts(raw: Any) -> float:
    """Parse a voltage in volts, with or without the unit."""
    return parse_value(raw, "V")


def pair(raw: Any) -> tuple[Any, Any]:
    """Parse a list of two elements."""
    if not isinstance(raw, list) or len(raw) != 2:
        raise InputError(f"{shown(raw)} is not a pair of values", "Write [volts, value].")
    return raw[0], raw[1]


def electrical_range(raw: Any) -> tuple[float, float]:
    """Parse a pair of voltages: the lowest and the highest."""
    ends = list_of(volts)(raw)
    if len(ends) != 2:
        raise InputError("a range needs two values", "Write [lowest, highest], in volts.")
    low, high = ends
    if low >= high:
        raise InputError(f"{low:g} V is not below {high:g} V", "Write the lower voltage first.")
    return low, high


def calibration(unit: str) -> Callable[[Any], tuple[tuple[float, float], ...]]:
    """Return a parser for pairs of volts and values in `unit`: two or more, in order of rising volts."""

    def point(raw: Any) -> tuple[float, float]:
        at_volts, value = pair(raw)
        return volts(at_volts), parse_value(value, unit)

    def parser(raw: Any) -> tuple[tuple[float, float], ...]:
        points: tuple[tuple[float, float], ...] = list_of(point, least=2)(raw)
        for place in range(1, len(points)):
            before, after = points[place - 1][0], points[place][0]
            if after <= before:
                raise InputError(
                    f"the voltages are not in ascending order: {after:g} V follows {before:g} V",
                    "Sort the points by voltage, and write each voltage once.",
                    at=(place,),
                )
        return points

    return parser


def recording(raw: Any) -> str:
    """Parse the path of a recording in the folder that contains `sensors.toml`, or in a subfolder."""
    name: str = text(least=1)(raw)
    way = PurePosixPath(name)
    if way.is_absolute() or ".." in way.parts:
        raise InputError(
            f"{shown(name)} is not in the folder of sensors.toml",
            "Copy the file to that folder, and write its name only.",
        )
    return name


def unit_words(unit: str) -> str:
    """Return a unit as a phrase that completes the sentence `it is in …`."""
    return {CONTACT: "on and off", COUNT: "plain numbers"}.get(unit, unit)
