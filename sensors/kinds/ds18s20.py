"""Kind `ds18s20`: a thermometer on the 1-wire bus, through the kernel's `w1_therm`."""

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
from sensors.chips.scratchpad import ds18s20
from sensors.kind import SensorKind
from sensors.toml.declarations import section
from sensors.wiring_picture import Picture, Wire

MODEL: Final = ThermometerModel(
    title="DS18S20",
    family=FAMILIES["10"],
    range=celsius_range(-55, 125),
    celsius=ds18s20,
)


@section
class Ds18s20Options(OneWireOptions):
    """Options of the kind `ds18s20`."""

    address: str | None = address_key(MODEL.title, MODEL.family, "000802a1b3c4")


KIND: Final = SensorKind(
    name="ds18s20",
    title="Thermometer: DS18S20 (DS1820)",
    measures="temperatures from -55 to 125 °C",
    description="""\
A DS18S20 is a thermometer on the 1-wire bus, the successor of the DS1820. It looks like a DS18B20, but
sends its data in a different format. Its address shows which of the two you have.

Several thermometers can share the three wires, and each of them then needs an `address`. Thermometers of
other families can be on the same bus. To find the address of a thermometer, connect it alone, and list
`/sys/bus/w1/devices`: the address begins with `10-`. The thermometers on a bus are read one after the
other, which takes 0.8 s each.

Connect all three wires. Readings with a wrong checksum are skipped. After a loss of power, the chip reports
85 °C, and its data do not show whether it measured this value. So a reading of exactly 85 °C is skipped,
unless another reading in the last 10 minutes was within 5 K of it. If there is no good reading for 10 s, or
for three intervals, the sensor is `failed`.

The kernel computes fractions of a degree from two counters of the chip. If these are impossible, the kernel
reports 0 °C, or a value that is too low. Logboat rejects such a reading, and the message names the counter.

Logboat was tested with a simulation of this chip, not yet with a real one.""",
    options=Ds18s20Options,
    driver=lambda settings, context: ThermometerDriver(settings, MODEL, root=context.root),
    facts=lambda settings, _written: thermometer_facts(settings, MODEL),
    chips={"ds18s20": one_wire_chip(MODEL.title)},
    faults=(
        *ONE_WIRE_FAULTS,
        (
            "the chip sent …",
            "Its counters are impossible. Check the wires; if they are good, replace the chip.",
        ),
    ),
    unit=kelvin,
    interval_s=10.0,
    fastest_hz=1.0,
    read_s=READ_S,
    wiring=Picture(
        "DS18S20",
        (
            Wire("3V3", "VDD", bridge="4.7 kΩ"),
            Wire("GPIO4", "DQ"),
            Wire("GND", "GND"),
        ),
    ),
    example="""\
[[sensor]]
id = "coolant"
name = "Coolant"
kind = "ds18s20"
address = "10-000802a1b3c4"
path = "propulsion.main.coolantTemperature"
alarm = { above = "95 °C", for = "20 s", severity = "alarm", text = "The engine is hot" }
""",
)
