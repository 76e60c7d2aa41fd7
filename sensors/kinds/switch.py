"""Kind `switch`: a contact on a pin, as a gpiozero device on Logboat's pin factory.

A switch reports its changes, and a `runtime` sensor its total running time. The level of the pin has priority
over the edges. It is read when the driver opens, at each poll and after each quiet period. Every `RESYNC_NS`
the kernel's debounce is also made to read the pin again. Edges show when the level changed, and how often.
Levels and edges are compared, and a difference is reported. A contact that stays active emits a sample once
per window, so that a crash loses at most one window of its running time.

Time that passes while the driver is closed does not count as running time. Changes of a contact that changes
all the time (`noisy`) are counted, but its level is reported only at polls. A contact that is never stable
for the debounce time causes no edges in the kernel: its state becomes `disagrees` after a while.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from sensors.driver import Driver, DriverError, Emit, options_of
from sensors.gpio.counters import ContactTracker
from sensors.gpio.pin_keys import LineOptions, wiring_of_line
from sensors.kind import SensorKind
from sensors.sample import Sample, Totals
from sensors.settings import Fact, SensorSettings
from sensors.signalk_paths import CONTACT
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import boolean, quantity
from sensors.units import format_duration
from sensors.wiring_picture import Picture, Wire

if TYPE_CHECKING:
    from sensors.gpio.contact_device import ContactDevice
    from sensors.gpio.context import GpioContext

RESYNC_NS: Final = 10_000_000_000
"""Interval, in nanoseconds, at which the kernel's debounce is made to read the pin again.

A missed interrupt causes a wrong level for at most this time.
"""


@section
class ContactOptions(LineOptions):
    """Options of the kinds `switch` and `runtime`."""

    debounce_s: float = key(
        quantity("s", "0 ms", "10 s"),
        name="debounce",
        default=0.05,
        example='"20 ms"',
        meaning="Time for which the level must be stable before a change counts.",
    )
    normally_closed: bool = key(
        boolean,
        default=False,
        example="true",
        meaning="True if the contact opens when the equipment is active.",
    )
    noisy_above_hz: float = key(
        quantity("Hz", "0.1 Hz", "1 kHz"),
        name="noisy_above",
        default=10.0,
        example='"2 Hz"',
        meaning="Changes per second, averaged over ten seconds, above which the contact is `noisy`.",
    )


def is_active(options: ContactOptions, *, level: bool) -> bool:
    """Return True if the equipment is active when the pin is at `level` (True is high)."""
    return level ^ options.active_low ^ options.normally_closed


class ContactDriver(Driver):
    """Driver of a contact to ground or to a voltage; the lock of the pin guards the driver's state."""

    def __init__(self, settings: SensorSettings, *, gpio: "GpioContext") -> None:
        super().__init__(settings)
        self.lane = "gpio"
        self.interval_ns: int = round(settings.interval_s * 1e9)
        self._options = options_of(settings, ContactOptions)
        self._window_ns = round(settings.window_s * 1e9)
        self._gpio = gpio
        self._device: ContactDevice | None = None
        self._tracker: ContactTracker | None = None
        self._emit: Emit | None = None
        self._said: Sample | None = None
        self._resynced_ns = 0

    def open(self, emit: Emit, *, resume: Totals) -> None:
        """Request the pin and emit its present state."""
        from sensors.gpio.contact_device import ContactDevice

        options = self._options
        with self._gpio.pin(options.pin) as factory:
            device = ContactDevice(
                options.pin,
                pull=options.pull,
                active_low=options.active_low,
                debounce_s=options.debounce_s,
                pin_factory=factory,
                on_change=self._changed,
            )
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
            return  # `open` has not read the pin yet, and will report its level
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
            raise DriverError(f"sensor {self.settings.id} is not open")
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
        # the contact is active, or it is noisy and was active in between
        due_ns = last.boottime_ns + self._window_ns - self.interval_ns
        return sample.state is SensorState.NOISY or sample.boottime_ns >= due_ns

    def _say(self, sample: Sample) -> None:
        assert self._emit is not None
        self._said = sample
        self._emit(sample)

    def close(self) -> None:
        """Release the pin, so that another driver or program can use it."""
        device = self._device
        if device is not None:
            device.close()
        self._device = self._tracker = self._emit = self._said = None


def _debounce(debounce_s: float) -> str:
    return f"a change counts {f'after {format_duration(debounce_s)}' if debounce_s else 'at once'}"


def contact_facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    """Yield what the keys of a contact mean, and when it is noisy."""
    options = options_of(settings, ContactOptions)
    yield "wiring", wiring_of_line(options, inverted=options.normally_closed)
    yield "debounce", _debounce(options.debounce_s)
    yield "fault", f"{SensorState.NOISY} above {options.noisy_above_hz:g} changes/s"


CIRCUIT: Final = Picture("contact", (Wire("GPIO17", "contact", part="1 kΩ"), Wire("GND", "contact")))

KIND: Final = SensorKind(
    name="switch",
    title="Contact: switch",
    measures="whether a contact is active: float switches, door contacts, relays",
    description="""\
The contact closes to ground when the equipment is active, for example a float switch when the water is
high, or a pressure switch when the pressure is low. The pull-up resistor inside the Raspberry Pi holds the
line high while the contact is open. So an active contact reads low. For a contact that opens when the
equipment is active, set `normally_closed = true`.

The 1 kΩ resistor protects the line. For long cables, use an opto-isolator. For 12 V and 24 V signals, you
must use an opto-isolator, because the header tolerates at most 3.3 V. [Signals of 12 V and 24
V](../opto-isolator.md) shows the circuit.

Each change is recorded with the kernel's time stamp, so a switch has no `rate`. A contact that changes
continuously has the state `noisy`.""",
    options=ContactOptions,
    driver=lambda settings, context: ContactDriver(settings, gpio=context.gpio),
    unit=lambda _values: CONTACT,
    interval_s=None,
    facts=contact_facts,
    has_totals=lambda _settings: True,
    wiring=CIRCUIT,
    example="""\
[[sensor]]
id = "bilge-float"
name = "Main bilge float switch"
kind = "switch"
pin = 17                        # BCM number, not the position of the pin on the header
pull = "up"
active = "low"
debounce = "50 ms"
path = "bilge.main.highWater"
alarm = { when = "active", for = "10 s", severity = "alarm", text = "Water in the main bilge" }
""",
)
