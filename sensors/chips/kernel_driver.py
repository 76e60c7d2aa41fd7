"""Base of the drivers for sensors that the kernel reads over 1-wire, I2C and SPI.

Each driver looks for its chip again at every `open`, because the kernel's numbering changes when a chip
disappears and returns. It converts the kernel's output to SI units. A fault is reported as a state, never as
a number. A missing chip, or a chip that stops answering, raises `DriverError`. A value that is impossible
according to the data sheet is reported as `out-of-range`.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sensors.driver import Driver, DriverError, Emit
from sensors.plausibility import impossible_value
from sensors.presentation import format_exactly
from sensors.sample import Sample, Totals, Value
from sensors.settings import Fact, SensorSettings
from sensors.state import SensorState
from sensors.units import tidy

from .sysfs import SysfsChip, read_number


@dataclass(frozen=True, slots=True)
class BusReading:
    """Result of one read of a sensor."""

    value: Value
    state: SensorState = SensorState.GOOD
    detail: str = ""


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


def _corrected(reading: BusReading, settings: SensorSettings) -> BusReading:
    """Return a reading with the sensor's `scale` and `offset` applied.

    If the quantity cannot have the corrected value, the result is an `out-of-range` reading.
    """
    if reading.value is None or (settings.scale == 1 and settings.offset == 0):
        return reading
    value = tidy(reading.value * settings.scale + settings.offset)
    problem = impossible_value(value, settings.unit, path=settings.path)
    if problem is not None:
        return BusReading(None, SensorState.OUT_OF_RANGE, f"{problem.text}; check scale and offset")
    return replace(reading, value=value)


def range_fact(limits: Range, settings: SensorSettings) -> Fact:
    """Return the fact that states beyond which limits a sensor is `out-of-range`, in the displayed unit."""
    low, high = (
        format_exactly(end, settings.unit, path=settings.path, shown_in=settings.display)
        for end in (limits.low, limits.high)
    )
    return "fault", f"{SensorState.OUT_OF_RANGE} below {low}, above {high}"


class KernelDriver(Driver):
    """Base class for drivers of sensors that the kernel reads.

    When it is opened, the driver finds the sensor's directory in sysfs. At each poll it reads from that
    directory.
    """

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
            raise DriverError(f"sensor {self.settings.id} is not open")
        reading = self.read(self._directory, now_ns)
        if reading is not None:
            reading = _corrected(reading, self.settings)
            self._emit(Sample(self.settings.id, now_ns, reading.value, reading.state, detail=reading.detail))

    def close(self) -> None:
        """Discard the chip's directory, so that the next `open` looks for the chip again."""
        self._directory = None
        self._emit = None

    @abstractmethod
    def find(self) -> Path:
        """Return the chip's directory in sysfs, or raise `DriverError`."""

    @abstractmethod
    def read(self, directory: Path, now_ns: int) -> BusReading | None:
        """Return one reading, or None if there is nothing to report yet; raise `DriverError` on failure."""


class ChipDriver(KernelDriver):
    """Driver of a sensor on a chip that is found by bus and address."""

    def __init__(
        self, settings: SensorSettings, chip: SysfsChip, *, bus: int | None, address: int | None, root: Path
    ) -> None:
        super().__init__(settings, root=root, lane=chip.wiring.lane(bus))
        self._chip = chip
        self._bus = bus
        self._address = address

    def find(self) -> Path:
        """Find the chip by its bus and address. If these are not set, find the only chip of its type."""
        return self._chip.find(self._root, bus=self._bus, address=self._address)


@dataclass(frozen=True, slots=True)
class Measurement:
    """Quantity that a chip measures: its sysfs attribute, its conversion to SI units, and its range."""

    attribute: str
    to_si: Callable[[float], float]
    range: Range
    """Range according to the data sheet, in `unit`."""
    unit: str
    """SI unit as Signal K writes it."""

    def read(self, directory: Path) -> BusReading:
        """Read the attribute in the chip's directory, and return its value.

        If the value is beyond the range, the result is `out-of-range`, without a value.
        """
        return self.range.reading(self.to_si(read_number(directory / self.attribute)))


class MeasurementDriver(ChipDriver):
    """Driver of a chip that has one attribute for each quantity."""

    def __init__(
        self,
        settings: SensorSettings,
        chip: SysfsChip,
        measurement: Measurement,
        *,
        bus: int | None,
        address: int | None,
        root: Path,
    ) -> None:
        super().__init__(settings, chip, bus=bus, address=address, root=root)
        self._measurement = measurement

    def read(self, directory: Path, now_ns: int) -> BusReading | None:  # noqa: ARG002
        """Return a reading of the quantity, or an `out-of-range` reading without a value."""
        return self._measurement.read(directory)
