"""Kind `bme280`: air temperature, relative humidity and air pressure, through the kernel's `bmp280`."""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY
from typing import Any, Final

from sensors.chips.chip_keys import address_key, bus_key, wiring_of_chip
from sensors.chips.fault_tables import I2C_FAULTS
from sensors.chips.kernel_driver import Measurement, MeasurementDriver, Range, range_fact
from sensors.chips.sysfs import Subsystem, SysfsChip, Wiring, i2c_overlay
from sensors.driver import options_of
from sensors.driver_context import DriverContext
from sensors.kind import SensorKind
from sensors.settings import Fact, Options, SensorSettings
from sensors.toml.declarations import key, section
from sensors.toml.schema import choice
from sensors.units import ZERO_CELSIUS
from sensors.wiring_picture import Picture, Wire

CHIP: Final = SysfsChip(
    title="BME280",
    wiring=Wiring.I2C,
    addresses=range(0x76, 0x78),
    overlay=i2c_overlay("i2c-sensor,bme280,addr=0x{:02x}"),
    subsystem=Subsystem.IIO,
    names=frozenset({"bme280"}),
)
MEASUREMENTS: Final = {
    "temperature": Measurement(
        "in_temp_input", lambda m: m / 1000 + ZERO_CELSIUS, Range(233.15, 358.15, "K"), "K"
    ),
    "relativeHumidity": Measurement(
        "in_humidityrelative_input", lambda m: m / 100_000, Range(0.0, 1.0, "of 1"), "ratio"
    ),
    "pressure": Measurement(
        "in_pressure_input", lambda kilo: kilo * 1000, Range(30_000.0, 110_000.0, "Pa"), "Pa"
    ),
}
"""Quantities that the key `measure` can select, by its values.

The kernel's units are m°C, m% and kPa (`sysfs-bus-iio`); the ranges are from Bosch's BST-BME280-DS001.
"""


@section
class Bme280Options(Options):
    """Options of the kind `bme280`."""

    _: KW_ONLY
    bus: int = bus_key(CHIP)
    address: int | None = address_key(CHIP)
    measure: str = key(
        choice(*MEASUREMENTS),
        example='"temperature"',
        meaning="Quantity to record. Each sensor records one quantity.",
    )


def _driver(settings: SensorSettings, context: DriverContext) -> MeasurementDriver:
    options = options_of(settings, Bme280Options)
    return MeasurementDriver(
        settings,
        CHIP,
        MEASUREMENTS[options.measure],
        bus=options.bus,
        address=options.address,
        root=context.root,
    )


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, Bme280Options)
    yield "wiring", wiring_of_chip(CHIP, options.bus, options.address)
    yield range_fact(MEASUREMENTS[options.measure].range, settings)


KIND: Final = SensorKind(
    name="bme280",
    title="Climate: BME280",
    measures="the temperature, relative humidity and pressure of the air",
    description="""\
A BME280 measures the temperature (-40 to 85 °C), the relative humidity and the pressure (300 to 1100 hPa)
of the air. Write one `[[sensor]]` for each quantity; they can all refer to the same chip.

The chip's pin SDO selects the address: `0x76` if SDO is connected to ground, `0x77` if it is connected to
3.3 V. The Raspberry Pi itself has the pull-up resistors that I2C needs. Do not confuse the chip with a
BMP280, which has no humidity sensor and the kind `bmp280`.""",
    options=Bme280Options,
    driver=_driver,
    facts=_facts,
    chips={"bme280": CHIP},
    faults=I2C_FAULTS,
    unit=lambda values: each.unit if (each := MEASUREMENTS.get(values["measure"] or "")) else None,
    wiring=Picture(
        "BME280",
        (
            Wire("3V3", "VDD"),
            Wire("GPIO2 (SDA)", "SDA"),
            Wire("GPIO3 (SCL)", "SCL"),
            Wire("GND", "GND, SDO"),
        ),
    ),
    example="""\
[[sensor]]
id = "saloon-humidity"
name = "Humidity in the saloon"
kind = "bme280"
measure = "relativeHumidity"
address = 0x76
path = "environment.inside.saloon.relativeHumidity"
every = "1 min"
alarm = { above = 0.8, for = "1 h", severity = "warn", text = "The saloon is damp" }
""",
)
