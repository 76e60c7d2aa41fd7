"""Kind `switch`: a contact on a pin, as a gpiozero device on Logboat's pin factory.

A `switch` reports its changes, and a `runtime` sensor reports its total running time. The level of the pin
has priority over the edges. It is read when the driver opens, at each poll and after each quiet period. Every
ten seconds the kernel's debounce is also made to read the pin again. Edges show when the level changed, and
how often. Levels and edges are compared, and a difference is reported. A contact that stays active emits a
sample once per window, so that a crash loses at most one window of its running time.

Time that passes while the driver is closed does not count as running time. If a contact changes constantly
(`noisy`), its changes are counted, but its level is reported only at polls. A contact that is never stable
for the debounce time causes no edges in the kernel: its state becomes `disagrees` after a while.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from sensors.driver import Driver, DriverError, Emit, options_of
from sensors.gpio.counters import ContactTracker
from sensors.gpio.pin_keys import CONTACT_LINE, LineOptions, wiring_of_line
from sensors.kind import SensorKind
from sensors.sample import Sample, Totals, Value
from sensors.settings import Fact, SensorSettings
from sensors.signalk_paths import CONTACT
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import boolean, quantity
from sensors.units import format_duration
from sensors.wiring_picture import Picture, Wire

if TYPE_CHECKING:
    from sensors.gpio.contact_line import ContactLine
    from sensors.gpio.context import GpioContext


@section
class ContactOptions(LineOptions):
    """Options of the kinds `switch` and `runtime`."""

    debounce_s: float = key(
        quantity("s", "0 ms", "10 s"),
        name="debounce",
        default=0.05,
        example='"20 ms"',
        meaning="Time for which the level must be stable before a change is accepted.",
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
    """Driver of a contact to ground or to a voltage. The lock of the pin guards the driver's state."""

    def __init__(self, settings: SensorSettings, *, gpio: "GpioContext") -> None:
        super().__init__(settings)
        self.lane = "gpio"
        self.interval_ns: int = round(settings.interval_s * 1e9)
        self._options = options_of(settings, ContactOptions)
        self._window_ns = round(settings.window_s * 1e9)
        self._gpio = gpio
        self._line: ContactLine | None = None
        self._tracker: ContactTracker | None = None
        self._emit: Emit | None = None
        self._said: Sample | None = None

    def open(self, emit: Emit, *, resume: Totals) -> None:
        """Request the pin, or share it with the sensors that already use it, and emit its current state."""
        from sensors.gpio.contact_line import ContactLine
        from sensors.gpio.shared_lines import ElectricalSettings

        options = self._options
        settings = ElectricalSettings(options.pull, options.active_low, options.debounce_s)
        with self._gpio.pin(options.pin) as factory:
            line = self._gpio.contacts.join(
                options.pin, settings, lambda: ContactLine(options.pin, settings, factory)
            )
            self._line, self._emit = line, emit
            try:
                with line.lock:
                    look = line.look()
                    self._tracker = ContactTracker(
                        active=is_active(options, level=look.level),
                        at_ns=self._gpio.event_clock.boottime_ns(factory.ticks()),
                        look=look,
                        totals=resume,
                        noisy_above_hz=options.noisy_above_hz,
                    )
                    self._say(self._sample(self._tracker))
                    line.listen(self._changed)
            except BaseException:
                self.close()
                raise

    def _changed(self, ticks: int, level: bool) -> None:
        """Handle a change of the pin. The caller must hold the line's lock."""
        tracker, line = self._tracker, self._line
        if tracker is None or line is None:
            return
        was_noisy = tracker.noisy
        news = tracker.observe(
            self._gpio.event_clock.boottime_ns(ticks),
            active=is_active(self._options, level=level),
            lost=line.edges_lost,
        )
        if news and not (was_noisy and tracker.noisy):
            self._say(self._sample(tracker))

    def poll(self, now_ns: int) -> None:
        """Read the level again, and emit a sample if anything has changed."""
        line, tracker = self._line, self._tracker
        if line is None or tracker is None:
            raise DriverError(f"sensor {self.settings.id} is not open")
        self._gpio.event_clock.refresh()
        with self._gpio.pin(self._options.pin), line.lock:
            look = line.look()
            tracker.poll(now_ns, active=is_active(self._options, level=look.level), look=look)
            sample = self._sample(tracker)
            if self._is_news(sample):
                self._say(sample)
            line.resync()

    def _sample(self, tracker: ContactTracker) -> Sample:
        return Sample(
            self.settings.id,
            tracker.at_ns,
            self._value(tracker),
            tracker.state,
            totals=tracker.totals,
            detail=tracker.detail,
        )

    def _value(self, tracker: ContactTracker) -> Value:
        """Return the value that the sensor records."""
        return tracker.active

    def _is_news(self, sample: Sample) -> bool:
        last = self._said
        if last is None or sample.state is not last.state or sample.value != last.value:
            return True
        if sample.totals == last.totals:
            return False
        # The contact is active, or it is noisy and was active between two polls.
        due_ns = last.boottime_ns + self._window_ns - self.interval_ns
        return sample.state is SensorState.NOISY or sample.boottime_ns >= due_ns

    def _say(self, sample: Sample) -> None:
        assert self._emit is not None
        self._said = sample
        self._emit(sample)

    def close(self) -> None:
        """Stop using the pin, and release it if no other sensor uses it."""
        line = self._line
        if line is not None:
            line.ignore(self._changed)
            self._gpio.contacts.leave(self._options.pin, line)
        self._line = self._tracker = self._emit = self._said = None


def _debounce(debounce_s: float) -> str:
    return f"a change is accepted {f'after {format_duration(debounce_s)}' if debounce_s else 'immediately'}"


def contact_facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    """Yield explanations of a contact's keys, and the rate of changes above which the contact is `noisy`."""
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
must use an opto-isolator, because the header tolerates at most 3.3 V. [12 V and 24 V
signals](../opto-isolator.md) shows the circuit.

The running time and the number of starts can be recorded from the same pin, by sensors of kind
[`runtime`](runtime.md).

If the header has too few free pins, connect contacts to a GPIO expander: see [`mcp23017`](mcp23017.md).

Each change is recorded with the kernel's time stamp, so a switch has no `rate`. A contact that changes
continuously has the state `noisy`.""",
    options=ContactOptions,
    line=CONTACT_LINE,
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
