"""Kind `thermocouple`: a thermocouple connected to a MAX31855 or MAX31856, read by the kernel's drivers."""

import errno
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

CHIP: Final = SysfsChip(
    title="MAX31855 or MAX31856",
    wiring=Wiring.SPI,
    addresses=CHIP_SELECTS,
    overlay=spi_overlay("maxtherm,spi{}-{},max31855k"),
    subsystem=Subsystem.IIO,
    names=frozenset({"maxim_thermocouple", "max31855", "max31856"})
    | {f"max31855{letter}" for letter in "ejknrst"},
)

AMBIENT: Final = "in_temp_ambient_raw"
"""Attribute with the temperature of the cold junction, which a MAX6675 does not have."""


@section
class ThermocoupleOptions(Options):
    """Options of the kind `thermocouple`."""

    bus: int = bus_key(CHIP)
    address: int | None = address_key(CHIP)
    measure: str = key(
        choice("temperature"), default="temperature", example='"temperature"', meaning="Quantity to record."
    )


class ThermocoupleDriver(ChipDriver):
    """Driver of a MAX31855 through `maxim_thermocouple`, or of a MAX31856 through `max31856`."""

    RANGE: ClassVar[Range] = Range(-270 + ZERO_CELSIUS, 1800 + ZERO_CELSIUS, "K")

    def read(self, directory: Path, now_ns: int) -> BusReading | None:  # noqa: ARG002
        """Return a temperature in kelvin, or the fault of the thermocouple's wires."""
        try:
            raw = read_number(directory / "in_temp_raw")
        except UnreadableError as error:
            fault = wire_fault(directory, error)
            if fault is None:
                raise
            return fault
        if raw == 0 and _sends_only_zeros(directory):
            raise DriverError("the chip sends only zeros; check the SPI wires and the supply")
        millidegrees = raw * read_number(directory / "in_temp_scale")
        return self.RANGE.reading(millidegrees / 1000 + ZERO_CELSIUS)


def _sends_only_zeros(directory: Path) -> bool:
    """Return True if the temperature of the cold junction is 0 too, or if the chip does not measure it."""
    ambient = directory / AMBIENT
    return not ambient.exists() or read_number(ambient) == 0


def wire_fault(directory: Path, error: UnreadableError) -> BusReading | None:
    """Return the wiring fault that an error from the kernel indicates, or None if it has another cause.

    A MAX31856 has an attribute for each fault. For a MAX31855 or MAX6675 the kernel reports only that a fault
    bit is set (EINVAL), and an open thermocouple is by far the most likely cause.
    """
    for attribute, state, detail in (
        ("fault_oc", SensorState.OPEN, "the thermocouple is open; check for a broken or loose wire"),
        ("fault_ovuv", SensorState.SHORT, "a thermocouple wire touches the supply or ground"),
    ):
        if (directory / attribute).exists() and read_number(directory / attribute) != 0:
            return BusReading(None, state, detail)
    if error.errno == errno.EINVAL:
        return BusReading(
            None,
            SensorState.OPEN,
            "the chip reports a fault: the thermocouple is open or shorted, or there is no chip",
        )
    return None


def _driver(settings: SensorSettings, context: DriverContext) -> ThermocoupleDriver:
    options = options_of(settings, ThermocoupleOptions)
    return ThermocoupleDriver(settings, CHIP, bus=options.bus, address=options.address, root=context.root)


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, ThermocoupleOptions)
    yield "wiring", wiring_of_chip(CHIP, options.bus, options.address)
    yield range_fact(ThermocoupleDriver.RANGE, settings)


KIND: Final = SensorKind(
    name="thermocouple",
    title="Thermocouple: MAX31855 or MAX31856",
    measures="high temperatures, such as those of exhaust gas",
    description="""\
A thermocouple measures temperatures that are too high for other sensors, such as the temperature of exhaust
gas. A MAX31855 or MAX31856 amplifies the voltage of the thermocouple, and compensates for the temperature
of the cold junction. The letter at the end of the name of a MAX31855 is the type of thermocouple for which
the chip is made, such as K.

A broken thermocouple is recorded as `open`. A MAX31856 also reports a wire that touches the supply or
ground, which is recorded as `short`. Use a thermocouple that is insulated from the engine.

A MAX6675 has the kind `max6675`. A MAX31850 is connected to the 1-wire bus, and has the kind `max31850`.""",
    options=ThermocoupleOptions,
    driver=_driver,
    facts=_facts,
    chips={"thermocouple": CHIP},
    unit=lambda values: "K" if values["measure"] else None,
    fastest_hz=10.0,  # a conversion takes 100 ms (MAX31855 data sheet)
    wiring=Picture(
        "MAX31855",
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
kind = "thermocouple"
path = "propulsion.main.exhaustTemperature"
alarm = { above = "550 °C", for = "10 s", severity = "warn", text = "The exhaust gas is too hot" }
""",
)
