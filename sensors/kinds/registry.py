"""Table that maps each kind of sensor to its driver.

A new kind also needs an entry in `sensors.config.kinds`, which has its keys and their limits, and a class in
`sensors.settings`, which has its options.

The GPIO library is imported when the first sensor on a pin is made: a vessel without such sensors does not
need it.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensors.clock import Clock
from sensors.driver import Driver, DriverError, Emit
from sensors.sample import Totals
from sensors.settings import SensorSettings

from .analog import AnalogDriver
from .bus import ClimateDriver, PowerDriver, ThermocoupleDriver, ThermometerDriver
from .manual import ManualDriver
from .replay import ReplayDriver
from .simulated import SimulatedDriver

if TYPE_CHECKING:
    from sensors.gpio.context import GpioContext

_log = logging.getLogger(__name__)


class DriverContext:
    """Resources that the drivers of one process share; made once, and closed after the drivers."""

    def __init__(self, clock: Clock, *, root: Path = Path("/"), gpio: "GpioContext | None" = None) -> None:
        self.clock = clock
        self.root = root
        """Folder that contains `sys`."""
        self._gpio = gpio

    @property
    def gpio(self) -> "GpioContext":
        """The header's GPIO, which takes no hardware before a driver opens a pin."""
        if self._gpio is None:
            from sensors.gpio.context import GpioContext

            self._gpio = GpioContext(self.clock)
        return self._gpio

    def close(self) -> None:
        """Release the GPIO chip; safe to call twice."""
        if self._gpio is not None:
            self._gpio.close()


def _contact(settings: SensorSettings, context: DriverContext) -> Driver:
    from .contact import ContactDriver

    return ContactDriver(settings, gpio=context.gpio)


def _pulse(settings: SensorSettings, context: DriverContext) -> Driver:
    from .pulse import PulseDriver

    return PulseDriver(settings, gpio=context.gpio)


Factory = Callable[[SensorSettings, DriverContext], Driver]

FACTORIES: Final[Mapping[str, Factory]] = {
    "switch": _contact,
    "runtime": _contact,
    "pulse": _pulse,
    "analog": lambda settings, context: AnalogDriver(settings, root=context.root),
    "ds18b20": lambda settings, context: ThermometerDriver(settings, root=context.root),
    "thermocouple": lambda settings, context: ThermocoupleDriver(settings, root=context.root),
    "ina219": lambda settings, context: PowerDriver(settings, root=context.root),
    "ina226": lambda settings, context: PowerDriver(settings, root=context.root),
    "bme280": lambda settings, context: ClimateDriver(settings, root=context.root),
    "manual": lambda settings, context: ManualDriver(settings, clock=context.clock),
    "simulated": lambda settings, _context: SimulatedDriver(settings),
    "replay": lambda settings, _context: ReplayDriver(settings),
}
"""Functions that make a driver, by the value of the key `kind` in `sensors.toml`."""


def make_driver(settings: SensorSettings, *, context: DriverContext) -> Driver:
    """Return the driver of one sensor, not yet open: no hardware and no file is touched.

    Raises `KeyError` for a kind that does not exist and `TypeError` for options of another kind. Settings
    from `sensors.toml` cause neither.
    """
    return FACTORIES[settings.kind](settings, context)


class UnmadeDriver(Driver):
    """Placeholder for a driver that could not be made: its sensor is `failed`, the other sensors record."""

    def __init__(self, settings: SensorSettings, why: Exception) -> None:
        super().__init__(settings)
        self.lane = "unmade"
        self.interval_ns = None
        self._why = f"the driver could not be created ({type(why).__name__}: {why}); see the log for details"

    def open(self, emit: Emit, *, resume: Totals) -> None:  # noqa: ARG002  # there is nothing to emit
        """Raise `DriverError` with the reason why the driver could not be made."""
        raise DriverError(self._why)

    def close(self) -> None:
        """Do nothing: no hardware is open."""


def make_drivers(sensors: Iterable[SensorSettings], *, context: DriverContext) -> list[Driver]:
    """Return a driver for each sensor, in the order of `sensors`.

    A driver that cannot be made, whatever its factory raises, is replaced with an `UnmadeDriver`, and the
    error is logged.
    """
    drivers: list[Driver] = []
    for settings in sensors:
        try:
            drivers.append(make_driver(settings, context=context))
        except Exception as error:  # noqa: BLE001  # one sensor's driver does not end the recorder
            _log.error("the driver of %s could not be created: %s", settings.id, error, exc_info=error)
            drivers.append(UnmadeDriver(settings, error))
    return drivers
