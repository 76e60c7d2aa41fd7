"""Conversion of the nine bytes that a 1-wire thermometer sends (its scratchpad) to a temperature.

Each function for one type of chip takes a scratchpad whose CRC is correct, and returns a temperature in
degrees Celsius. It raises `DriverError` if the bytes do not contain a temperature. `after_power_up` says
whether 85 °C can be the value that the chip has before its first conversion.

The sources are the manufacturer's data sheets, and the kernel's `drivers/w1/slaves/w1_therm.c`.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sensors.driver import DriverError
from sensors.state import SensorState


@dataclass(frozen=True, slots=True)
class Scratchpad:
    """The nine bytes that a thermometer sent, as `w1_therm` prints them."""

    data: bytes
    crc_good: bool
    millidegrees: int
    """Temperature in thousandths of a degree Celsius, as the kernel computes it."""


_SCRATCHPAD: Final = re.compile(r"((?:[0-9a-f]{2} ){9}): crc=[0-9a-f]{2} (YES|NO)\s.*?\bt=(-?\d+)", re.DOTALL)


def parse_scratchpad(text: str) -> Scratchpad | None:
    """Parse the text of the attribute `w1_slave`; return None if it has a different form.

    The text is empty if a conversion failed.
    """
    match = _SCRATCHPAD.match(text)
    if match is None:
        return None
    return Scratchpad(bytes.fromhex(match[1]), match[2] == "YES", int(match[3]))


def check_transfer(scratchpad: Scratchpad) -> None:
    """Raise `DriverError` if the bytes were not transferred correctly.

    Nine zero bytes pass the CRC, but no chip sends them: byte 4 of a real chip is never 0.
    """
    if not scratchpad.crc_good:
        raise DriverError(
            "the CRC is wrong; check the length of the wire, and keep it away from sources of interference"
        )
    if not any(scratchpad.data):
        raise DriverError("only zeros were read; check whether the data wire is shorted to ground")


# Value after power-up ------------------------------------------------------------------------------

POWER_UP_CELSIUS: Final = 85.0
"""Temperature in the register of every chip from power-up until its first conversion ends."""


class PowerUp(Enum):
    """Certainty with which a reading of 85 °C is the value that the chip has after power-up."""

    YES = "yes"
    NO = "no"
    POSSIBLY = "possibly"


_MARK_AFTER_POWER_UP: Final = 0x0C
_MARK_OF_85: Final = 0x10


def mark_after_power_up(scratchpad: Scratchpad) -> PowerUp:
    """Return whether byte 6 of a DS18B20 marks a reading of 85 °C as the value after power-up.

    On the manufacturer's own chips, byte 6 is 0x0C after power-up, and 0x10 after a conversion to 85 °C
    (w1_therm uses bit 0 of `features` for the same check). Clones have other values in byte 6.
    """
    return {_MARK_AFTER_POWER_UP: PowerUp.YES, _MARK_OF_85: PowerUp.NO}.get(
        scratchpad.data[6], PowerUp.POSSIBLY
    )


def no_mark_after_power_up(_scratchpad: Scratchpad) -> PowerUp:
    """Return `POSSIBLY`: the bytes do not distinguish a conversion to 85 °C from the value after power-up.

    A DS18S20 has the same bytes in both cases. For the other families, no data sheet says that byte 6
    changes. The data sheet of the DS28EA00 calls byte 6 constant.
    """
    return PowerUp.POSSIBLY


# Conversions ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WireFault:
    """Fault of the wires of a thermocouple, which the chip reports instead of a temperature."""

    state: SensorState
    detail: str


def _register(scratchpad: Scratchpad) -> int:
    """Return the temperature register: bytes 0 and 1 as a number with a sign."""
    return int.from_bytes(scratchpad.data[:2], "little", signed=True)


def twelve_bits(scratchpad: Scratchpad) -> float:
    """Return the temperature from a DS18B20, DS1822 or DS28EA00.

    The kernel converts their bytes correctly.
    """
    if scratchpad.data[6] == _MARK_AFTER_POWER_UP and scratchpad.data[:2] == b"\xff\x07":
        raise DriverError("127.94 °C, because the supply is too weak for a conversion")
    return scratchpad.millidegrees / 1000


def ds18s20(scratchpad: Scratchpad) -> float:
    """Return the temperature from a DS18S20. The kernel computes it from bytes 0, 1, 6 and 7.

    The kernel reports 0 °C if byte 7 (COUNT PER °C) is 0. Byte 6 (COUNT REMAIN) is at most byte 7. Otherwise
    the result would be many degrees too low.
    """
    remaining, per_degree = scratchpad.data[6], scratchpad.data[7]
    if per_degree == 0:
        raise DriverError(
            "the chip sent 0 as COUNT PER °C, so there is no temperature; check its wires, or replace it"
        )
    if remaining > per_degree:
        raise DriverError(
            f"the chip sent {remaining} as COUNT REMAIN, which is more than its {per_degree} COUNT PER °C;"
            " check its wires, or replace it"
        )
    return scratchpad.millidegrees / 1000


_TYPE_BITS: Final = 0xF0
"""Bits of byte 4 in which a MAX31850 differs from a DS1825: all are 1, and bit 7 of a DS1825 is 0."""


def is_max31850(scratchpad: Scratchpad) -> bool:
    """Return True if a chip of family 3b is a MAX31850 or MAX31851, and False if it is a DS1825."""
    return scratchpad.data[4] & _TYPE_BITS == _TYPE_BITS


def ds1825(scratchpad: Scratchpad) -> float:
    """Return the temperature from a DS1825."""
    if is_max31850(scratchpad):
        raise DriverError('this chip is a MAX31850 or MAX31851; write kind = "max31850"')
    if scratchpad.data[4] & 0x80:
        raise DriverError(
            f"byte 4 is 0x{scratchpad.data[4]:02x}, which no DS1825 sends; check its wires, or replace it"
        )
    return twelve_bits(scratchpad)


_FAULTS: Final = (
    (0x01, SensorState.OPEN, "the thermocouple is open; check for a broken or loose wire"),
    (0x02, SensorState.SHORT, "a thermocouple wire touches ground; check the cable and its insulation"),
    (0x04, SensorState.SHORT, "a thermocouple wire touches the supply; check the cable and its insulation"),
)
"""Bits of byte 2 of a MAX31850 with the fault that each reports."""


def max31850(scratchpad: Scratchpad) -> float | WireFault:
    """Return the temperature of a thermocouple at a MAX31850 or MAX31851, or the fault of its wires.

    The result is computed here from bytes 0 and 1, because some kernels convert these bytes as if the chip
    were a DS18B20. The two low bits do not belong to the temperature: bit 0 is the fault, and bit 1 is
    reserved. Bytes 2 and 3 contain the temperature of the cold junction, and, in the low bits of byte 2, the
    cause of the fault.
    """
    if not is_max31850(scratchpad):
        raise DriverError('this chip is a DS1825, not a MAX31850 or MAX31851; write kind = "ds1825"')
    for bit, state, detail in _FAULTS:
        if scratchpad.data[2] & bit:
            return WireFault(state, detail)
    if scratchpad.data[0] & 1:
        raise DriverError("the chip reports a fault without a cause; check the thermocouple's wires")
    if not any(scratchpad.data[:4]):
        raise DriverError("the chip has not converted yet; check its supply wire")
    return (_register(scratchpad) & ~3) / 16
