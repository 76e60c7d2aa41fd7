"""Kind `ds1822`: a thermometer on the 1-wire bus, through the kernel's `w1_therm`."""

from typing import Final

from sensors.chips.fault_tables import ONE_WIRE_FAULTS
from sensors.chips.one_wire import FAMILIES, one_wire_chip
from sensors.chips.one_wire_driver import (
    READ_S,
    ThermometerDriver,
    ThermometerModel,
    celsius_range,
    kelvin,
    thermometer_facts,
)
from sensors.chips.one_wire_keys import OneWireOptions, address_key
from sensors.chips.scratchpad import twelve_bits
from sensors.kind import SensorKind
from sensors.toml.declarations import section
from sensors.wiring_picture import Picture, Wire

MODEL: Final = ThermometerModel(
    title="DS1822",
    family=FAMILIES["22"],
    range=celsius_range(-55, 125),
    celsius=twelve_bits,
)


@section
class Ds1822Options(OneWireOptions):
    """Options of the kind `ds1822`."""

    address: str | None = address_key(MODEL.title, MODEL.family)


KIND: Final = SensorKind(
    name="ds1822",
    title="Thermometer: DS1822",
    measures="temperatures from -55 to 125 °C, with an error of up to 2 K",
    description="""\
A DS1822 is a thermometer on the 1-wire bus. It is a less accurate DS18B20: its error is up to 2 K from -10
to 85 °C (Maxim, DS1822 data sheet).

Several thermometers can share the three wires, and each of them then needs an `address`. Thermometers of
other families can be on the same bus. To find the address of a thermometer, connect it alone, and list
`/sys/bus/w1/devices`: the address begins with `22-`. The thermometers on a bus are read one after the
other, which takes 0.8 s each.

Connect all three wires. Readings with a wrong checksum are skipped. After a loss of power, the chip reports
85 °C, and its data do not show whether it measured this value. So a reading of exactly 85 °C is skipped,
unless another reading in the last 10 minutes was within 5 K of it. If there is no good reading for 10 s, or
for three intervals, the sensor is `failed`.

Logboat was tested with a simulation of this chip, not yet with a real one.""",
    options=Ds1822Options,
    driver=lambda settings, context: ThermometerDriver(settings, MODEL, root=context.root),
    facts=lambda settings, _written: thermometer_facts(settings, MODEL),
    chips={"ds1822": one_wire_chip(MODEL.title)},
    faults=ONE_WIRE_FAULTS,
    unit=kelvin,
    interval_s=10.0,
    fastest_hz=1.0,
    read_s=READ_S,
    wiring=Picture(
        "DS1822",
        (
            Wire("3V3", "VDD", bridge="4.7 kΩ"),
            Wire("GPIO4", "DQ"),
            Wire("GND", "GND"),
        ),
    ),
    example="""\
[[sensor]]
id = "engine-room"
name = "Engine room"
kind = "ds1822"
address = "22-0316a2795cff"
path = "environment.inside.engineRoom.temperature"
alarm = { above = "60 °C", for = "1 min", severity = "warn", text = "The engine room is hot" }
""",
)
