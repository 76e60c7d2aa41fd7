"""Kind `max31850`: a thermocouple on the 1-wire bus, through the kernel's `w1_therm`."""

from typing import Final

from sensors.chips.fault_tables import ONE_WIRE_FAULTS
from sensors.chips.one_wire import FAMILIES, one_wire_chip
from sensors.chips.one_wire_driver import (
    ThermometerDriver,
    ThermometerModel,
    celsius_range,
    kelvin,
    thermometer_facts,
)
from sensors.chips.one_wire_keys import OneWireOptions, address_key
from sensors.chips.scratchpad import max31850
from sensors.kind import SensorKind
from sensors.toml.declarations import section
from sensors.wiring_picture import Picture, Wire

MODEL: Final = ThermometerModel(
    title="MAX31850",
    family=FAMILIES["3b"],
    range=celsius_range(-270, 1768),
    celsius=max31850,
)

READ_S: Final = 1.7
"""Time in seconds for one read.

The chip needs 0.1 s for a conversion (data sheet), but kernels that treat it as a 14-bit thermometer wait
1.6 s (`w1_DS18B20_convert_time`).
"""


@section
class Max31850Options(OneWireOptions):
    """Options of the kind `max31850`."""

    address: str | None = address_key(MODEL.title, MODEL.family, "0000001c2d3e")


KIND: Final = SensorKind(
    name="max31850",
    title="Thermocouple on 1-wire: MAX31850 or MAX31851",
    measures="high temperatures, such as those of exhaust gas, on the 1-wire bus",
    description="""\
A MAX31850 or MAX31851 connects a thermocouple to the 1-wire bus. It measures temperatures that are too high
for other sensors, such as the temperature of exhaust gas, with a resolution of 0.25 K. It compensates for the
temperature of the cold junction. The letter at the end of the chip's name is the type of thermocouple for
which it is made, such as K.

Several chips can share the three wires, also with thermometers of other types, and each of them then needs
an `address`. To find it, connect the chip alone, and list `/sys/bus/w1/devices`: the address begins with
`3b-`. Each read takes up to 1.7 s, because some kernels wait for the longest conversion.

A broken thermocouple is recorded as `open`, and a wire that touches the supply or ground as `short`. Use a
thermocouple that is insulated from the engine. Logboat computes the temperature from the bytes of the chip,
because some kernels convert them incorrectly. Readings with a wrong checksum are skipped. The thermometers of
this family report 85 °C after a loss of power, and the data sheet does not exclude this for a MAX31850. So a
reading of exactly 85 °C is skipped, unless another reading in the last 10 minutes was within 5 K of it. If
there is no good reading for 10 s, or for three intervals, the sensor is `failed`.

The address of a DS1825 also begins with `3b-`. If your chip is a DS1825, the sensor is `failed`, and the
message names the chip. In that case, write `kind = "ds1825"`.

Logboat was tested with a simulation of this chip, not yet with a real one.""",
    options=Max31850Options,
    driver=lambda settings, context: ThermometerDriver(settings, MODEL, root=context.root),
    facts=lambda settings, _written: thermometer_facts(settings, MODEL),
    chips={"max31850": one_wire_chip(MODEL.title)},
    faults=(
        *ONE_WIRE_FAULTS,
        ("the thermocouple is open", "Check for a broken wire, and tighten the terminals `T+` and `T-`."),
        (
            "a thermocouple wire touches ground",
            "Check the insulation of the cable. Use a thermocouple that is insulated from the engine.",
        ),
        ("a thermocouple wire touches the supply", "Check the insulation of the cable, and the terminals."),
        (
            "this chip is a DS1825, not a MAX31850",
            'The address belongs to a thermometer. Write `kind = "ds1825"`, or another address.',
        ),
    ),
    unit=kelvin,
    interval_s=10.0,
    fastest_hz=0.5,
    read_s=READ_S,
    wiring=Picture(
        "MAX31850",
        (
            Wire("3V3", "VDD", bridge="4.7 kΩ"),
            Wire("GPIO4", "DQ"),
            Wire("GND", "GND"),
        ),
        next=Picture("thermocouple", (Wire("T+", "+"), Wire("T-", "-"))),
    ),
    example="""\
[[sensor]]
id = "exhaust-gas"
name = "Exhaust gas"
kind = "max31850"
address = "3b-0000001c2d3e"
path = "propulsion.main.exhaustTemperature"
alarm = { above = "550 °C", for = "20 s", severity = "warn", text = "The exhaust gas is too hot" }
""",
)
