"""Kind `ina219`: voltage, current and power at a shunt, through the kernel's `ina2xx`.

The kind `ina226` has the same keys and the same driver.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Final

from sensors.chips.chip_keys import address_key, bus_key, wiring_of_chip
from sensors.chips.kernel_driver import BusReading, ChipDriver, Range, range_fact
from sensors.chips.sysfs import Subsystem, SysfsChip, Wiring, read_number
from sensors.driver import options_of
from sensors.kind import SensorDraft, SensorKind
from sensors.settings import Fact, Options, SensorSettings
from sensors.shunts import Rating, parse_shunt, parse_shunt_ohm, written_ohm
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import boolean, choice
from sensors.units import tidy
from sensors.wiring_picture import Picture, Wire

CHIP: Final = SysfsChip(
    title="INA219",
    wiring=Wiring.I2C,
    addresses=range(0x40, 0x50),
    overlay=None,  # Raspberry Pi OS has a driver for it, but no overlay
    device="ina219",
    subsystem=Subsystem.HWMON,
    names=frozenset({"ina219", "ina220"}),
)
_UNITS: Final = {"voltage": "V", "current": "A", "power": "W"}
"""SI units of the quantities that the key `measure` can select, by its values."""
_MILLI: Final = 1e-3
"""Factor that converts the kernel's mV and mA to V and A (`Documentation/hwmon/ina2xx.rst`)."""
_STEP_V: Final = 10e-6
"""Resolution of the current, as a voltage across the shunt.

The kernel rounds the current to 1 mA, for the 10 mohm that it assumes. An INA219 also has 10 uV per code, and
an INA226 2.5 uV.
"""
_LEAST_SHARE: Final = 0.01
"""Share of the chip's range below which the rated voltage of a shunt is measured too coarsely."""


@section
class PowerOptions(Options):
    """Options of the kind `ina219`. The options of `ina226` differ only in the chip."""

    _: KW_ONLY
    bus: int = bus_key(CHIP)
    address: int | None = address_key(CHIP)
    measure: str = key(
        choice(*_UNITS), example='"current"', meaning="Quantity to record. Each sensor records one quantity."
    )
    shunt_ohm: float | None = key(
        parse_shunt_ohm,
        name="shunt",
        default=None,
        example='"500 A / 50 mV"',
        meaning="Shunt, for current and power: the current and the voltage that are printed on it, or its"
        ' resistance (`"0.1 mohm"`). It has no effect on the voltage.',
        without="10 mohm, the default of the kernel's driver",
    )
    invert: bool = key(
        boolean,
        default=False,
        example="true",
        meaning="True if `IN+` and `IN-` are swapped at the shunt: current and power then change their sign.",
    )


@dataclass(frozen=True, slots=True)
class PowerLimits:
    """Measuring limits of a chip that monitors current and voltage, in volts."""

    bus_v: float
    shunt_v: float
    """Highest voltage across the shunt, in either direction."""


def power_check(chip: SysfsChip, limits: PowerLimits) -> Callable[[SensorDraft], None]:
    """Return the function that reports a shunt whose rated voltage does not suit this type of chip."""

    def check(draft: SensorDraft) -> None:
        if draft.valid_value("shunt") is None or draft.valid_value("measure") in (None, "voltage"):
            return
        shunt = parse_shunt(draft.table.data["shunt"])
        rating = shunt.rating
        if rating is None:
            return
        if rating.volts > limits.shunt_v:
            most_a = limits.shunt_v / shunt.ohm
            draft.table.warn(
                "shunt",
                f"the shunt has {_at(rating)}, but the {chip.title} measures only up to"
                f" {limits.shunt_v * 1000:g} mV ({most_a:.4g} A)",
                f'If the current never reaches {most_a:.4g} A, write shunt = "{written_ohm(shunt.ohm)}".'
                " Otherwise use a shunt with a lower rated voltage.",
            )
        elif rating.volts < _LEAST_SHARE * limits.shunt_v:
            draft.table.warn(
                "shunt",
                f"the shunt has only {_at(rating)}, so the {chip.title} measures in steps of"
                f" {_step(shunt.ohm)}",
                "Check the voltage that is printed on the shunt, and its unit. Otherwise write the"
                f' resistance: shunt = "{written_ohm(shunt.ohm)}".',
            )

    return check


def _at(rating: Rating) -> str:
    return f"{rating.volts * 1000:g} mV at {rating.amperes:g} A"


def _step(ohm: float) -> str:
    amperes = _STEP_V / ohm
    return f"{amperes:.3g} A" if amperes >= 1 else f"{amperes * 1000:.3g} mA"


class PowerDriver(ChipDriver):
    """Driver of INA219 and INA226 through `ina2xx`: bus voltage in V, current in A, power in W.

    The kernel calculates the current with a shunt resistance of its own (10 mΩ by default), which only root
    can change. If `shunt_ohm` is set, the driver corrects the kernel's result.

    The power is the product of voltage and current, so it has the sign of the current. The chip's own power
    register has no sign (data sheets SBOS448 and SBOS547).
    """

    def __init__(self, settings: SensorSettings, chip: SysfsChip, limits: PowerLimits, *, root: Path) -> None:
        options = options_of(settings, PowerOptions)
        super().__init__(settings, chip, bus=options.bus, address=options.address, root=root)
        self._measure = options.measure
        self._shunt_ohm = options.shunt_ohm
        self._limits = limits
        self._factor = self._sign = -1.0 if options.invert else 1.0

    def find(self) -> Path:
        """Find the chip as `ChipDriver` does, and read the shunt resistance that the kernel assumes."""
        directory = super().find()
        if self._shunt_ohm is not None and self._measure != "voltage":
            kernel_ohm = read_number(directory / "shunt_resistor") * 1e-6
            self._factor = self._sign * kernel_ohm / self._shunt_ohm
        return directory

    def read(self, directory: Path, now_ns: int) -> BusReading | None:  # noqa: ARG002
        """Return the quantity that `measure` selects, or `out-of-range` if the shunt's limit is reached."""
        volts = None
        if self._measure != "current":
            volts = read_number(directory / "in1_input") * _MILLI
            voltage = Range(0.0, self._limits.bus_v, "V").reading(volts)
            if self._measure == "voltage" or voltage.state is not SensorState.GOOD:
                return voltage
        shunt_v = read_number(directory / "in0_input") * _MILLI
        if abs(shunt_v) >= self._limits.shunt_v:
            return BusReading(
                None,
                SensorState.OUT_OF_RANGE,
                f"the chip cannot measure more than {shunt_v:g} V across the shunt",
            )
        amperes = read_number(directory / "curr1_input") * _MILLI * self._factor
        return BusReading(tidy(amperes if volts is None else amperes * volts))


def power_unit(values: Any) -> str | None:
    """Return the SI unit of the quantity that `measure` selects, or None if the quantity is not known."""
    measure = values["measure"]
    return None if measure is None else _UNITS[measure]


def power_facts(
    chip: SysfsChip, limits: PowerLimits
) -> Callable[[SensorSettings, Mapping[str, Any]], Iterator[Fact]]:
    """Return the function that explains the values of the keys for this type of chip."""

    def facts(settings: SensorSettings, written: Mapping[str, Any]) -> Iterator[Fact]:
        options = options_of(settings, PowerOptions)
        yield "wiring", wiring_of_chip(chip, options.bus, options.address)
        if options.measure == "voltage":
            yield range_fact(Range(0.0, limits.bus_v, "V"), settings)
            return
        if options.invert:
            yield "sign", f"the {options.measure} changes its sign, because the shunt is connected in reverse"
        end = f"{limits.shunt_v * 1000:g} mV across the shunt"
        if options.shunt_ohm is None:
            yield "shunt", "the resistance that the kernel's driver assumes (10 mohm by default)"
        else:
            shunt = parse_shunt(written["shunt"])
            most = f"{limits.shunt_v / shunt.ohm:.4g} A"
            yield "shunt", f"{shunt.described}: 1 A causes {shunt.ohm * 1000:.4g} mV"
            yield "range", f"at most {most} in either direction, in steps of {_step(shunt.ohm)}"
            end += f" ({most})"
        above = f", or above {limits.bus_v:g} V" if options.measure == "power" else ""
        yield "fault", f"{SensorState.OUT_OF_RANGE} from {end} in either direction{above}"

    return facts


LIMITS: Final = PowerLimits(26.0, 0.320)  # data sheet SBOS448; PGA /8, as ina2xx sets it

KIND: Final = SensorKind(
    name="ina219",
    title="Voltage and current: INA219",
    measures="voltage up to 26 V, and current and power at a shunt",
    description="""\
An INA219 measures the voltage across a shunt, which is proportional to the current, and the voltage between
`IN-` and ground. It measures up to 26 V to ground, and up to 320 mV across the shunt. Write one
`[[sensor]]` for each quantity; they can all refer to the same chip.

The small boards that carry the chip usually have a shunt of 100 mohm, which suits currents up to 3.2 A.
Write `shunt = "100 mohm"`. Remove that shunt before you connect a larger one. For a larger shunt, write the
current and the voltage that are printed on it, such as `shunt = "100 A / 75 mV"`. `logboat config check`
shows its resistance and the largest current that the chip can measure.

A positive current flows from `IN+` to `IN-`. In Signal K a positive battery current charges the battery. So
connect `IN-` to the battery's side of the shunt. If the shunt is already wired the other way round, write
`invert = true` for its current and power. For 24 V systems, whose charging voltage exceeds 26 V, use an
INA226.

To measure only the voltage, you need neither a shunt nor `shunt`. Connect `IN+` and `IN-` to each
other and, through a fuse, to the positive pole of the battery. Connect `GND` to the negative pole.""",
    options=PowerOptions,
    driver=lambda settings, context: PowerDriver(settings, CHIP, LIMITS, root=context.root),
    chips={"ina219": CHIP},
    unit=power_unit,
    check=power_check(CHIP, LIMITS),
    facts=power_facts(CHIP, LIMITS),
    wiring=Picture(
        "INA219",
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
                Wire("IN-", "side of the battery"),
                Wire("GND", "negative pole of the battery"),
            ),
        ),
    ),
    example="""\
[[sensor]]
id = "solar-current"
name = "Solar charger"
kind = "ina219"
address = 0x40
measure = "current"
shunt = "100 mohm"
path = "electrical.solar.1.current"
deadband = "20 mA"
""",
)
