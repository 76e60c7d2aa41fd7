"""A clock that tests own, settings in one line, and a place where samples go."""

from pathlib import Path

from sensors.driver import Driver
from sensors.sample import Sample, Totals, Value
from sensors.settings import Options, SensorSettings

SECOND = 1_000_000_000


class FakeClock:
    """Stands still unless told."""

    def __init__(self, boottime_ns: int = 100 * SECOND, utc_ns: int = 0) -> None:
        self.now_ns = boottime_ns
        self.utc = utc_ns

    def boottime_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return self.utc

    def advance(self, seconds: float) -> int:
        """Both clocks; returns the boot clock."""
        step = round(seconds * SECOND)
        self.now_ns += step
        self.utc += step
        return self.now_ns


def sensor(options: Options, *, kind: str = "simulated", unit: str = "", **more: object) -> SensorSettings:
    """Settings of one sensor; what a test does not name does not matter to it."""
    named: dict[str, object] = {"id": "probe", "name": "Probe", "path": "test.probe"} | more
    return SensorSettings(kind=kind, unit=unit, options=options, **named)  # type: ignore[arg-type]


class Collector(list[Sample]):
    """An `Emit` that keeps what it gets."""

    def __call__(self, sample: Sample) -> None:
        self.append(sample)

    @property
    def values(self) -> list[Value]:
        return [sample.value for sample in self]

    @property
    def states(self) -> list[str]:
        return [sample.state.value for sample in self]


def read_once(driver: Driver, now_ns: int = 0) -> Sample:
    """Open a driver, poll it once, close it; what it said."""
    said = Collector()
    driver.open(said, resume=Totals())
    try:
        driver.poll(now_ns)
    finally:
        driver.close()
    assert len(said) == 1
    return said[0]


RECORDING = Path(__file__).parents[2] / "sensors/recordings/yacht-2014-08-15.csv"
"""The real one."""
