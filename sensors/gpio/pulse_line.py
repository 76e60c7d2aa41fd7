"""A GPIO line whose pulses are counted and timed, from the events that the kernel buffers."""

import threading
from datetime import timedelta
from typing import Final

import gpiod
from gpiod.line import Bias, Clock, Direction, Edge

from .counters import PulseMeter
from .edge_watcher import EdgeWatcher, NextCall
from .line_settings import CONSUMER, read_ready
from .pin_keys import Pull
from .pinfactory import GpiodFactory

EVENTS: Final = 1024
"""Largest number of events that the kernel buffers for one request.

In `gpiolib-cdev.c` this is 16 times `GPIO_V2_LINES_MAX`.
"""
NAP_NS: Final = 40_000_000
KERNEL_DEBOUNCE_S: Final = 0.01
"""Shortest debounce time in seconds that is left to the kernel.

The kernel's debounce counts in ticks of up to 10 ms, so a shorter time would suppress fast pulses entirely.
The driver therefore applies shorter debounce times itself, by the time stamps: a pulse that follows another
too soon is not counted.
"""

_BIASES: Final = {Pull.UP: Bias.PULL_UP, Pull.DOWN: Bias.PULL_DOWN, Pull.NONE: Bias.DISABLED}


class PulseLine:
    """GPIO line with its pulse meter, which the watcher and the polls update; `lock` guards both."""

    def __init__(self, request: gpiod.LineRequest, meter: PulseMeter) -> None:
        self.lock = threading.Lock()
        self.meter = meter
        self.wake = NextCall()
        self._request: gpiod.LineRequest | None = request
        self._broken: OSError | None = None

    def fileno(self) -> int | None:
        """Return the file descriptor that becomes readable when the kernel has a pulse.

        After the line has been closed, return None.
        """
        with self.lock:
            return None if self._request is None else self._request.fd

    def service(self, now_ns: int) -> None:
        """Empty the kernel's buffer, then ask not to be called for `NAP_NS`."""
        with self.lock:
            if self._request is None or self._broken is not None:
                return
            try:
                taken = self.take()
            except OSError as error:
                self._broken = error
                self.wake = NextCall(on_events=False)
            else:
                self.wake = NextCall(now_ns + NAP_NS, on_events=False) if taken else NextCall()

    def take(self) -> int:
        """Empty the kernel's buffer, and return the number of pulses taken; `lock` must be held.

        Raises `OSError`, including an error that an earlier `service` has caught.
        """
        assert self._request is not None
        if self._broken is not None:
            raise self._broken
        events = read_ready(self._request, EVENTS)
        self.meter.take(events)
        return len(events)

    def close(self, watcher: EdgeWatcher) -> None:
        """Remove the line from the watcher, and release it."""
        watcher.remove(self)
        with self.lock:
            request, self._request = self._request, None
        if request is not None:
            request.release()


def open_pulse_line(
    pin: int,
    *,
    pull: Pull,
    active_low: bool,
    debounce_s: float,
    zero_after_s: float,
    count: int,
    factory: GpiodFactory,
    sensor: str,
) -> PulseLine:
    """Request a line from the kernel and return it; counting continues from `count`.

    `sensor` is the id of the sensor, which tools such as gpioinfo show as the user of the line.
    """
    by_kernel = debounce_s >= KERNEL_DEBOUNCE_S
    settings = gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.RISING,  # from inactive to active
        bias=_BIASES[pull],
        active_low=active_low,
        debounce_period=timedelta(seconds=debounce_s if by_kernel else 0),
        event_clock=Clock.MONOTONIC,
    )
    request = factory.request(pin, settings, events=EVENTS, consumer=f"{CONSUMER} {sensor}")
    meter = PulseMeter(
        count=count,
        now_ns=factory.ticks(),
        zero_after_ns=round(zero_after_s * 1e9),
        dead_ns=0 if by_kernel else round(debounce_s * 1e9),
    )
    return PulseLine(request, meter)
