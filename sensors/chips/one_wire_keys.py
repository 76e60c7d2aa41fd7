"""Configuration keys of the kinds that read a thermometer on the 1-wire bus."""

from collections.abc import Callable
from typing import Any, Final

from sensors.settings import Options
from sensors.toml.declarations import key, section
from sensors.toml.schema import choice
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError, shown

from .one_wire import DEVICES, FAMILIES, Family

_SERIAL_DIGITS: Final = 12


def _address_parser(title: str, family: Family) -> Callable[[Any], str]:
    """Return a parser for the addresses of one family, such as `28-0316a2795cff`."""

    @parses(ValueForm("text", limits=f"{family.code}- followed by {_SERIAL_DIGITS} hexadecimal digits"))
    def parser(raw: Any) -> str:
        name = raw.lower() if isinstance(raw, str) else ""
        code, _, serial = name.partition("-")
        is_address = len(serial) == _SERIAL_DIGITS and set(serial) <= set("0123456789abcdef")
        if is_address and code == family.code:
            return name
        other = FAMILIES.get(code) if is_address else None
        if other is not None:
            raise InputError(
                f"{shown(raw)} is the address of a {' or '.join(other.chips)}, not of a {title}",
                f"Write kind = {other.kinds}, or an address that begins with {family.code}-.",
            )
        raise InputError(
            f"{shown(raw)} is not the address of a {title}",
            f"Write {family.code}- followed by {_SERIAL_DIGITS} digits or letters a to f, as in /{DEVICES}.",
        )

    return parser


def address_key(title: str, family: Family, serial: str = "0316a2795cff") -> Any:
    """Return the field for the address of a chip of one family; `serial` is an example."""
    return key(
        _address_parser(title, family),
        default=None,
        example=f'"{family.code}-{serial}"',
        meaning=f"Name of the chip on the bus, as in `/{DEVICES}`.",
        without=f"the only {title} on the bus",
    )


@section
class OneWireOptions(Options):
    """Options of every kind that reads a thermometer on the 1-wire bus."""

    address: str | None = address_key("DS18B20", FAMILIES["28"])
    measure: str = key(
        choice("temperature"), default="temperature", example='"temperature"', meaning="Quantity to record."
    )
