"""Kind `sht3x`: air temperature and relative humidity, through the kernel's `sht3x`."""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, Final

from sensors.chips.chip_keys import address_key, bus_key, wiring_of_chip
from sensors.chips.fault_tables import I2C_FAULTS
from sensors.chips.kernel_driver import BusReading, Measurement, MeasurementDriver, Range, range_fact
from sensors.chips.sysfs import Subsystem, SysfsChip, Wiring, i2c_overlay
from sensors.driver import options_of
from sensors.driver_context import DriverContext
from sensors.kind import SensorKind
from sensors.settings import Fact, Options, SensorSettings
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import choice
from sensors.units import ZERO_CELSIUS
from sensors.wiring_picture import Picture, Wire

CHIP: Final = SysfsChip(
    title="SHT3x",
    wiring=Wiring.I2C,
    addresses=range(0x44, 0x46),
    overlay=i2c_overlay("i2c-sensor,sht3x,addr=0x{:02x}"),
    subsystem=Subsystem.HWMON,
    names=frozenset({"sht3x"}),
)
_TEMPERATURE: Final = Measurement(
    "temp1_input", lambda m: m / 1000 + ZERO_CELSIUS, Range(233.15, 398.15, "K"), "K"
)
MEASUREMENTS: Final = {
    "temperature": _TEMPERATURE,
    "relativeHumidity": Measurement(
        "humidity1_input", lambda m: m / 100_000, Range(0.0, 1.0, "of 1"), "ratio"
    ),
}
"""Quantities that the key `measure` can select, by its values.

The kernel's units are m°C and m% (`Documentation/hwmon/sht3x.rst`); the ranges are from Sensirion's data
sheet for the SHT3x-DIS.
"""


@section
class Sht3xOptions(Options):
    """Options of the kind `sht3x`."""

    _: KW_ONLY
    bus: int = bus_key(CHIP)
    address: int | None = address_key(CHIP)
    measure: str = key(
        choice(*MEASUREMENTS),
        example='"relativeHumidity"',
        meaning="Quantity to record. Each sensor records one quantity.",
    )


class Sht3xDriver(MeasurementDriver):
    """Driver of an SHT3x.

    The kernel does not check the CRC of a reading. If the data wire has a fault during a transfer, all bits
    are equal. They then encode 0 % and -45 °C, or 100 % and 130 °C. Such a humidity is possible, but such a
    temperature is beyond the range. So the humidity is used only if the temperature is possible.
    """

    def read(self, directory: Path, now_ns: int) -> BusReading | None:
        """Return a reading of the quantity, or an `out-of-range` reading without a value."""
        if self._measurement is not _TEMPERATURE:
            temperature = _TEMPERATURE.read(directory)
            if temperature.state is not SensorState.GOOD:
                return BusReading(
                    None,
                    temperature.state,
                    f"the temperature is impossible: {temperature.detail}; check the wires to the chip",
                )
        return super().read(directory, now_ns)


def _driver(settings: SensorSettings, context: DriverContext) -> Sht3xDriver:
    options = options_of(settings, Sht3xOptions)
    return Sht3xDriver(
        settings,
        CHIP,
        MEASUREMENTS[options.measure],
        bus=options.bus,
        address=options.address,
        root=context.root,
    )


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, Sht3xOptions)
    yield "wiring", wiring_of_chip(CHIP, options.bus, options.address)
    yield range_fact(MEASUREMENTS[options.measure].range, settings)


KIND: Final = SensorKind(
    name="sht3x",
    title="Climate: SHT30, SHT31 or SHT35",
    measures="the temperature and relative humidity of the air",
    description="""\
An SHT30, SHT31 or SHT35 measures the temperature (-40 to 125 °C) and the relative humidity of the air. The
three types differ only in their accuracy. Write one `[[sensor]]` for each quantity; both can refer to the
same chip.

The chip's pin ADDR selects the address: `0x44` if ADDR is connected to ground, `0x45` if it is connected to
3.3 V. The Raspberry Pi itself has the pull-up resistors that I2C needs.

The kernel does not verify the checksum of a reading. A fault in the data wire can therefore produce a
humidity of 0 or 100 %. Logboat detects this, because the temperature is then impossible, and records
`out-of-range`.

Logboat was tested with a simulation of this chip, not yet with a real one.""",
    options=Sht3xOptions,
    driver=_driver,
    facts=_facts,
    chips={"sht3x": CHIP},
    faults=(
        *I2C_FAULTS,
        ("the temperature is impossible", "The data wire has a fault. Check it, and shorten the cable."),
    ),
    unit=lambda values: each.unit if (each := MEASUREMENTS.get(values["measure"] or "")) else None,
    fastest_hz=10.0,  # the kernel waits 15 ms for a conversion (`SHT3X_SINGLE_WAIT_TIME_HPM`)
    wiring=Picture(
        "SHT3x",
        (
            Wire("3V3", "VDD"),
            Wire("GPIO2 (SDA)", "SDA"),
            Wire("GPIO3 (SCL)", "SCL"),
            Wire("GND", "VSS, ADDR"),
        ),
    ),
    example="""\
[[sensor]]
id = "forepeak-humidity"
name = "Humidity in the forepeak"
kind = "sht3x"
measure = "relativeHumidity"
address = 0x44
path = "environment.inside.forepeak.relativeHumidity"
every = "1 min"
alarm = { above = "85 %", for = "1 h", severity = "warn", text = "The forepeak is damp" }
""",
)
