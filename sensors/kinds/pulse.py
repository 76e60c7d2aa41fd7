"""Kind `pulse`: pulses on a pin, counted and timed by the numbers and time stamps that the kernel gives them.

The driver uses gpiod's edge events directly. Each pulse is one event, which the kernel numbers before it
buffers it. The GPIO thread empties the buffer at most every `NAP_NS`, so that a fast sensor causes at most 25
wake-ups a second. The buffer is sufficient for 25 kHz. If the buffer overflows nevertheless, the count still
follows from the numbers, and the rate from the time stamps. The value is then still right, but the sample has
the state `edges-lost`.

Pulses that arrive while the driver is closed are not counted.
"""

import threading
from datetime import timedelta
from typing import Final

import gpiod
from gpiod.line import Bias, Clock, Direction, Edge

from sensors.driver import Driver, DriverError, Emit
from sensors.gpio.context import GpioContext
from sensors.gpio.counters import PulseMeter
from sensors.gpio.edge_watcher import EdgeWatcher, NextCall
from sensors.gpio.line_settings import CONSUMER, read_ready
from sensors.sample import Sample, Totals
from sensors.settings import Pull, PulseOptions, SensorSettings
from sensors.state import SensorState

EVENTS: Final = 1024
"""Largest number of events that the kernel buffers for one request.

In `gpiolib-cdev.c` this is 16 times `GPIO_V2_LINES_MAX`.
"""
NAP_NS: Final = 40_000_000
KERNEL_DEBOUNCE_S: Final = 0.01
"""Shortest debounce time in seconds that is left to the kernel.

The kernel's debounce counts in ticks of up to 10 ms: with a shorter time it would swallow fast pulses
entirely. The driver therefore applies shorter debounce times itself, by the time stamps: a pulse that follows
another too soon is not counted.
"""

_BIASES: Final = {Pull.UP: Bias.PULL_UP, Pull.DOWN: Bias.PULL_DOWN, Pull.NONE: Bias.DISABLED}


class PulseLine:
    """A line and its pulse meter, emptied by the watcher and by polls; `lock` guards both."""

    def __init__(self, request: gpiod.LineRequest, meter: PulseMeter) -> None:
        self.lock = threading.Lock()
        self.meter = meter
        self.wake = NextCall()
        self._request: gpiod.LineRequest | None = request
        self._broken: OSError | None = None

    def fileno(self) -> int | None:
        """Return the file descriptor that is readable when the kernel has a pulse.

        None once the line is closed.
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
        """Release the line and leave the watcher."""
        watcher.remove(self)
        with self.lock:
            request, self._request = self._request, None
        if request is not None:
            request.release()


class PulseDriver(Driver):
    """Driver of a sensor that gives pulses per unit, such as a tachometer, a flow meter or an anemometer."""

    def __init__(self, settings: SensorSettings, *, gpio: GpioContext) -> None:
        super().__init__(settings)
        if not isinstance(settings.options, PulseOptions):
            raise TypeError(f"{settings.id} has options that are not those of kind {settings.kind}")
        self.lane = "gpio"
        self.interval_ns = round(settings.interval_s * 1e9)
        self._options = settings.options
        self._gpio = gpio
        self._line: PulseLine | None = None
        self._watcher: EdgeWatcher | None = None
        self._emit: Emit | None = None
        self._seconds = 0.0

    def open(self, emit: Emit, *, resume: Totals) -> None:
        """Take the line; counting continues from `resume`."""
        options = self._options
        by_kernel = options.debounce_s >= KERNEL_DEBOUNCE_S
        settings = gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edge.RISING,  # from inactive to active
            bias=_BIASES[options.pull],
            active_low=options.active_low,
            debounce_period=timedelta(seconds=options.debounce_s if by_kernel else 0),
            event_clock=Clock.MONOTONIC,
        )
        with self._gpio.pin(options.pin) as factory:
            request = factory.request(
                options.pin, settings, events=EVENTS, consumer=f"{CONSUMER} {self.settings.id}"
            )
        meter = PulseMeter(
            count=resume.count,
            now_ns=factory.ticks(),
            zero_after_ns=round(options.zero_after_s * 1e9),
            dead_ns=0 if by_kernel else round(options.debounce_s * 1e9),
        )
        self._line, self._watcher = PulseLine(request, meter), factory.watcher
        self._emit, self._seconds = emit, resume.seconds
        self._watcher.add(self._line)

    def poll(self, now_ns: int) -> None:
        """Emit the rate of the pulses, or their total, in the sensor's unit."""
        line, emit, options = self._line, self._emit, self._options
        if line is None or emit is None:
            raise DriverError(f"{self.settings.id} is not open")
        with self._gpio.pin(options.pin) as factory, line.lock:
            line.take()
            rate = line.meter.rate(factory.ticks())
            count = line.meter.count
            if rate is None and options.measure == "rate":
                return
            lost = line.meter.take_lost()
        state, detail = SensorState.GOOD, ""
        if rate is not None and rate > options.max_hz:
            state, detail = (
                SensorState.NOISY,
                (f"{rate:.0f} pulses/s exceed the limit of {options.max_hz:g} pulses/s"),
            )
        elif lost:
            state, detail = SensorState.EDGES_LOST, f"the kernel dropped {lost} pulses; the value is right"
        value = count / options.pulses_per_unit
        if options.measure == "rate":
            assert rate is not None
            value = rate / options.pulses_per_unit
        totals = Totals(count, self._seconds)
        emit(Sample(self.settings.id, now_ns, value, state, totals=totals, detail=detail))

    def close(self) -> None:
        """Release the line; safe to call twice."""
        if self._line is not None and self._watcher is not None:
            self._line.close(self._watcher)
        self._line = self._watcher = self._emit = None
