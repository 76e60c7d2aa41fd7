"""Interface that every sensor driver implements.

A driver turns the signal of one sensor, real or simulated, into samples. The thread of the sensor's bus opens
the driver, and then polls it at the sensor's interval. The driver may also emit samples at any time from a
thread of its own. A driver never accesses the hardware of another sensor. It may only read the last samples
of other sensors.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from .sample import Sample, Totals
from .settings import Options, SensorSettings

AnyOptions = TypeVar("AnyOptions", bound=Options)

Emit = Callable[[Sample], None]
"""Callback with which a driver emits a sample.

It never blocks, and can be called from any thread. Samples must be passed in order of time.
"""


class DriverError(Exception):
    """A sensor that cannot be opened or read at present. The message says what was found and what to do.

    The sampler then emits a sample with the state `failed`, and opens the sensor again later.
    """


class Driver(ABC):
    """Base class for drivers; each instance drives one sensor."""

    lane: str
    """Name of the resource on which a read may block: `gpio`, `w1`, `i2c-1`, `spi-0`, `simulated` and so on.

    Drivers with the same lane share a thread. So a bus that blocks delays only the drivers on that bus.
    """

    interval_ns: int | None
    """Time between polls in nanoseconds; None for a driver that is never polled."""

    first_totals: Totals = Totals()
    """Initial totals of a sensor that has not counted anything yet."""

    def __init__(self, settings: SensorSettings) -> None:
        self.settings = settings

    @abstractmethod
    def open(self, emit: Emit, *, resume: Totals) -> None:
        """Acquire the hardware and begin to sample. Totals continue from `resume`.

        Raises `DriverError` if the hardware is missing. The driver then has no open resources, and `open` may
        be called again.
        """

    def poll(self, now_ns: int) -> None:  # noqa: B027  # event-driven drivers need none
        """Read the sensor and emit any new samples. Raise `DriverError` on failure.

        `now_ns` is the boot clock's time in nanoseconds.
        """

    @abstractmethod
    def close(self) -> None:
        """Release all resources. This method may be called twice, and after a failed `open`."""


def options_of(settings: SensorSettings, options: type[AnyOptions]) -> AnyOptions:
    """Return a sensor's options; raise `TypeError` if they are not an instance of the class `options`."""
    if not isinstance(settings.options, options):
        raise TypeError(f"sensor {settings.id} has options that are not valid for kind {settings.kind}")
    return settings.options
