"""Kind `bmp280`: air pressure and temperature, through the kernel's `bmp280`."""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY
from typing import Any, Final

from sensors.chips.chip_keys import address_key, bus_key, wiring_of_chip
from sensors.chips.fault_tables import I2C_FAULTS
from sensors.chips.kernel_driver import MeasurementDriver, range_fact
from sensors.chips.sysfs import Subsystem, SysfsChip, Wiring, i2c_overlay
from sensors.driver import options_of
from sensors.driver_context import DriverContext
from sensors.kind import SensorKind
from sensors.settings import Fact, Options, SensorSettings
from sensors.toml.declarations import key, section
from sensors.toml.schema import choice
from sensors.wiring_picture import Picture, Wire

from . import bme280

CHIP: Final = SysfsChip(
    title="BMP280",
    wiring=Wiring.I2C,
    addresses=range(0x76, 0x78),
    overlay=i2c_overlay("i2c-sensor,bmp280,addr=0x{:02x}"),
    subsystem=Subsystem.IIO,
    names=frozenset({"bmp280"}),
)
MEASUREMENTS: Final = {name: bme280.MEASUREMENTS[name] for name in ("temperature", "pressure")}
"""Quantities that the key `measure` can select, by its values.

Attributes and ranges are those of the BME280, which the same kernel driver reads (Bosch's BST-BMP280-DS001).
"""


@section
class Bmp280Options(Options):
    """Options of the kind `bmp280`."""

    _: KW_ONLY
    bus: int = bus_key(CHIP)
    address: int | None = address_key(CHIP)
    measure: str = key(
        choice(*MEASUREMENTS),
        example='"pressure"',
        meaning="Quantity to record. Each sensor records one quantity.",
    )


def _driver(settings: SensorSettings, context: DriverContext) -> MeasurementDriver:
    options = options_of(settings, Bmp280Options)
    return MeasurementDriver(
        settings,
        CHIP,
        MEASUREMENTS[options.measure],
        bus=options.bus,
        address=options.address,
        root=context.root,
    )


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, Bmp280Options)
    yield "wiring", wiring_of_chip(CHIP, options.bus, options.address)
    yield range_fact(MEASUREMENTS[options.measure].range, settings)


KIND: Final = SensorKind(
    name="bmp280",
    title="Air pressure: BMP280",
    measures="the pressure and temperature of the air",
    description="""\
A BMP280 measures the pressure (300 to 1100 hPa) and the temperature (-40 to 85 °C) of the air. Write one
`[[sensor]]` for each quantity; both can refer to the same chip.

The chip's pin SDO selects the address: `0x76` if SDO is connected to ground, `0x77` if it is connected to
3.3 V. The Raspberry Pi itself has the pull-up resistors that I2C needs. Boards with a BMP280 and with a
BME280 look alike. If the chip is a BME280, which also measures humidity, write `kind = "bme280"`.

Logboat was tested with a simulation of this chip, not yet with a real one.""",
    options=Bmp280Options,
    driver=_driver,
    facts=_facts,
    chips={"bmp280": CHIP},
    faults=I2C_FAULTS,
    unit=lambda values: each.unit if (each := MEASUREMENTS.get(values["measure"] or "")) else None,
    wiring=Picture(
        "BMP280",
        (
            Wire("3V3", "VDD, CSB"),
            Wire("GPIO2 (SDA)", "SDI"),
            Wire("GPIO3 (SCL)", "SCK"),
            Wire("GND", "GND, SDO"),
        ),
    ),
    example="""\
[[sensor]]
id = "barometer"
name = "Barometer"
kind = "bmp280"
measure = "pressure"
address = 0x76
path = "environment.outside.pressure"
every = "1 min"
alarm = { below = "985 hPa", for = "10 min", severity = "warn", text = "The barometer is low" }
""",
)
