"""The header's GPIO as all drivers of a process share it: one chip, one pin factory, one thread, one clock.

Opened when the first driver needs it: on a machine without a GPIO chip the sensors on pins fail, each with a
`DriverError`, and no others do. Tried anew each time until it is there.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gpiozero.exc import GPIOZeroError

from .clock import Clock
from .driver import DriverError
from .eventclock import EventClock, Monotonic
from .pinfactory import GpiodFactory


class GpioContext:
    """To be made once, and handed to every driver of a pin. Takes no hardware before a driver asks for it."""

    def __init__(
        self,
        clock: Clock,
        *,
        make_factory: Callable[[], GpiodFactory] = GpiodFactory,
        monotonic_ns: Monotonic = time.monotonic_ns,
    ) -> None:
        self.event_clock = EventClock(clock, monotonic_ns)
        self._make_factory = make_factory
        self._lock = threading.Lock()
        self._factory: GpiodFactory | None = None

    @contextmanager
    def pin(self, number: int) -> Iterator[GpiodFactory]:
        """Lends the factory for something to be done with one pin (BCM number).

        Whatever goes wrong with the chip, or inside with the pin, leaves as `DriverError`.
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
        """Let go of all pins and of the chip; safe to call twice."""
        with self._lock:
            if self._factory is not None:
                self._factory.close()
                self._factory = None
