"""Kind `ds18b20`: a thermometer on the 1-wire bus, through the kernel's `w1_therm`."""

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
from sensors.chips.scratchpad import mark_after_power_up, twelve_bits
from sensors.kind import SensorKind
from sensors.toml.declarations import section
from sensors.wiring_picture import Picture, Wire

MODEL: Final = ThermometerModel(
    title="DS18B20",
    family=FAMILIES["28"],
    range=celsius_range(-55, 125),
    celsius=twelve_bits,
    after_power_up=mark_after_power_up,
)


@section
class Ds18b20Options(OneWireOptions):
    """Options of the kind `ds18b20`."""

    address: str | None = address_key(MODEL.title, MODEL.family)


KIND: Final = SensorKind(
    name="ds18b20",
    title="Thermometer: DS18B20",
    measures="temperatures from -55 to 125 °C",
    description="""\
A DS18B20 is a thermometer on the 1-wire bus. Several thermometers can share the three wires, and each of
them then needs an `address`. To find the address of a thermometer, connect it alone, and list
`/sys/bus/w1/devices`. The thermometers on a bus are read one after the other, which takes 0.8 s each. With
the usual interval of 10 s, a bus can have 12 of them. For more thermometers, set a longer interval with
`every`.

Connect all three wires. Without the supply wire, the voltage can be too low for a conversion. Readings with
a wrong checksum are skipped, and so is the value 85 °C, which the chip reports after a loss of power. If
there is no good reading for 10 s, or for three intervals, the sensor is `failed`.

The address of a DS18B20 begins with `28-`. Other thermometers can be on the same bus, and have kinds of
their own: `ds18s20` (`10-`), `ds1822` (`22-`), `ds1825` and `max31850` (`3b-`) and `ds28ea00` (`42-`).
If Logboat cannot tell a reading of 85 °C from the value after a loss of power, it accepts the reading only if
another reading in the last 10 minutes was within 5 K of it.""",
    options=Ds18b20Options,
    driver=lambda settings, context: ThermometerDriver(settings, MODEL, root=context.root),
    facts=lambda settings, _written: thermometer_facts(settings, MODEL),
    chips={"ds18b20": one_wire_chip(MODEL.title)},
    faults=ONE_WIRE_FAULTS,
    unit=kelvin,
    interval_s=10.0,
    fastest_hz=1.0,
    read_s=READ_S,
    wiring=Picture(
        "DS18B20",
        (
            Wire("3V3", "VDD", bridge="4.7 kΩ"),
            Wire("GPIO4", "DQ"),
            Wire("GND", "GND"),
        ),
    ),
    example="""\
[[sensor]]
id = "exhaust"
name = "Exhaust elbow"
kind = "ds18b20"
address = "28-0316a2795cff"
path = "propulsion.main.exhaustTemperature"
alarm = { above = "75 °C", for = "20 s", severity = "alarm", text = "The exhaust is hot" }
""",
)
