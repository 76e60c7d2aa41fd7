"""Kind `bme680`: temperature, humidity, pressure and quality of the air, through the kernel's `bme680`."""

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
    title="BME680",
    wiring=Wiring.I2C,
    addresses=range(0x76, 0x78),
    overlay=i2c_overlay("i2c-sensor,bme680,addr=0x{:02x}"),
    subsystem=Subsystem.IIO,
    names=frozenset({"bme680"}),
)
MEASUREMENTS: Final = {
    "temperature": Measurement(
        "in_temp_input", lambda m: m / 1000 + ZERO_CELSIUS, Range(233.15, 358.15, "K"), "K"
    ),
    "relativeHumidity": Measurement(
        "in_humidityrelative_input", lambda percent: percent / 100, Range(0.0, 1.0, "of 1"), "ratio"
    ),
    "pressure": Measurement(
        "in_pressure_input", lambda kilo: kilo * 1000, Range(30_000.0, 110_000.0, "Pa"), "Pa"
    ),
    "gasResistance": Measurement("in_resistance_input", lambda ohm: ohm, Range(1.0, 2**31 - 1, "ohm"), "ohm"),
}
"""Quantities that the key `measure` can select, by its values.

The kernel's units are m°C, %, kPa and ohm (`drivers/iio/chemical/bme680_core.c`). The humidity is in %,
not in m% as with other chips. Older kernels report the pressure in hPa. Such values are out of range here.
The ranges of temperature, humidity and pressure are from Bosch's BST-BME680-DS001. The data sheet states no
range for the gas resistance, so its range is that of the kernel's integer.
"""


@section
class Bme680Options(Options):
    """Options of the kind `bme680`."""

    _: KW_ONLY
    bus: int = bus_key(CHIP)
    address: int | None = address_key(CHIP)
    measure: str = key(
        choice(*MEASUREMENTS),
        example='"temperature"',
        meaning="Quantity to record. Each sensor records one quantity.",
    )


def _driver(settings: SensorSettings, context: DriverContext) -> MeasurementDriver:
    options = options_of(settings, Bme680Options)
    return MeasurementDriver(
        settings,
        CHIP,
        MEASUREMENTS[options.measure],
        bus=options.bus,
        address=options.address,
        root=context.root,
    )


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, Bme680Options)
    yield "wiring", wiring_of_chip(CHIP, options.bus, options.address)
    yield range_fact(MEASUREMENTS[options.measure].range, settings)


KIND: Final = SensorKind(
    name="bme680",
    title="Climate and air quality: BME680",
    measures="the temperature, relative humidity and pressure of the air, and organic gases in it",
    description="""\
A BME680 measures the temperature (-40 to 85 °C), the relative humidity and the pressure (300 to 1100 hPa)
of the air. It also measures the electrical resistance of a heated metal oxide, which falls if the air
contains organic gases, such as fuel vapour or solvents. Write one `[[sensor]]` for each quantity; they can
all refer to the same chip.

The resistance shows changes of the air, not a concentration. The resistance differs from chip to chip, and
drifts while a chip is new. Do not use the sensor as a gas alarm: it does not replace a detector for carbon
monoxide, gas or petrol vapour. Each reading of any quantity heats the chip for 0.15 s. Frequent readings
therefore raise the temperature that the chip measures, so the default interval is 10 s.

The chip's pin SDO selects the address: `0x76` if SDO is connected to ground, `0x77` if it is connected to
3.3 V. The Raspberry Pi itself has the pull-up resistors that I2C needs. Old kernels report the pressure in
the wrong unit. The pressure is then recorded as `out-of-range`.""",
    options=Bme680Options,
    driver=_driver,
    facts=_facts,
    chips={"bme680": CHIP},
    faults=I2C_FAULTS,
    unit=lambda values: each.unit if (each := MEASUREMENTS.get(values["measure"] or "")) else None,
    interval_s=10.0,
    fastest_hz=1.0,  # a reading takes 0.19 s, of which the heater is on for 0.15 s (`bme680_wait_for_eoc`)
    wiring=Picture(
        "BME680",
        (
            Wire("3V3", "VDD"),
            Wire("GPIO2 (SDA)", "SDA"),
            Wire("GPIO3 (SCL)", "SCL"),
            Wire("GND", "GND, SDO"),
        ),
    ),
    example="""\
[[sensor]]
id = "engine-room-air"
name = "Air in the engine room"
kind = "bme680"
measure = "gasResistance"
address = 0x76
path = "environment.inside.engineRoom.gasResistance"
every = "1 min"
deadband = "1 kohm"
""",
)
