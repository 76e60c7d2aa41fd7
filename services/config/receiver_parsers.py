"""Parsers for the keys of a satellite receiver, in the section [clock] of `logboat.toml`."""

import re
from typing import Any, Final

from sensors.toml.schema import integer, text
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError, shown

BAUDS: Final = (9600, 4800, 38400, 115200, 19200, 57600)
"""Baud rates of receivers, in the order in which they are tried.

NMEA 0183 prescribes 4,800 baud, but most receivers use 9,600.
"""


@parses(ValueForm("a serial device"))
def device(raw: Any) -> str:
    """Parse the path of a serial device in `/dev`."""
    written: str = text(120, least=1)(raw)
    if re.fullmatch(r"/dev/[A-Za-z0-9][\w.:+@/-]*", written) is None or ".." in written:
        raise InputError(
            f"{shown(written)} is not the path of a serial device",
            'Write, for example: "/dev/ttyACM0". To list devices, run: ls /dev/serial/by-id/*',
        )
    return written


@parses(ValueForm("a baud rate", limits=", ".join(map(str, sorted(BAUDS)))))
def baud(raw: Any) -> int:
    """Parse a baud rate."""
    rate: int = integer(1, 10_000_000)(raw)
    if rate not in BAUDS:
        raise InputError(
            f"{rate} is not a supported baud rate", f"Write one of {', '.join(map(str, sorted(BAUDS)))}."
        )
    return rate
