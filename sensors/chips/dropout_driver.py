"""Base class of the drivers for sensors that sometimes fail to respond for a short time."""

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from sensors.driver import DriverError
from sensors.settings import SensorSettings

from .kernel_driver import BusReading, KernelDriver


class DropoutDriver(KernelDriver):
    """Base class of the drivers for sensors that sometimes fail to respond for a short time.

    An unreadable or implausible reading is skipped. The driver reports a fault when there has been no good
    reading for `PATIENCE_NS` or three intervals, whichever is longer, and in at least `PATIENCE_READS` reads.
    The number of reads matters because one round on a bus with many sensors can take longer than 10 s.
    """

    PATIENCE_NS: ClassVar[int] = 10_000_000_000
    PATIENCE_READS: ClassVar[int] = 3

    def __init__(self, settings: SensorSettings, *, root: Path, lane: str) -> None:
        super().__init__(settings, root=root, lane=lane)
        self._patience_ns = self.patience_ns(settings)
        self._good_ns: int | None = None
        self._bad_reads = 0
        """Number of consecutive reads without a plausible value."""

    @classmethod
    def patience_ns(cls, settings: SensorSettings) -> int:
        """Return how long a sensor may be without a good reading before it is `failed`, in nanoseconds."""
        return max(cls.PATIENCE_NS, 3 * round(settings.interval_s * 1e9))

    def find(self) -> Path:
        """Return the sensor's directory in sysfs, or raise `DriverError`."""
        self._good_ns, self._bad_reads = None, 0
        return self.locate()

    def read(self, directory: Path, now_ns: int) -> BusReading | None:
        """Return a reading, or None if reading failed but the failure does not count as a fault yet."""
        if self._good_ns is None:
            self._good_ns = now_ns  # the time without a good reading counts from the first read
        try:
            if not directory.is_dir():  # the sensor disappeared: it may have returned, or been replaced
                directory = self._directory = self.locate()
            reading = self.measure(directory, now_ns)
        except DriverError as error:
            self._bad_reads += 1
            silent_ns = now_ns - self._good_ns
            if silent_ns <= self._patience_ns or self._bad_reads < self.PATIENCE_READS:
                return None
            self.forget()
            raise DriverError(f"no good reading for {self._patience_ns / 1e9:g} s: {error}") from error
        self._good_ns, self._bad_reads = now_ns, 0
        return reading

    @abstractmethod
    def locate(self) -> Path:
        """Return the sensor's directory in sysfs, or raise `DriverError`."""

    @abstractmethod
    def measure(self, directory: Path, now_ns: int) -> BusReading:
        """Return one reading; raise `DriverError` if it is missing or implausible."""

    @abstractmethod
    def forget(self) -> None:
        """Discard earlier readings, because they are too old to be compared with the next one."""
