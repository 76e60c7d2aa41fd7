"""The header's GPIO, shared by all drivers of a process: one chip, one pin factory, one thread, one clock.

The chip is opened when the first driver needs it. On a machine without a GPIO chip, only the sensors on pins
fail, each with a `DriverError`. Each later use of a pin tries to open the chip again, until this succeeds.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gpiozero.exc import GPIOZeroError

from sensors.clock import Clock
from sensors.driver import DriverError

from .contact_line import ContactLine
from .event_clock import EventClock, Monotonic
from .pinfactory import GpiodFactory
from .pulse_line import PulseLine
from .shared_lines import SharedLines


class GpioContext:
    """Shared GPIO state, which is created once and passed to every driver that uses a pin.

    No hardware is opened until a driver uses a pin.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        make_factory: Callable[[], GpiodFactory] = GpiodFactory,
        monotonic_ns: Monotonic = time.monotonic_ns,
    ) -> None:
        self.event_clock = EventClock(clock, monotonic_ns)
        self.contacts = SharedLines[ContactLine]()
        """Lines with contacts that drivers use."""
        self.pulses = SharedLines[PulseLine]()
        """Lines with pulses that drivers use."""
        self._make_factory = make_factory
        self._lock = threading.Lock()
        self._factory: GpiodFactory | None = None

    @contextmanager
    def pin(self, number: int) -> Iterator[GpiodFactory]:
        """Provide the factory for an operation on one pin (BCM number).

        Any error from the chip, or from the pin inside the block, is raised as `DriverError`.
        """
        with self._lock:
            if self._factory is None:
                self._factory = self._make_factory()
            factory = self._factory
        try:
            yield factory
        except OSError as error:
            raise factory.line_error(number, error) from error
        except GPIOZeroError as error:
            raise DriverError(f"GPIO{number} cannot be used: {error}") from error

    def close(self) -> None:
        """Release all pins and the chip; safe to call twice."""
        with self._lock:
            if self._factory is not None:
                self._factory.close()
                self._factory = None
