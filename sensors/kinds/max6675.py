"""Kind `max6675`: a thermocouple connected to a MAX6675, through the kernel's `maxim_thermocouple`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from sensors.chips.chip_keys import address_key, bus_key, wiring_of_chip
from sensors.chips.kernel_driver import BusReading, ChipDriver, Range, range_fact
from sensors.chips.sysfs import (
    CHIP_SELECTS,
    Subsystem,
    SysfsChip,
    UnreadableError,
    Wiring,
    read_number,
    spi_overlay,
)
from sensors.driver import DriverError, options_of
from sensors.driver_context import DriverContext
from sensors.kind import SensorKind
from sensors.settings import Fact, Options, SensorSettings
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import choice
from sensors.units import ZERO_CELSIUS
from sensors.wiring_picture import Picture, Wire

from .thermocouple import AMBIENT, wire_fault

CHIP: Final = SysfsChip(
    title="MAX6675",
    wiring=Wiring.SPI,
    addresses=CHIP_SELECTS,
    overlay=spi_overlay("maxtherm,spi{}-{},max6675"),
    subsystem=Subsystem.IIO,
    names=frozenset({"maxim_thermocouple", "max6675"}),
)
STEP_MILLIDEGREES: Final = 250
"""Temperature of one code in thousandths of a degree Celsius (MAX6675 data sheet, 0.25 °C)."""
LAST_CODE: Final = (1 << 12) - 1
"""Highest code, which the chip reports for every temperature of 1023.75 °C or more."""


@section
class Max6675Options(Options):
    """Options of the kind `max6675`."""

    bus: int = bus_key(CHIP)
    address: int | None = address_key(CHIP)
    measure: str = key(
        choice("temperature"), default="temperature", example='"temperature"', meaning="Quantity to record."
    )


class Max6675Driver(ChipDriver):
    """Driver of a MAX6675 through `maxim_thermocouple`.

    The codes at both ends do not identify a temperature. A missing chip can also yield only zeros.
    """

    RANGE: ClassVar[Range] = Range(0.25 + ZERO_CELSIUS, 1023.5 + ZERO_CELSIUS, "K")

    def read(self, directory: Path, now_ns: int) -> BusReading | None:  # noqa: ARG002
        """Return a temperature in kelvin, or the fault of the thermocouple's wires."""
        if (directory / AMBIENT).exists():
            raise DriverError(
                "the kernel treats the chip as a MAX31855 or MAX31856; if the chip is one, write"
                ' kind = "thermocouple", and otherwise remove the other line with maxtherm from'
                " /boot/firmware/config.txt"
            )
        try:
            code = read_number(directory / "in_temp_raw")
        except UnreadableError as error:
            fault = wire_fault(directory, error)
            if fault is None:
                raise
            return fault
        if code <= 0:
            return BusReading(
                None,
                SensorState.OUT_OF_RANGE,
                "the chip sends only zeros: the temperature is 0 °C or less, which a MAX6675 cannot measure,"
                " or the SPI wires or the supply are broken",
            )
        if code >= LAST_CODE:
            return BusReading(
                None, SensorState.OUT_OF_RANGE, "the temperature is at least 1023.75 °C, the chip's highest"
            )
        return self.RANGE.reading(code * STEP_MILLIDEGREES / 1000 + ZERO_CELSIUS)


def _driver(settings: SensorSettings, context: DriverContext) -> Max6675Driver:
    options = options_of(settings, Max6675Options)
    return Max6675Driver(settings, CHIP, bus=options.bus, address=options.address, root=context.root)


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, Max6675Options)
    yield "wiring", wiring_of_chip(CHIP, options.bus, options.address)
    yield range_fact(Max6675Driver.RANGE, settings)


KIND: Final = SensorKind(
    name="max6675",
    title="Thermocouple: MAX6675",
    measures="high temperatures up to 1023.5 °C with a type K thermocouple",
    description="""\
A MAX6675 amplifies the voltage of a type K thermocouple, and compensates for the temperature of the cold
junction. It measures 0.25 to 1023.5 °C. At 0 °C and below, the chip sends only zeros, and so does a chip
without supply. Both are recorded as `out-of-range`.

A broken thermocouple is recorded as `open`, provided that `T-` is connected to ground at the chip. Most
boards have this connection. Use a thermocouple that is insulated from the engine.

Write the kind for your chip. A MAX31855 and a MAX6675 have the same pins, but different data: the kernel
would compute wrong temperatures for the other chip. For a MAX31855 or MAX31856, write `kind =
"thermocouple"`.

Logboat was tested with a simulation of this chip, not yet with a real one.""",
    options=Max6675Options,
    driver=_driver,
    facts=_facts,
    chips={"max6675": CHIP},
    faults=(
        ("the kernel has no … on …", "Restart: Logboat adds the line to `config.txt`."),
        (
            "the chip reports a fault: the thermocouple is open or shorted, or there is no chip",
            "Check the thermocouple and its terminals. If they are good, check the SPI wires.",
        ),
        (
            "the chip sends only zeros",
            "Check the supply and the SPI wires. Below 0 °C, the message is normal.",
        ),
        (
            "the kernel treats the chip as a MAX31855 or MAX31856",
            "Write the kind for your chip, or remove your own line with `maxtherm` from `config.txt`.",
        ),
    ),
    unit=lambda values: "K" if values["measure"] else None,
    fastest_hz=4.0,  # a conversion takes up to 220 ms, and each read starts a new one (MAX6675 data sheet)
    wiring=Picture(
        "MAX6675",
        (
            Wire("3V3", "VCC"),
            Wire("GPIO11 (SCLK)", "SCK"),
            Wire("GPIO9 (MISO)", "SO"),
            Wire("GPIO8 (CE0)", "CS"),
            Wire("GND", "GND"),
        ),
        next=Picture("thermocouple", (Wire("T+", "+"), Wire("T-", "-"))),
    ),
    example="""\
[[sensor]]
id = "exhaust-gas"
name = "Exhaust gas"
kind = "max6675"
path = "propulsion.main.exhaustTemperature"
alarm = { above = "550 °C", for = "10 s", severity = "warn", text = "The exhaust gas is too hot" }
""",
)
