"""Analog-to-digital converters that a kernel driver reads: MCP3008, MCP3208 and ADS1115.

`find_input` finds a converter through sysfs and returns one of its inputs. `AdcInput.read` returns the
voltage at the input. The code at the end of the converter's range does not identify a voltage,
because every voltage beyond the range has the same code. `AdcVoltage.is_beyond` is then true.

The kernel drivers are `mcp320x` and `ti-ads1015`.
"""

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .sysfs import (
    CHIP_SELECTS,
    Subsystem,
    SysfsChip,
    UnreadableError,
    Wiring,
    i2c_overlay,
    read_number,
    read_text,
    spi_overlay,
)

CHIPS: Final = {
    "mcp3008": SysfsChip(
        title="MCP3008",
        wiring=Wiring.SPI,
        addresses=CHIP_SELECTS,
        overlay=spi_overlay("mcp3008,spi{}-{}-present"),
        subsystem=Subsystem.IIO,
        names=frozenset({"mcp3008"}),
    ),
    "mcp3208": SysfsChip(
        title="MCP3208",
        wiring=Wiring.SPI,
        addresses=CHIP_SELECTS,
        overlay=spi_overlay('anyspi,spi{}-{},dev="microchip,mcp3208",speed=1000000'),
        subsystem=Subsystem.IIO,
        names=frozenset({"mcp3208"}),
    ),
    "ads1115": SysfsChip(
        title="ADS1115",
        wiring=Wiring.I2C,
        addresses=range(0x48, 0x4C),
        overlay=i2c_overlay(
            "ads1115,addr=0x{:02x},cha_enable,cha_cfg=4,chb_enable,chb_cfg=5,chc_enable,chc_cfg=6,"
            "chd_enable,chd_cfg=7"
        ),
        subsystem=Subsystem.IIO,
        names=frozenset({"ads1115", "ads1015"}),
    ),
}
CHANNELS: Final = {"mcp3008": 8, "mcp3208": 8, "ads1115": 4}
"""Number of inputs of each chip."""
BITS: Final = {"mcp3008": 10, "mcp3208": 12}
"""Resolution in bits of the chips that measure from 0 V to the reference voltage.

The kernel's `in_voltage_scale` is not used, because the overlays define no regulator for the chip. Without a
regulator, the kernel cannot determine the scale.
"""
ADS_WIDEST_V: Final = 6.144
"""Full scale of an ADS1115 or ADS1015 in volts at the lowest gain (data sheets SBAS444 and SBAS473)."""


@dataclass(frozen=True, slots=True)
class _AdsCodes:
    """Codes of a chip that the kernel's driver `ti-ads1015` reads."""

    full: int
    """Number of codes from 0 V to full scale."""
    last: int
    """Lowest code that the chip can report for every voltage above full scale."""


_ADS1115: Final = _AdsCodes(full=1 << 15, last=(1 << 15) - 16)
"""Codes of 16 bits. They also apply to an ADS1015 bound as an ADS1115, whose four lowest bits are 0."""
_ADS1015: Final = _AdsCodes(full=1 << 11, last=(1 << 11) - 1)
"""Codes of 12 bits. The chip sends them left-aligned, and the kernel shifts them to the right."""


def _ads_codes(directory: Path, scale_mv: float) -> _AdsCodes:
    """Return the codes of the chip in `directory`; `scale_mv` is the scale of a channel in mV per code.

    The kernel's driver gives an ADS1015 and an ADS1115 the same name. Their scales differ: at the lowest gain
    an ADS1015 has 3 mV per code, and an ADS1115 0.1875 mV.
    """
    coarsest_mv = 1000 * ADS_WIDEST_V / _ADS1115.full
    scales = [scale_mv]
    with suppress(UnreadableError, ValueError):
        scales += [float(each) for each in read_text(directory / "scale_available").split()]
    return _ADS1015 if max(scales) > 1.01 * coarsest_mv else _ADS1115


@dataclass(frozen=True, slots=True)
class AdcVoltage:
    """Result of one read of an input."""

    volts: float
    """Voltage at the input, or the end of the converter's range if the voltage is beyond that range."""
    is_beyond: bool = False
    """True if the voltage is beyond the converter's range."""


@dataclass(frozen=True, slots=True)
class AdcInput:
    """Input of a converter that was found in sysfs."""

    attribute: Path
    """Attribute that contains the code."""
    full_v: float
    """Highest voltage that the converter can measure, in V."""
    step_v: float
    """Voltage of one code, in V."""
    codes: _AdsCodes | None
    """Codes of an ADS1115 or ADS1015; None for the other chips."""

    def read(self) -> AdcVoltage:
        """Return the voltage at the input; raise `DriverError` if the converter does not answer."""
        code = read_number(self.attribute)
        if self.codes is not None and not -self.codes.full < code < self.codes.last:
            return AdcVoltage(math.copysign(self.full_v, code), is_beyond=True)
        # at 0 V, the offset of an ADS1115 produces small negative codes, which do not mean a voltage below
        # ground
        return AdcVoltage(max(code, 0.0) * self.step_v)


def find_input(
    root: Path, chip: str, channel: int, *, bus: int | None, address: int | None, reference_v: float
) -> AdcInput:
    """Return an input of the converter with this bus and address; `chip` is a key of `CHIPS`.

    `reference_v` is the reference voltage of an MCP3008 or MCP3208. An ADS1115 has its own reference, and the
    kernel reports the scale of each of its inputs. Raises `DriverError` if the converter is missing.
    """
    directory = CHIPS[chip].find(root, bus=bus, address=address)
    codes = None
    bits = BITS.get(chip)
    if bits is None:
        scale_mv = read_number(directory / f"in_voltage{channel}_scale")
        codes = _ads_codes(directory, scale_mv)
        step_v = scale_mv / 1000
        full_v = codes.full * step_v
    else:
        full_v = reference_v
        step_v = full_v / (1 << bits)
    return AdcInput(directory / f"in_voltage{channel}_raw", full_v, step_v, codes)
