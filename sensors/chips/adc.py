"""Analog-to-digital converters that a kernel driver reads: MCP3008, MCP3208 and ADS1115.

`find_input` finds a converter through sysfs and returns one of its inputs. An input of an ADS1115 can also be
the difference between two pins, such as `0-1`. `AdcInput.read` returns the voltage at the input. The code at
the end of the converter's range does not identify a voltage, because every voltage beyond the range has the
same code. `AdcVoltage.is_beyond` is then true.

The kernel drivers are `mcp320x` and `ti-ads1015`. The overlay of the ADS1115 sets the gain of each input
(`/boot/firmware/overlays/README`). So each sensor states which input it reads, and with which gain
(`sensors.settings.Options.chip_inputs`), and `ads_overlay` writes the line for all sensors of a chip.
"""

import math
from collections.abc import Sequence
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

Channel = int | str
"""Input of a converter: the number of a pin, or the two pins of a differential input, such as `0-1`."""
ADS_INPUTS: Final[dict[Channel, int]] = {"0-1": 0, "0-3": 1, "1-3": 2, "2-3": 3, 0: 4, 1: 5, 2: 6, 3: 7}
"""Inputs of an ADS1115, each with the number that selects it.

The data sheet calls this number MUX, and the overlay calls it `cfg`.
"""
DIFFERENTIAL: Final = tuple(each for each in ADS_INPUTS if isinstance(each, str))
"""Differential inputs of an ADS1115."""
ADS_FULL_SCALES_V: Final = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256)
"""Full scales of an ADS1115 or ADS1015 in volts, by the number that selects the gain.

The data sheets SBAS444 and SBAS473 call this number PGA.
"""
ADS_WIDEST_V: Final = ADS_FULL_SCALES_V[0]
_ADS_LETTERS: Final = "abcd"
"""Letters of the inputs that the overlay can set."""


@dataclass(frozen=True, slots=True)
class AdsInput:
    """Input of an ADS1115, and the full scale with which a sensor reads it."""

    channel: Channel
    full_scale_v: float


def ads_gain(full_scale_v: float) -> int:
    """Return the number of the gain with this full scale, which is one of `ADS_FULL_SCALES_V`."""
    return ADS_FULL_SCALES_V.index(full_scale_v)


def ads_full_scale(highest_v: float) -> float:
    """Return the smallest full scale that covers a voltage, or the largest one if none covers it.

    The highest code of an ADS1015 is 2047 of 2048. The chip reports this code for every higher voltage.
    """
    fitting = [full for full in ADS_FULL_SCALES_V if highest_v < full * (1 - 2.0**-11)]
    return min(fitting, default=ADS_WIDEST_V)


def ads_overlay(bus: int, address: int, inputs: Sequence[AdsInput]) -> str:
    """Return the value of `dtoverlay=` for an ADS1115 whose inputs are read by sensors.

    If two sensors read an input with different full scales, the larger one applies.
    """
    full_scales: dict[int, float] = {}
    for each in inputs:
        number = ADS_INPUTS[each.channel]
        full_scales[number] = max(each.full_scale_v, full_scales.get(number, 0.0))
    parts = [
        f"ch{letter}_enable,ch{letter}_cfg={number},ch{letter}_gain={ads_gain(full_scale_v)}"
        for letter, (number, full_scale_v) in zip(_ADS_LETTERS, sorted(full_scales.items()), strict=False)
    ]
    return i2c_overlay(",".join(["ads1115,addr=0x{:02x}", *parts]))(bus, address)


_ADS_USUAL: Final = [AdsInput(pin, 4.096) for pin in range(4)]
"""Assumed inputs of an ADS1115 whose sensors are unknown, with the full scale for a 3.3 V supply."""
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
        overlay=lambda bus, address: ads_overlay(bus, address, _ADS_USUAL),
        inputs_overlay=ads_overlay,
        most_inputs=len(_ADS_LETTERS),
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


@dataclass(frozen=True, slots=True)
class _AdsCodes:
    """Codes of a chip that the kernel's driver `ti-ads1015` reads."""

    full: int
    """Number of codes from 0 V to full scale."""
    last: int
    """Lowest code that the chip may report for a voltage above full scale."""


_ADS1115: Final = _AdsCodes(full=1 << 15, last=(1 << 15) - 16)
"""Codes of 16 bits. They also apply to an ADS1015 bound as an ADS1115, whose four lowest bits are 0."""
_ADS1015: Final = _AdsCodes(full=1 << 11, last=(1 << 11) - 1)
"""Codes of 12 bits. The chip sends them left-aligned, and the kernel shifts them to the right."""


def _ads_codes(directory: Path, scale_mv: float) -> _AdsCodes:
    """Return the codes of the chip in `directory`; `scale_mv` is the scale of a channel in mV per code.

    The kernel's driver uses the same name for an ADS1015 and an ADS1115. Their scales differ: at the lowest
    gain an ADS1015 has 3 mV per code, and an ADS1115 0.1875 mV.
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
    """Voltage at the input; if it is beyond the converter's range, the nearest end of that range."""
    is_beyond: bool = False
    """True if the voltage is beyond the converter's range."""


@dataclass(frozen=True, slots=True)
class AdcInput:
    """Input of a converter that was found in sysfs."""

    attribute: Path
    """Path of the sysfs attribute that contains the code."""
    full_v: float
    """Highest voltage that the converter can measure, in V."""
    step_v: float
    """Voltage of one code, in V."""
    codes: _AdsCodes | None
    """Codes of an ADS1115 or ADS1015; None for the other chips."""
    is_signed: bool = False
    """True if the voltage can be negative."""

    def read(self) -> AdcVoltage:
        """Return the voltage at the input; raise `DriverError` if the converter does not answer."""
        code = read_number(self.attribute)
        if self.codes is not None and not -self.codes.full < code < self.codes.last:
            return AdcVoltage(math.copysign(self.full_v, code), is_beyond=True)
        if not self.is_signed:
            # at 0 V, the offset of an ADS1115 produces small negative codes, which do not mean a voltage
            # below ground
            code = max(code, 0.0)
        return AdcVoltage(code * self.step_v)


def find_input(
    root: Path,
    chip: str,
    channel: Channel,
    *,
    bus: int | None,
    address: int | None,
    reference_v: float,
    is_signed: bool = False,
) -> AdcInput:
    """Return an input of the converter with this bus and address; `chip` is a key of `CHIPS`.

    `reference_v` is the reference voltage of an MCP3008 or MCP3208. An ADS1115 has its own reference, and the
    kernel reports the scale of each of its inputs. If `is_signed` is True, or the input is differential,
    negative voltages are not treated as an offset at 0 V. Raises `DriverError` if the converter is
    missing.
    """
    directory = CHIPS[chip].find(root, bus=bus, address=address)
    name = f"in_voltage{channel}" if isinstance(channel, int) else _differential(channel)
    codes = None
    bits = BITS.get(chip)
    if bits is None:
        scale_mv = read_number(directory / f"{name}_scale")
        codes = _ads_codes(directory, scale_mv)
        step_v = scale_mv / 1000
        full_v = codes.full * step_v
    else:
        full_v = reference_v
        step_v = full_v / (1 << bits)
    return AdcInput(
        directory / f"{name}_raw", full_v, step_v, codes, is_signed or not isinstance(channel, int)
    )


def _differential(channel: str) -> str:
    """Return the name of a differential input in sysfs (`Documentation/ABI/testing/sysfs-bus-iio`)."""
    positive, negative = channel.split("-")
    return f"in_voltage{positive}-voltage{negative}"
