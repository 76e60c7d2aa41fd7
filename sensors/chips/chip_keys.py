"""Configuration keys of the kinds that read a chip: the bus and the address.

`bus_key` and `address_key` return fields of a section, as `sensors.toml.declarations` describes.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from sensors.header_pins import bus_on_header
from sensors.toml.declarations import key
from sensors.toml.schema import integer
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError, shown

from .sysfs import Chip, Wiring

LAST_BUS: Final = 22
"""Highest I2C bus number on a Pi, including the buses inside the display connectors."""
parse_bus: Final = integer(0, LAST_BUS)


def bus_key(chip: Chip) -> Any:
    """Return the field for the number of a chip's bus."""
    return key(
        parse_bus,
        default=chip.wiring.usual_bus,
        example="3" if chip.wiring is Wiring.I2C else "1",
        meaning=f"Number of the {chip.wiring.title} bus.",
    )


def address_key(chip: Chip) -> Any:
    """Return the field for a chip's I2C address or SPI chip select.

    If the file contains no address, the value is None. The chip must then be the only one of its type on the
    bus.
    """
    return key(
        address_parser(chip),
        default=None,
        example=written_address(chip, chip.addresses[-1]),
        meaning=(
            "I2C address, which the chip's address pins select."
            if chip.wiring is Wiring.I2C
            else "Chip select to which the chip is wired."
        ),
        without="the only chip of this type on the bus",
    )


def written_address(chip: Chip, address: int) -> str:
    """Return an address as it is written in `sensors.toml`."""
    return f"0x{address:02x}" if chip.wiring is Wiring.I2C else f"{address}"


def _as_hexadecimal(raw: object) -> int:
    """Read the digits of a number or a text as a hexadecimal address.

    Return -1 if they are not one to four hexadecimal digits.
    """
    written = f"{raw}".strip().removeprefix("0x").removesuffix("h")
    return int(written, 16) if re.fullmatch(r"[0-9A-Fa-f]{1,4}", written) else -1


def wiring_of_chip(chip: Chip, bus: int | None, address: int | None, *, detail: str = "") -> str:
    """Return a phrase with the name, bus, address and header pins of a chip.

    If the address is None, the chip is the only one of its type. `detail` names other connections, such as a
    channel.
    """
    lane = chip.wiring.lane(bus)
    is_i2c = chip.wiring is Wiring.I2C
    if address is None:
        place = f"the only {chip.title} on bus {lane}"
    else:
        what = "address" if is_i2c else "chip select"
        place = f"{chip.title}, bus {lane}, {what} {written_address(chip, address)}"
    select = None if is_i2c else chip.usual_address if address is None else address
    pins = bus_on_header(lane, select)
    return "; ".join(part for part in (f"{place}, {detail}" if detail else place, pins) if part)


def address_parser(chip: Chip) -> Callable[[Any], int]:
    """Return a parser for the I2C addresses or SPI chip selects that a type of chip can have."""
    what = "an I2C address" if chip.wiring is Wiring.I2C else "a chip select"
    known = " to ".join(written_address(chip, end) for end in (chip.addresses[0], chip.addresses[-1]))

    @parses(ValueForm(what, limits=known))
    def parser(raw: Any) -> int:
        is_hexadecimal = chip.wiring is Wiring.I2C
        if is_hexadecimal and raw not in chip.addresses and (meant := _as_hexadecimal(raw)) in chip.addresses:
            raise InputError(
                f"{shown(raw)} is not written as a hexadecimal number",
                f"Write: {written_address(chip, meant)}, without quotes.",
            )
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise InputError(f"{shown(raw)} is not {what}", f"Write a number from {known}, without quotes.")
        if raw not in chip.addresses:
            written = written_address(chip, raw) if 0 <= raw < 1024 else shown(raw)
            raise InputError(f"the {chip.title} cannot have {what} of {written}", f"Use {known}.")
        return raw

    return parser
