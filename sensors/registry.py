"""Registry of the kinds of sensors: finds the modules in `sensors.kinds`, and creates drivers.

The name of a kind is the name of its file, so the names can be listed without importing the modules. A kind's
module is imported when the kind is first used. Kinds that a vessel does not use are never loaded.
"""

import logging
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

from sensors import kinds
from sensors.driver import Driver, DriverError, Emit
from sensors.driver_context import DriverContext
from sensors.kind import SensorKind
from sensors.sample import Totals
from sensors.settings import SensorSettings

_FOLDERS: Final = tuple(kinds.__path__)
_log = logging.getLogger(__name__)


@cache
def kind_names() -> tuple[str, ...]:
    """Return the names of all kinds, in alphabetical order."""
    files = {file.stem for folder in _FOLDERS for file in Path(folder).glob("*.py")}
    return tuple(sorted(files - {"__init__"}))


def kind_named(name: str) -> SensorKind:
    """Return a kind by its name; raise `KeyError` if it does not exist."""
    if name not in kind_names():
        raise KeyError(name)
    kind = import_module(f"{kinds.__name__}.{name}").KIND
    assert isinstance(kind, SensorKind)
    return kind


def all_kinds() -> Mapping[str, SensorKind]:
    """Return all kinds by their names. This imports the modules of all kinds."""
    return {name: kind_named(name) for name in kind_names()}


def make_driver(settings: SensorSettings, *, context: DriverContext) -> Driver:
    """Return the driver of one sensor, without opening the driver or accessing hardware or files.

    Raises `KeyError` for an unknown kind, and `TypeError` for options of another kind. Neither is possible
    for settings that were read from `sensors.toml`.
    """
    return kind_named(settings.kind).driver(settings, context)


class UnmadeDriver(Driver):
    """Placeholder for a driver that could not be created.

    Its sensor has the state `failed`, and the other sensors are recorded as usual.
    """

    def __init__(self, settings: SensorSettings, why: Exception) -> None:
        super().__init__(settings)
        self.lane = "unmade"
        self.interval_ns = None
        self._why = f"the driver could not be created ({type(why).__name__}: {why}); see the log for details"

    def open(self, emit: Emit, *, resume: Totals) -> None:  # noqa: ARG002  # there is nothing to emit
        """Raise `DriverError` with the reason why the driver could not be created."""
        raise DriverError(self._why)

    def close(self) -> None:
        """Do nothing, because no hardware is open."""


def make_drivers(sensors: Iterable[SensorSettings], *, context: DriverContext) -> list[Driver]:
    """Return a driver for each sensor, in the order of `sensors`.

    A driver that cannot be created is replaced with an `UnmadeDriver`, and the error is logged. This applies
    to any exception that the driver's factory raises.
    """
    drivers: list[Driver] = []
    for settings in sensors:
        try:
            drivers.append(make_driver(settings, context=context))
        except Exception as error:  # noqa: BLE001  # one faulty driver must not stop the recorder
            _log.error("the driver of %s could not be created: %s", settings.id, error, exc_info=error)
            drivers.append(UnmadeDriver(settings, error))
    return drivers
