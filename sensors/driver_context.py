"""Resources that the drivers of one process share."""

from pathlib import Path
from typing import TYPE_CHECKING

from sensors.clock import Clock
from sensors.csv_recordings.files import RecordingCache
from sensors.latest_samples import LatestSamples

if TYPE_CHECKING:
    from sensors.chips.expander import Expanders
    from sensors.gpio.context import GpioContext


class DriverContext:
    """Container of the resources that the drivers of one process share.

    It is created once, and closed after all drivers are closed. The GPIO library is imported only when the
    first sensor on a pin is created, because a vessel without such sensors does not need it.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        root: Path = Path("/"),
        gpio: "GpioContext | None" = None,
        expanders: "Expanders | None" = None,
    ) -> None:
        self.clock = clock
        self.root = root
        """Root folder of the machine's files; it contains `sys`."""
        self.recordings = RecordingCache()
        """Recordings that `replay` sensors play."""
        self.latest = LatestSamples()
        """Most recent sample of each sensor, for use by `derived` sensors.

        The sampler must keep this up to date.
        """
        self._gpio = gpio
        self._expanders = expanders

    @property
    def gpio(self) -> "GpioContext":
        """GPIO of the 40-pin header. No hardware is opened until a driver uses a pin."""
        if self._gpio is None:
            from sensors.gpio.context import GpioContext

            self._gpio = GpioContext(self.clock)
        return self._gpio

    @property
    def expanders(self) -> "Expanders":
        """GPIO expanders. No hardware is opened until a driver uses a pin."""
        if self._expanders is None:
            from sensors.chips.expander import Expanders

            self._expanders = Expanders(self.root)
        return self._expanders

    def close(self) -> None:
        """Release the GPIO chip. This method may be called twice."""
        if self._gpio is not None:
            self._gpio.close()
