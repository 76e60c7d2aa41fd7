"""Kind `ina226`: voltage, current and power at a shunt, through the kernel's `ina2xx`."""

from typing import Final

from sensors.chips.chip_keys import address_key
from sensors.chips.sysfs import Subsystem, SysfsChip, Wiring
from sensors.kind import SensorKind
from sensors.toml.declarations import section
from sensors.wiring_picture import Picture, Wire

from .ina219 import PowerDriver, PowerLimits, PowerOptions, power_check, power_facts, power_unit

CHIP: Final = SysfsChip(
    title="INA226",
    wiring=Wiring.I2C,
    addresses=range(0x40, 0x50),
    overlay=None,  # Raspberry Pi OS has a driver for it, but no overlay
    device="ina226",
    subsystem=Subsystem.HWMON,
    names=frozenset({"ina226", "ina230", "ina231"}),
)
LIMITS: Final = PowerLimits(36.0, 0.0819)  # data sheet SBOS547


@section
class Ina226Options(PowerOptions):
    """Options of the kind `ina226`."""

    address: int | None = address_key(CHIP)


KIND: Final = SensorKind(
    name="ina226",
    title="Voltage and current: INA226",
    measures="voltage up to 36 V, and current and power at a shunt",
    description="""\
An INA226 measures the voltage across a shunt, which is proportional to the current, and the voltage between
its terminal `VBUS` and ground. It measures up to 36 V to ground, and up to 81.9 mV across the shunt, so a
75 mV shunt is suitable. Write one `[[sensor]]` for each quantity; they can all refer to the same chip.

Write `shunt` as it is printed on your shunt: the current, and the voltage at that current, such as
`"100 A / 75 mV"`. The resistance is also accepted: `"750 uohm"` is the same shunt. `logboat config check`
shows the resistance and the largest current that the chip can measure.

A positive current flows from `IN+` to `IN-`. In Signal K a positive battery current charges the battery. So
connect `IN-` to the battery's side of the shunt. If the shunt is already wired the other way round, write
`invert = true` for its current and power. Put a fuse into each wire to the battery.

To measure only the voltage, you need no shunt. The chip measures the voltage at `VBUS` independently of
`IN+` and `IN-` (Texas Instruments, data sheet SBOS547). You do not need to write `shunt`, which has no
effect on the voltage. Connect `VBUS` through a fuse to the positive pole of the battery, and `GND` to its
negative pole. Connect `IN+` and `IN-` to each other and to `GND`, so that they do not float. On a board
with a shunt of its own, the shunt already connects them to each other.

```toml
[[sensor]]
id = "house-voltage"
name = "House battery"
kind = "ina226"
measure = "voltage"
path = "electrical.batteries.house.voltage"
deadband = "20 mV"
alarm = { below = "11.8 V", for = "1 min", severity = "warn", text = "The house battery is low" }
```""",
    options=Ina226Options,
    driver=lambda settings, context: PowerDriver(settings, CHIP, LIMITS, root=context.root),
    chips={"ina226": CHIP},
    unit=power_unit,
    check=power_check(CHIP, LIMITS),
    facts=power_facts(CHIP, LIMITS),
    wiring=Picture(
        "INA226",
        (
            Wire("3V3", "VS"),
            Wire("GPIO2 (SDA)", "SDA"),
            Wire("GPIO3 (SCL)", "SCL"),
            Wire("GND", "GND, A0, A1"),
        ),
        next=Picture(
            "shunt in the positive cable",
            (
                Wire("IN+", "side of chargers and loads"),
                Wire("IN-, VBUS", "side of the battery"),
                Wire("GND", "negative pole of the battery"),
            ),
        ),
    ),
    example="""\
[[sensor]]
id = "house-current"
name = "House battery"
kind = "ina226"
measure = "current"
shunt = "100 A / 75 mV"
path = "electrical.batteries.house.current"
rate = "2 Hz"
deadband = "0.1 A"
alarm = { below = "-80 A", for = "1 min", severity = "warn", text = "The house battery is discharged fast" }
""",
)
