"""Configuration keys of the kinds that read an input of an analog-to-digital converter."""

from dataclasses import KW_ONLY
from typing import Any, Final

from sensors.settings import Options
from sensors.toml.declarations import key, section
from sensors.toml.schema import Table, choice, integer
from sensors.toml.value_forms import ValueForm, parsed_later

from .adc import CHANNELS, CHIPS, Channel
from .chip_keys import address_parser, parse_bus

LAST_CHANNEL: Final = max(CHANNELS.values()) - 1


@section
class AdcOptions(Options):
    """Options of every kind that reads an input of a converter."""

    _: KW_ONLY
    chip: str = key(choice(*CHIPS), example='"mcp3008"', meaning="Type of converter.")
    channel: Channel = key(
        integer(0, LAST_CHANNEL),
        example="0",
        meaning="Input of the converter. An ADS1115 has the inputs 0 to 3.",
    )
    bus: int = key(
        parse_bus,
        default=None,
        example="1",
        meaning="Number of the SPI or I2C bus.",
        without="SPI bus 0, or I2C bus 1",
    )
    address: int = key(
        parsed_later(ValueForm("a whole number")),
        default=None,
        example="0x49",
        meaning="SPI chip select (0 to 2), or I2C address (0x48 to 0x4b).",
        without="chip select 0, or address 0x48",
    )


def check_place(table: Table, values: dict[str, Any], chip: str | None) -> None:
    """Report an address that the converter cannot have, and set the default bus and address.

    `chip` is None if the file contains no valid type of converter.
    """
    if chip is None:
        return
    converter = CHIPS[chip]
    if values["bus"] is None:
        values["bus"] = converter.wiring.usual_bus
    if "address" in table.data:
        values["address"] = table.value("address", address_parser(converter))
    else:
        values["address"] = converter.usual_address


def check_channel(table: Table, chip: str | None, channel: Channel | None) -> None:
    """Report an input number that the converter does not have. Do nothing if the chip or input is unknown."""
    if chip is not None and isinstance(channel, int) and channel >= CHANNELS[chip]:
        table.complain(
            "channel",
            f"the {CHIPS[chip].title} has no channel {channel}",
            f"Use a channel from 0 to {CHANNELS[chip] - 1}.",
        )
