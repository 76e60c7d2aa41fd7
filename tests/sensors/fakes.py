"""Test helpers for sensors, such as a simulated clock and a collector of samples."""

from pathlib import Path

from sensors.driver import Driver
from sensors.sample import Sample, Totals, Value
from sensors.settings import Options, SensorSettings

SECOND = 1_000_000_000


class FakeClock:
    """Clock that changes only when `advance` is called."""

    def __init__(self, boottime_ns: int = 100 * SECOND, utc_ns: int = 0) -> None:
        self.now_ns = boottime_ns
        self.utc = utc_ns

    def boottime_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return self.utc

    def advance(self, seconds: float) -> int:
        """Advance both clocks, and return the boot clock's time in nanoseconds."""
        step = round(seconds * SECOND)
        self.now_ns += step
        self.utc += step
        return self.now_ns


def sensor(options: Options, *, kind: str = "simulated", unit: str = "", **more: object) -> SensorSettings:
    """Return the settings of one sensor. Settings that a test does not specify have arbitrary values."""
    named: dict[str, object] = {"id": "probe", "name": "Probe", "path": "test.probe"} | more
    return SensorSettings(kind=kind, unit=unit, options=options, **named)  # type: ignore[arg-type]


class Collector(list[Sample]):
    """Callback that collects a driver's samples."""

    def __call__(self, sample: Sample) -> None:
        self.append(sample)

    @property
    def values(self) -> list[Value]:
        return [sample.value for sample in self]

    @property
    def states(self) -> list[str]:
        return [sample.state.value for sample in self]


def read_once(driver: Driver, now_ns: int = 0) -> Sample:
    """Open a driver, poll it once, close it, and return the sample that it emitted."""
    said = Collector()
    driver.open(said, resume=Totals())
    try:
        driver.poll(now_ns)
    finally:
        driver.close()
    assert len(said) == 1
    return said[0]


RECORDING = Path(__file__).parents[2] / "sensors/recordings/yacht-2014-08-15.csv"
"""Path of the recording from a real vessel that is part of Logboat."""
