"""Kinds `switch` and `runtime`: a contact on a pin, as a gpiozero device on our pin factory.

A switch reports its changes, a runtime sensor its total running time. The level of the pin has priority: it
is read when the driver opens, at each poll and after each quiet period. Every `RESYNC_NS` the kernel's
debounce is also made to read the pin again. Edges tell when the level changed, and how often. Levels and
edges are compared, and a difference is reported. A contact that stays active emits a sample once per window,
so that a crash loses at most one window of its running time.

Time that passes while the driver is closed does not count as running time. Changes of a contact that changes
all the time (`noisy`) are counted, but its level is reported only at polls. A contact that never stays still
for the debounce time makes no edges in the kernel: its state becomes `disagrees` after a while.
"""

from collections.abc import Callable
from typing import Any, Final

from gpiozero import DigitalInputDevice

from sensors.driver import Driver, DriverError, Emit
from sensors.gpio.context import GpioContext
from sensors.gpio.counters import ContactTracker
from sensors.gpio.pinfactory import GpiodFactory
from sensors.sample import Sample, Totals
from sensors.settings import ContactOptions, Pull, SensorSettings
from sensors.state import SensorState

RESYNC_NS: Final = 10_000_000_000
"""Interval, in nanoseconds, at which the kernel's debounce is made to read the pin again.

A missed interrupt causes a wrong level for at most this time.
"""

_PULL_UP: Final = {Pull.UP: True, Pull.DOWN: False, Pull.NONE: None}


class ContactDevice(DigitalInputDevice):
    """A gpiozero input device that also calls `on_change(ticks, level)` when its pin changes."""

    def __init__(
        self, options: ContactOptions, *, pin_factory: GpiodFactory, on_change: Callable[[int, bool], None]
    ) -> None:
        self._on_change = on_change
        try:
            super().__init__(
                options.pin,
                pull_up=_PULL_UP[options.pull],
                # gpiozero derives this from the pull, and accepts it only where there is no pull
                active_state=not options.active_low if options.pull is Pull.NONE else None,
                bounce_time=options.debounce_s or None,
                pin_factory=pin_factory,
            )
        except BaseException:
            # gpiozero keeps the reservation of a device that failed as long as its exception is referenced
            pin_factory.release_pins(self, options.pin)
            raise

    def _pin_changed(self, ticks: int, state: Any) -> None:
        super()._pin_changed(ticks, state)
        self._on_change(ticks, bool(state))


def is_active(options: ContactOptions, *, level: bool) -> bool:
    """Return True if the equipment is active when the pin is at `level` (True is high)."""
    return level ^ options.active_low ^ options.normally_closed


class ContactDriver(Driver):
    """Driver of a contact to ground or to a voltage; the lock of the pin guards the driver's state."""

    def __init__(self, settings: SensorSettings, *, gpio: GpioContext) -> None:
        super().__init__(settings)
        if not isinstance(settings.options, ContactOptions):
            raise TypeError(f"{settings.id} has options that are not those of kind {settings.kind}")
        self.lane = "gpio"
        self.interval_ns: int = round(settings.interval_s * 1e9)
        self._options = settings.options
        self._window_ns = round(settings.window_s * 1e9)
        self._gpio = gpio
        self._device: ContactDevice | None = None
        self._tracker: ContactTracker | None = None
        self._emit: Emit | None = None
        self._said: Sample | None = None
        self._resynced_ns = 0

    def open(self, emit: Emit, *, resume: Totals) -> None:
        """Take the pin and emit its present state."""
        options = self._options
        with self._gpio.pin(options.pin) as factory:
            device = ContactDevice(options, pin_factory=factory, on_change=self._changed)
            self._device, self._emit = device, emit
            try:
                with device.pin.lock:
                    look = device.pin.look()
                    self._resynced_ns = self._gpio.event_clock.boottime_ns(factory.ticks())
                    self._tracker = ContactTracker(
                        active=is_active(options, level=look.level),
                        at_ns=self._resynced_ns,
                        look=look,
                        totals=resume,
                        noisy_above_hz=options.noisy_above_hz,
                    )
                    self._say(self._sample(self._tracker))
            except BaseException:
                self.close()
                raise

    def _changed(self, ticks: int, level: bool) -> None:
        """Handle a change of the pin; called with the pin's lock held."""
        tracker, device = self._tracker, self._device
        if tracker is None or device is None:
            return  # `open` has not read the pin yet, and will do so
        was_noisy = tracker.noisy
        news = tracker.observe(
            self._gpio.event_clock.boottime_ns(ticks),
            active=is_active(self._options, level=level),
            lost=device.pin.edges_lost,
        )
        if news and not (was_noisy and tracker.noisy):
            self._say(self._sample(tracker))

    def poll(self, now_ns: int) -> None:
        """Read the level again, and emit a sample if anything has changed."""
        device, tracker = self._device, self._tracker
        if device is None or tracker is None:
            raise DriverError(f"{self.settings.id} is not open")
        self._gpio.event_clock.refresh()
        with self._gpio.pin(self._options.pin), device.pin.lock:
            look = device.pin.look()
            tracker.poll(now_ns, active=is_active(self._options, level=look.level), look=look)
            sample = self._sample(tracker)
            if self._is_news(sample):
                self._say(sample)
            if now_ns - self._resynced_ns >= RESYNC_NS:
                self._resynced_ns = now_ns
                device.pin.resync()

    def _sample(self, tracker: ContactTracker) -> Sample:
        totals = tracker.totals
        value = totals.seconds if self.settings.kind == "runtime" else tracker.active
        return Sample(
            self.settings.id, tracker.at_ns, value, tracker.state, totals=totals, detail=tracker.detail
        )

    def _is_news(self, sample: Sample) -> bool:
        last = self._said
        if last is None or sample.state is not last.state or sample.value != last.value:
            return True
        if sample.totals == last.totals:
            return False
        # it is active now, or it was active in between and is noisy
        due_ns = last.boottime_ns + self._window_ns - self.interval_ns
        return sample.state is SensorState.NOISY or sample.boottime_ns >= due_ns

    def _say(self, sample: Sample) -> None:
        assert self._emit is not None
        self._said = sample
        self._emit(sample)

    def close(self) -> None:
        """Release the pin, so that others can use it."""
        device = self._device
        if device is not None:
            device.close()
        self._device = self._tracker = self._emit = self._said = None
