"""Drivers for sensors that the kernel reads over 1-wire, I2C and SPI.

The sensors are DS18B20, thermocouples, INA219, INA226 and BME280.

Each driver looks for its chip again at every `open`, because the kernel's numbering changes when a chip comes
and goes. It converts the kernel's output to SI units or to a fault, and never reports a fault as a number. A
missing chip, or one that stops answering, raises `DriverError`. A value that the data sheet rules out is
`out-of-range`.
"""

import errno
import re
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from sensors.driver import Driver, DriverError, Emit
from sensors.sample import Sample, Totals, Value
from sensors.settings import BusOptions, SensorSettings
from sensors.state import SensorState

from .sysfs import CHIPS, Chip, UnreadableError, find_thermometer, read_number, read_text

ZERO_CELSIUS: Final = 273.15
"""Temperature of 0 °C in kelvin."""


@dataclass(frozen=True, slots=True)
class BusReading:
    """Result of one read of a sensor."""

    value: Value
    state: SensorState = SensorState.GOOD
    detail: str = ""


def tidy(value: float) -> float:
    """Return a measured value rounded to eight significant digits, which removes arithmetic errors."""
    return float(f"{value:.8g}")


@dataclass(frozen=True, slots=True)
class Range:
    """Measuring range of a sensor according to its data sheet, in the unit of the value."""

    low: float
    high: float
    unit: str

    def reading(self, value: float) -> BusReading:
        """Return a reading with `value`, or an `out-of-range` reading without a value."""
        value = tidy(value)
        if self.low <= value <= self.high:
            return BusReading(value)
        return BusReading(
            None,
            SensorState.OUT_OF_RANGE,
            f"{value:g} {self.unit} is outside the sensor's {self.low:g} to {self.high:g} {self.unit}",
        )


class KernelDriver(Driver):
    """Driver of a sensor that the kernel reads: finds its directory in sysfs, and reads it at each poll."""

    def __init__(self, settings: SensorSettings, *, root: Path, lane: str) -> None:
        super().__init__(settings)
        self.lane = lane
        self.interval_ns = round(settings.interval_s * 1e9)
        self._root = root
        self._directory: Path | None = None
        self._emit: Emit | None = None

    def open(self, emit: Emit, *, resume: Totals) -> None:  # noqa: ARG002  # no totals here
        """Find the chip, without reading it yet."""
        self._directory = self.find()
        self._emit = emit

    def poll(self, now_ns: int) -> None:
        """Read the chip and emit its reading."""
        if self._directory is None or self._emit is None:
            raise DriverError(f"{self.settings.id} is not open")
        reading = self.read(self._directory, now_ns)
        if reading is not None:
            self._emit(Sample(self.settings.id, now_ns, reading.value, reading.state, detail=reading.detail))

    def close(self) -> None:
        """Forget the chip's directory."""
        self._directory = None
        self._emit = None

    @abstractmethod
    def find(self) -> Path:
        """Return the chip's directory in sysfs, or raise `DriverError`."""

    @abstractmethod
    def read(self, directory: Path, now_ns: int) -> BusReading | None:
        """Return one reading, or None if there is nothing to report yet; raise `DriverError` on failure."""


def bus_options(settings: SensorSettings) -> BusOptions:
    """Return the options of a sensor that this module drives; raise `TypeError` for any other kind."""
    if not isinstance(settings.options, BusOptions):
        raise TypeError(f"{settings.id} has options that are not those of kind {settings.kind}")
    return settings.options


@dataclass(frozen=True, slots=True)
class Scratchpad:
    """The nine bytes that a DS18B20 sent, as `w1_therm` prints them."""

    data: bytes
    crc_good: bool
    millidegrees: int
    """Temperature in thousandths of a degree Celsius."""


_SCRATCHPAD: Final = re.compile(r"((?:[0-9a-f]{2} ){9}): crc=[0-9a-f]{2} (YES|NO)\s.*?\bt=(-?\d+)", re.DOTALL)


def parse_scratchpad(text: str) -> Scratchpad | None:
    """Parse the text of the attribute `w1_slave`; return None if it has a different form.

    The text is empty if a conversion failed.
    """
    match = _SCRATCHPAD.match(text)
    if match is None:
        return None
    return Scratchpad(bytes.fromhex(match[1]), match[2] == "YES", int(match[3]))


def doubt(scratchpad: Scratchpad, *, previous: float | None) -> str:
    """Return the reason to reject a reading, or an empty string if the reading is plausible.

    `previous` is the last good reading in K, or None if there is no recent one.

    The chip's register holds 85 °C from power-up until the first conversion ends. On the manufacturer's own
    chips byte 6 distinguishes the two cases: 0x0C after power-up, 0x10 after a conversion to 85 °C (w1_therm
    uses bit 0 of `features` for the same check). Clones have other values in byte 6. Their 85.0 °C is
    accepted only if the previous reading is near it. Nine zero bytes pass the CRC, but byte 4 of a real chip
    is never 0.
    """
    if not scratchpad.crc_good:
        return "the CRC is wrong; check the wire for noise and length"
    if not any(scratchpad.data):
        return "only zeros were read; check whether the data wire is shorted to ground"
    power_up, converted = 0x0C, 0x10
    mark = scratchpad.data[6]
    if mark == power_up and scratchpad.data[:2] == b"\xff\x07":
        return "127.94 °C, because the supply is too weak for a conversion"
    if scratchpad.millidegrees == 85_000 and mark != converted:
        near = previous is not None and abs(previous - (85 + ZERO_CELSIUS)) < 5
        if mark == power_up or not near:
            return "85 °C, because the sensor was just reset or powered up; check its supply wire"
    return ""


class ThermometerDriver(KernelDriver):
    """Driver of a DS18B20 through `w1_therm`; one read takes the 750 ms of a conversion.

    1-wire sensors drop out for moments, so an unreadable or implausible reading is skipped. The driver
    reports a fault when there has been no good reading for `PATIENCE_NS` or three intervals, whichever is
    longer, and in at least `PATIENCE_READS` reads. A count is needed because one round on a bus with many
    sensors can take longer than 10 s.
    """

    PATIENCE_NS: ClassVar[int] = 10_000_000_000
    PATIENCE_READS: ClassVar[int] = 3
    RANGE: ClassVar[Range] = Range(-55 + ZERO_CELSIUS, 125 + ZERO_CELSIUS, "K")

    def __init__(self, settings: SensorSettings, *, root: Path) -> None:
        super().__init__(settings, root=root, lane="w1")
        self._patience_ns = max(self.PATIENCE_NS, 3 * round(settings.interval_s * 1e9))
        self._address = bus_options(settings).address
        self._previous: float | None = None
        self._good_ns: int | None = None
        self._bad_reads = 0
        """Number of consecutive reads without a plausible value."""

    def find(self) -> Path:
        """Find the thermometer by its id, or the only thermometer on the bus if no id is set."""
        self._good_ns, self._bad_reads = None, 0
        return find_thermometer(self._root, None if self._address is None else str(self._address))

    def read(self, directory: Path, now_ns: int) -> BusReading | None:
        """Return a temperature in K, or None while a failure is too recent to count as a fault."""
        if self._good_ns is None:
            self._good_ns = now_ns  # the time without a good reading counts from the first read
        try:
            if not directory.is_dir():  # the sensor dropped out: it may be back, or have been replaced
                directory = self._directory = find_thermometer(
                    self._root, None if self._address is None else str(self._address)
                )
            reading = self._measure(directory)
        except DriverError as error:
            self._bad_reads += 1
            silent_ns = now_ns - self._good_ns
            if silent_ns <= self._patience_ns or self._bad_reads < self.PATIENCE_READS:
                return None
            self._previous = None
            raise DriverError(f"no good reading for {self._patience_ns / 1e9:g} s: {error}") from error
        self._good_ns, self._bad_reads = now_ns, 0
        self._previous = None if reading.value is None else float(reading.value)
        return reading

    def _measure(self, directory: Path) -> BusReading:
        text = read_text(directory / "w1_slave")
        scratchpad = parse_scratchpad(text)
        if scratchpad is None:
            raise DriverError("the conversion failed" if not text else f"w1_slave contains {text[:40]!r}")
        doubts = doubt(scratchpad, previous=self._previous)
        if doubts:
            raise DriverError(doubts)
        return self.RANGE.reading(scratchpad.millidegrees / 1000 + ZERO_CELSIUS)


class ChipDriver(KernelDriver):
    """Driver of a sensor on one of the chips in `sysfs.CHIPS`, found by bus and address."""

    def __init__(self, settings: SensorSettings, *, root: Path) -> None:
        options = bus_options(settings)
        self._chip: Chip = CHIPS[settings.kind]
        super().__init__(settings, root=root, lane=self._chip.wiring.lane(options.bus))
        self._bus = options.bus
        self._address = None if options.address is None else int(options.address)
        self._measure = options.measure

    def find(self) -> Path:
        """Find the chip by its bus and address, or, without these, the only chip of its type."""
        return self._chip.find(self._root, bus=self._bus, address=self._address)


class ThermocoupleDriver(ChipDriver):
    """Driver of a MAX31855 through `maxim_thermocouple`, or of a MAX31856 through `max31856`."""

    RANGE: ClassVar[Range] = Range(-270 + ZERO_CELSIUS, 1800 + ZERO_CELSIUS, "K")

    def read(self, directory: Path, now_ns: int) -> BusReading | None:  # noqa: ARG002
        """Return a temperature in K, or the fault of the thermocouple's wires."""
        try:
            raw = read_number(directory / "in_temp_raw")
        except UnreadableError as error:
            fault = _wire_fault(directory, error)
            if fault is None:
                raise
            return fault
        if raw == 0 and read_number(directory / "in_temp_ambient_raw") == 0:
            raise DriverError("the chip answers with zeros only; check the SPI wires and the supply")
        millidegrees = raw * read_number(directory / "in_temp_scale")
        return self.RANGE.reading(millidegrees / 1000 + ZERO_CELSIUS)


def _wire_fault(directory: Path, error: UnreadableError) -> BusReading | None:
    """Return the wiring fault that an error from the kernel indicates, or None if it has another cause.

    A MAX31856 has an attribute for each fault. For a MAX31855 the kernel reports only that one of its fault
    bits is set (EINVAL), and an open thermocouple is by far the most likely cause.
    """
    for attribute, state, detail in (
        ("fault_oc", SensorState.OPEN, "the thermocouple is open; check for a broken or loose wire"),
        ("fault_ovuv", SensorState.SHORT, "a thermocouple wire touches the supply or ground"),
    ):
        if (directory / attribute).exists() and read_number(directory / attribute) != 0:
            return BusReading(None, state, detail)
    if error.errno == errno.EINVAL:
        return BusReading(
            None,
            SensorState.OPEN,
            "the chip reports a fault: the thermocouple is open or shorted, or there is no chip",
        )
    return None


@dataclass(frozen=True, slots=True)
class PowerLimits:
    """Measuring limits of a current and voltage monitor, in volts."""

    bus_v: float
    shunt_v: float
    """Highest voltage across the shunt, in either direction."""


_POWER_LIMITS: Final = {
    "ina219": PowerLimits(26.0, 0.320),  # data sheet SBOS448; PGA /8, as ina2xx sets it
    "ina226": PowerLimits(36.0, 0.0819),  # data sheet SBOS547
}
_POWER_INPUTS: Final = {
    "voltage": ("in1_input", 1e-3),
    "current": ("curr1_input", 1e-3),
    "power": ("power1_input", 1e-6),
}
"""Name of the attribute and size of its unit in SI, by `measure` (`Documentation/hwmon/ina2xx.rst`)."""


class PowerDriver(ChipDriver):
    """Driver of INA219 and INA226 through `ina2xx`: bus voltage in V, current in A, power in W.

    The kernel calculates with the shunt that is configured in the kernel (10 mΩ by default). If `shunt_ohm`
    is set, the driver corrects the currents itself, so that nothing needs root.
    """

    def __init__(self, settings: SensorSettings, *, root: Path) -> None:
        super().__init__(settings, root=root)
        self._shunt_ohm = bus_options(settings).shunt_ohm
        self._limits = _POWER_LIMITS[settings.kind]
        self._attribute, self._unit = _POWER_INPUTS[self._measure]
        self._factor = 1.0

    def find(self) -> Path:
        """Find the chip as `ChipDriver` does, and read the resistance of the kernel's shunt."""
        directory = super().find()
        if self._shunt_ohm is not None and self._measure != "voltage":
            self._factor = read_number(directory / "shunt_resistor") * 1e-6 / self._shunt_ohm
        return directory

    def read(self, directory: Path, now_ns: int) -> BusReading | None:  # noqa: ARG002
        """Return the quantity that `measure` selects, or `out-of-range` if the shunt's limit is reached."""
        value = read_number(directory / self._attribute) * self._unit
        if self._measure == "voltage":
            return Range(0.0, self._limits.bus_v, "V").reading(value)
        shunt_v = read_number(directory / "in0_input") * 1e-3
        if abs(shunt_v) >= self._limits.shunt_v:
            return BusReading(
                None,
                SensorState.OUT_OF_RANGE,
                f"{shunt_v:g} V across the shunt is the most that the chip can measure",
            )
        return BusReading(tidy(value * self._factor))


@dataclass(frozen=True, slots=True)
class _Climate:
    attribute: str
    si: Callable[[float], float]
    range: Range


_CLIMATE: Final = {
    "temperature": _Climate("in_temp_input", lambda m: m / 1000 + ZERO_CELSIUS, Range(233.15, 358.15, "K")),
    "relativeHumidity": _Climate("in_humidityrelative_input", lambda m: m / 100_000, Range(0.0, 1.0, "of 1")),
    "pressure": _Climate("in_pressure_input", lambda kilo: kilo * 1000, Range(30_000.0, 110_000.0, "Pa")),
}
"""Attribute, conversion to SI and valid range, by `measure`.

The kernel's units are m°C, m% and kPa (`sysfs-bus-iio`); the ranges are from Bosch's BST-BME280-DS001.
"""


class ClimateDriver(ChipDriver):
    """Driver of a BME280 through `bmp280`: temperature in K, relative humidity as a ratio, pressure in Pa."""

    def read(self, directory: Path, now_ns: int) -> BusReading | None:  # noqa: ARG002
        """Return the quantity that `measure` selects, or an `out-of-range` reading without a value."""
        what = _CLIMATE[self._measure]
        return what.range.reading(what.si(read_number(directory / what.attribute)))
