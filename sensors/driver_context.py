"""Resources that the drivers of one process share."""

from pathlib import Path
from typing import TYPE_CHECKING

from sensors.clock import Clock

if TYPE_CHECKING:
    from sensors.gpio.context import GpioContext


class DriverContext:
    """Resources that the drivers of one process share; made once, and closed after the drivers.

    The GPIO library is imported when the first sensor on a pin is made: a vessel without such sensors does
    not need it.
    """

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
