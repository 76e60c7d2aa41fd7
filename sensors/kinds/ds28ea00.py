"""Kind `ds28ea00`: a thermometer on the 1-wire bus, through the kernel's `w1_therm`."""

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
    title="DS28EA00",
    family=FAMILIES["42"],
    range=celsius_range(-40, 85),
    celsius=twelve_bits,
)


@section
class Ds28ea00Options(OneWireOptions):
    """Options of the kind `ds28ea00`."""

    address: str | None = address_key(MODEL.title, MODEL.family, "0000002b3c4d")


KIND: Final = SensorKind(
    name="ds28ea00",
    title="Thermometer: DS28EA00",
    measures="temperatures from -40 to 85 °C",
    description="""\
A DS28EA00 is a thermometer on the 1-wire bus, with two more pins that show the order of the chips along the
wire. Logboat identifies the chip by its `address` instead, and does not use these pins.

Several thermometers can share the three wires, and each of them then needs an `address`. Thermometers of
other families can be on the same bus. To find the address of a thermometer, connect it alone, and list
`/sys/bus/w1/devices`: the address begins with `42-`. The thermometers on a bus are read one after the
other, which takes 0.8 s each.

Connect all three wires. Readings with a wrong checksum are skipped. After a loss of power, the chip reports
85 °C, and its data do not show whether it measured this value. So a reading of exactly 85 °C is skipped,
unless another reading in the last 10 minutes was within 5 K of it. If there is no good reading for 10 s, or
for three intervals, the sensor is `failed`.

Logboat was tested with a simulation of this chip, not yet with a real one.""",
    options=Ds28ea00Options,
    driver=lambda settings, context: ThermometerDriver(settings, MODEL, root=context.root),
    facts=lambda settings, _written: thermometer_facts(settings, MODEL),
    chips={"ds28ea00": one_wire_chip(MODEL.title)},
    faults=ONE_WIRE_FAULTS,
    unit=kelvin,
    interval_s=10.0,
    fastest_hz=1.0,
    read_s=READ_S,
    wiring=Picture(
        "DS28EA00",
        (
            Wire("3V3", "VDD", bridge="4.7 kΩ"),
            Wire("GPIO4", "IO"),
            Wire("GND", "GND"),
        ),
    ),
    example="""\
[[sensor]]
id = "freezer"
name = "Freezer"
kind = "ds28ea00"
address = "42-0000002b3c4d"
path = "environment.inside.freezer.temperature"
alarm = { above = "-12 °C", for = "30 min", severity = "warn", text = "The freezer is warm" }
""",
)
