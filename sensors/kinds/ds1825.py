"""Kind `ds1825`: a thermometer on the 1-wire bus, through the kernel's `w1_therm`."""

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
from sensors.chips.scratchpad import ds1825
from sensors.kind import SensorKind
from sensors.toml.declarations import section
from sensors.wiring_picture import Picture, Wire

MODEL: Final = ThermometerModel(
    title="DS1825",
    family=FAMILIES["3b"],
    range=celsius_range(-55, 125),
    celsius=ds1825,
)


@section
class Ds1825Options(OneWireOptions):
    """Options of the kind `ds1825`."""

    address: str | None = address_key(MODEL.title, MODEL.family, "0000001c2d3e")


KIND: Final = SensorKind(
    name="ds1825",
    title="Thermometer: DS1825",
    measures="temperatures from -55 to 125 °C",
    description="""\
A DS1825 is a thermometer on the 1-wire bus, with four pins that give it a number. Logboat identifies the chip
by its `address` instead, and does not use these pins.

Several thermometers can share the three wires, and each of them then needs an `address`. Thermometers of
other families can be on the same bus. To find the address of a thermometer, connect it alone, and list
`/sys/bus/w1/devices`: the address begins with `3b-`. The thermometers on a bus are read one after the
other, which takes 0.8 s each.

Connect all three wires. Readings with a wrong checksum are skipped. After a loss of power, the chip reports
85 °C, and its data do not show whether it measured this value. So a reading of exactly 85 °C is skipped,
unless another reading in the last 10 minutes was within 5 K of it. If there is no good reading for 10 s, or
for three intervals, the sensor is `failed`.

The address of a MAX31850, which reads a thermocouple, also begins with `3b-`. If your chip is a MAX31850, the
sensor is `failed`, and the message names the chip. In that case, write `kind = "max31850"`.

Logboat was tested with a simulation of this chip, not yet with a real one.""",
    options=Ds1825Options,
    driver=lambda settings, context: ThermometerDriver(settings, MODEL, root=context.root),
    facts=lambda settings, _written: thermometer_facts(settings, MODEL),
    chips={"ds1825": one_wire_chip(MODEL.title)},
    faults=(
        *ONE_WIRE_FAULTS,
        (
            "this chip is a MAX31850 or MAX31851",
            'The address belongs to a thermocouple. Write `kind = "max31850"`, or another address.',
        ),
    ),
    unit=kelvin,
    interval_s=10.0,
    fastest_hz=1.0,
    read_s=READ_S,
    wiring=Picture(
        "DS1825",
        (
            Wire("3V3", "VDD", bridge="4.7 kΩ"),
            Wire("GPIO4", "DQ"),
            Wire("GND", "GND"),
        ),
    ),
    example="""\
[[sensor]]
id = "shaft-bearing"
name = "Shaft bearing"
kind = "ds1825"
address = "3b-0000001c2d3e"
path = "propulsion.main.shaftBearing.temperature"
alarm = { above = "70 °C", for = "1 min", severity = "warn", text = "The shaft bearing is hot" }
""",
)
