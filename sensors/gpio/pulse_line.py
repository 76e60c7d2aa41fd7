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
from .shared_lines import ElectricalSettings

EVENTS: Final = 1024
"""Maximum number of events that the kernel buffers for one request.

In `gpiolib-cdev.c` this is 16 times `GPIO_V2_LINES_MAX`.
"""
NAP_NS: Final = 40_000_000

_BIASES: Final = {Pull.UP: Bias.PULL_UP, Pull.DOWN: Bias.PULL_DOWN, Pull.NONE: Bias.DISABLED}


class PulseLine:
    """GPIO line whose pulses are counted by one or more meters.

    The watcher and the polls update the meters; `lock` guards the meters and the line.
    """

    def __init__(
        self, request: gpiod.LineRequest, settings: ElectricalSettings, watcher: EdgeWatcher
    ) -> None:
        self.lock = threading.Lock()
        self.wake = NextCall()
        self.settings = settings
        self.users = 0
        self.broken: OSError | None = None
        self._meters: dict[PulseMeter, None] = {}
        self._number = 0
        self._watcher = watcher
        self._request: gpiod.LineRequest | None = request

    def fileno(self) -> int | None:
        """Return the file descriptor that becomes readable when the kernel has a pulse.

        After the line has been closed, return None.
        """
        with self.lock:
            return None if self._request is None else self._request.fd

    def service(self, now_ns: int) -> None:
        """Empty the kernel's buffer, and request not to be called again for `NAP_NS`."""
        with self.lock:
            if self._request is None or self.broken is not None:
                return
            try:
                taken = self.take()
            except OSError:
                self.wake = NextCall(on_events=False)  # the polls report the error
            else:
                self.wake = NextCall(now_ns + NAP_NS, on_events=False) if taken else NextCall()

    def take(self) -> int:
        """Empty the kernel's buffer, and return the number of pulses taken; `lock` must be held.

        Raises `OSError`, including an error that an earlier call has raised.
        """
        if self.broken is not None:
            raise self.broken
        assert self._request is not None
        try:
            events = read_ready(self._request, EVENTS)
        except OSError as error:
            self.broken = error
            raise
        if events:
            self._number = events[-1].line_seqno
            for meter in self._meters:
                meter.take(events)
        return len(events)

    def add_meter(self, *, count: int, now_ns: int, zero_after_s: float, debounce_s: float) -> PulseMeter:
        """Return a new meter that counts every pulse from now on; raise `OSError` if the line has failed.

        Counting continues from `count`. The meter applies the debounce time if the kernel does not.
        """
        with self.lock:
            self.take()
            by_kernel = self.settings.debounce_s > 0
            meter = PulseMeter(
                count=count,
                now_ns=now_ns,
                zero_after_ns=round(zero_after_s * 1e9),
                dead_ns=0 if by_kernel else round(debounce_s * 1e9),
                after=self._number,
            )
            self._meters[meter] = None
            return meter

    def remove_meter(self, meter: PulseMeter) -> None:
        """Stop counting with `meter`."""
        with self.lock:
            self._meters.pop(meter, None)

    def close(self) -> None:
        """Remove the line from the watcher, and release it; safe to call twice."""
        self._watcher.remove(self)
        with self.lock:
            request, self._request = self._request, None
        if request is not None:
            request.release()


def open_pulse_line(
    pin: int, settings: ElectricalSettings, *, factory: GpiodFactory, sensor: str
) -> PulseLine:
    """Request a line from the kernel, let the watcher serve it, and return it.

    `sensor` is the id of the first sensor on the line, which tools such as gpioinfo show as its user.
    """
    request = factory.request(
        pin,
        gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edge.RISING,  # from inactive to active
            bias=_BIASES[settings.pull],
            active_low=settings.active_low,
            debounce_period=timedelta(seconds=settings.debounce_s),
            event_clock=Clock.MONOTONIC,
        ),
        events=EVENTS,
        consumer=f"{CONSUMER} {sensor}",
    )
    line = PulseLine(request, settings, factory.watcher)
    factory.watcher.add(line)
    return line
