"""Kind `mcp23017`: a contact at an input of an MCP23017, through the kernel's `pinctrl-mcp23s08`.

The input is read at the sensor's interval. The interrupt output of the chip is not used, so a change is
detected at the next read. It is accepted if all reads during the debounce time show the new level.
`sensors.chips.expander` explains how Logboat distinguishes a chip that does not answer from a closed contact.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY
from typing import TYPE_CHECKING, Any, Final

from sensors.chips.chip_keys import address_key, bus_key, wiring_of_chip
from sensors.chips.expander_keys import parse_input
from sensors.chips.sysfs import Subsystem, SysfsChip, Wiring, i2c_overlay
from sensors.driver import Driver, DriverError, Emit, options_of
from sensors.driver_context import DriverContext
from sensors.gpio.counters import ContactTracker, PinLevels
from sensors.kind import SensorDraft, SensorKind
from sensors.sample import Sample, Totals, Value
from sensors.settings import Fact, Options, SensorSettings
from sensors.signalk_paths import CONTACT
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import boolean, choice, quantity, word_for
from sensors.units import format_duration
from sensors.wiring_picture import Picture, Wire

if TYPE_CHECKING:
    from sensors.chips.expander import Expander

CHIP: Final = SysfsChip(
    title="MCP23017",
    wiring=Wiring.I2C,
    addresses=range(0x20, 0x28),
    overlay=i2c_overlay("mcp23017,addr=0x{:02x},noints"),
    subsystem=Subsystem.GPIO,
    names=frozenset({"mcp23017"}),
)
UNITS: Final = {"state": CONTACT, "time": "s", "starts": ""}
"""SI unit of each quantity, by the value of `measure`; the number of starts is a plain number."""
REPORT_NS: Final = 10_000_000_000
"""Time in nanoseconds between two reports of the running time while the contact is active."""
NOISY_ABOVE_HZ: Final = 2.0
"""Changes per second, averaged over ten seconds, above which a contact is `noisy`."""


@section
class Mcp23017Options(Options):
    """Options of the kind `mcp23017`."""

    _: KW_ONLY
    bus: int = bus_key(CHIP)
    address: int | None = address_key(CHIP)
    input: str = key(
        parse_input, example='"A0"', meaning="Pin of the chip: `A0` is marked GPA0, `B0` is marked GPB0."
    )
    measure: str = key(
        choice(*UNITS),
        default="state",
        example='"time"',
        meaning="Quantity to record: `state` is whether the contact is active, `time` is its total running"
        " time, `starts` is the number of times that it became active.",
    )
    active_low: bool = key(
        word_for({"low": True, "high": False}),
        name="active",
        default=True,
        example='"high"',
        meaning="Level of the input when the equipment is active. A contact to ground reads `low`.",
    )
    normally_closed: bool = key(
        boolean,
        default=False,
        example="true",
        meaning="True if the contact opens when the equipment is active.",
    )
    debounce_s: float = key(
        quantity("s", "0 ms", "10 s"),
        name="debounce",
        default=0.05,
        example='"500 ms"',
        meaning="Time for which the level must be stable before a change is accepted.",
    )
    start_s: float = key(
        quantity("s", "0 s", "1000000 h"),
        name="start",
        default=0.0,
        example='"1234.5 h"',
        meaning="Running time that the equipment already has when the sensor begins to count. After the first"
        " total above 0 is recorded, a change has no effect. To correct the total then, give the sensor a new"
        ' id. Only with `measure = "time"`.',
    )


class Mcp23017Driver(Driver):
    """Driver of a contact at an input of an expander."""

    def __init__(self, settings: SensorSettings, context: DriverContext) -> None:
        super().__init__(settings)
        self._options = options_of(settings, Mcp23017Options)
        self.lane = CHIP.wiring.lane(self._options.bus)
        self.interval_ns: int = round(settings.interval_s * 1e9)
        self.first_totals = Totals(0, self._options.start_s)
        self._window_ns = round(settings.window_s * 1e9)
        self._debounce_ns = round(self._options.debounce_s * 1e9)
        self._context = context
        self._device = ""
        self._expander: Expander | None = None
        self._tracker: ContactTracker | None = None
        self._level = False
        """Level that was accepted last."""
        self._differs_since_ns: int | None = None
        """Time of the first read with another level than the accepted one; None if the last read agreed."""
        self._emit: Emit | None = None
        self._said: Sample | None = None

    def open(self, emit: Emit, *, resume: Totals) -> None:
        """Find the expander, open it or share it with other sensors, and emit the contact's state."""
        bus, address = self._options.bus, self._options.address
        self._device = CHIP.find(self._context.root, bus=bus, address=address).name
        where = CHIP.wiring.describe(bus, CHIP.usual_address if address is None else address)
        self._expander = self._context.expanders.join(self._device, f"{CHIP.title} ({where})")
        try:
            self._level = self._expander.read(self._options.input)
        except DriverError:
            self.close()
            raise
        self._differs_since_ns = None
        self._tracker = ContactTracker(
            active=self._is_active(),
            at_ns=self._context.clock.boottime_ns(),
            look=PinLevels(self._level, self._level, 0, 0),
            totals=resume,
            noisy_above_hz=NOISY_ABOVE_HZ,
        )
        self._emit = emit
        self._say(self._sample(self._tracker))

    def poll(self, now_ns: int) -> None:
        """Read the input, and emit a sample if there is something new."""
        expander, tracker = self._expander, self._tracker
        if expander is None or tracker is None:
            raise DriverError(f"sensor {self.settings.id} is not open")
        self._accept(now_ns, expander.read(self._options.input))
        tracker.poll(now_ns, active=self._is_active(), look=PinLevels(self._level, self._level, 0, 0))
        sample = self._sample(tracker)
        if self._is_news(sample, tracker):
            self._say(sample)

    def _accept(self, now_ns: int, level: bool) -> None:
        """Accept a level that differs from the accepted one for the debounce time."""
        if level is self._level:
            self._differs_since_ns = None
            return
        if self._differs_since_ns is None:
            self._differs_since_ns = now_ns
        if now_ns - self._differs_since_ns >= self._debounce_ns:
            self._level, self._differs_since_ns = level, None

    def _is_active(self) -> bool:
        return self._level ^ self._options.active_low ^ self._options.normally_closed

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
        match self._options.measure:
            case "time":
                return tracker.totals.seconds
            case "starts":
                return float(tracker.totals.count)
            case _:
                return tracker.active

    def _is_news(self, sample: Sample, tracker: ContactTracker) -> bool:
        last = self._said
        if last is None or sample.state is not last.state:
            return True
        if sample.value == last.value and sample.totals == last.totals:
            return False
        if self._options.measure != "time":
            due_ns = self._window_ns - self.interval_ns  # the totals must not be lost in a crash
            return sample.value != last.value or sample.boottime_ns - last.boottime_ns >= due_ns
        return not tracker.active or sample.boottime_ns - last.boottime_ns >= REPORT_NS

    def _say(self, sample: Sample) -> None:
        assert self._emit is not None
        self._said = sample
        self._emit(sample)

    def close(self) -> None:
        """Stop using the expander, and close it if no other sensor uses it."""
        if self._expander is not None:
            self._context.expanders.leave(self._device, self._expander)
        self._expander = self._tracker = self._emit = self._said = None


def _check(draft: SensorDraft) -> None:
    if draft.valid_value("measure") in ("state", "starts") and "start" in draft.table.data:
        draft.table.complain(
            "start", "start is a running time, which this sensor does not record", "Remove start."
        )


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, Mcp23017Options)
    level = "low" if options.active_low is not options.normally_closed else "high"
    place = wiring_of_chip(CHIP, options.bus, options.address, detail=f"input {options.input}")
    yield "wiring", f"{place}; active when {level}"
    reads = 1 + math.ceil(options.debounce_s / settings.interval_s)
    longest_s = round(reads * settings.interval_s, 3)
    yield "debounce", f"a change is accepted within {format_duration(longest_s)}"
    yield "fault", f"{SensorState.NOISY} above {NOISY_ABOVE_HZ:g} changes/s"
    if options.start_s:
        yield "start", f"the count begins at {options.start_s / 3600:g} h"


KIND: Final = SensorKind(
    name="mcp23017",
    title="Contacts on a GPIO expander: MCP23017",
    measures="whether a contact is active, for how long in total, or how often it became active",
    description="""\
An MCP23017 adds 14 inputs for contacts to the Raspberry Pi. Up to eight of these chips can share the two
wires of the I2C bus. The inputs have the names that are printed on most boards: `A0` to `A6` (GPA0 to GPA6),
and `B0` to `B6`. GPA7 and GPB7 cannot be inputs: Microchip's data sheet allows them as outputs only.

Each input needs a resistor of 10 kΩ to 3.3 V, because the kernel's driver does not switch on the pull-up
resistors inside the chip. The contact closes to ground. For contacts that carry 12 V or 24 V, you must use an
opto-isolator: see [12 V and 24 V signals](../opto-isolator.md).

Leave GPA7 open. Logboat makes it an output, and checks that the output can be read back. The kernel reports
no error if the chip does not answer, but reads every input as low. Without this check, all contacts of an
unplugged chip would seem to be closed.

| address | A2 | A1 | A0 |
| --- | --- | --- | --- |
| `0x20` | GND | GND | GND |
| `0x21` | GND | GND | 3.3 V |
| `0x22` | GND | 3.3 V | GND |
| `0x23` | GND | 3.3 V | 3.3 V |
| `0x24` | 3.3 V | GND | GND |
| `0x25` | 3.3 V | GND | 3.3 V |
| `0x26` | 3.3 V | 3.3 V | GND |
| `0x27` | 3.3 V | 3.3 V | 3.3 V |

Connect RESET to 3.3 V. Do not connect VDD to 5 V: the resistors on many boards would then put 5 V on the pins
of the Raspberry Pi. Leave INTA and INTB open.

Logboat reads the inputs every 100 ms, or at the interval in `every`. A contact that closes for a shorter time
can be missed. The time of a change is accurate to the interval plus `debounce`. Connect pulses, such as those
of a flow meter or an alternator, to the header instead.

An input can have up to three sensors, one for each `measure`. A running time is recorded every 10 s while the
contact is active, and when it becomes inactive. Time that passes and starts that happen while the recorder
is stopped, or while the chip does not answer, do not count.

Logboat was tested with a simulation of this chip, not yet with a real one.""",
    options=Mcp23017Options,
    driver=Mcp23017Driver,
    facts=_facts,
    check=_check,
    chips={"mcp23017": CHIP},
    faults=(
        (
            "the kernel has no … on …",
            "Restart: Logboat adds the line to `config.txt`. If the message names an address, write it.",
        ),
        (
            "the kernel is configured for it, but no such chip answered",
            "Check the supply, SDA, SCL and RESET, and compare A0 to A2 with the table. Then restart.",
        ),
        (
            "the … does not answer",
            "Check the supply, SDA and SCL, and that GPA7 is open. No restart is needed afterwards.",
        ),
        (
            "… of the … reads high while it is set to low",
            "Something is connected to GPA7, or the chip at this address is of another type.",
        ),
        ("… of the … is in use by another program", "Stop the program that uses the pin."),
        (
            "the kernel has removed the …",
            "The kernel's driver of the chip was removed. Restart.",
        ),
    ),
    unit=lambda values: UNITS.get(values["measure"] or ""),
    why_no_mean=lambda _values: "the value is a total",
    has_correction=False,
    has_totals=lambda _settings: True,
    reports_only_changes=True,
    interval_s=0.1,
    fastest_hz=20.0,
    read_s=0.0025,  # four transfers of 5 bytes at 100 kbit/s for a low input, and the time between them
    wiring=Picture(
        "MCP23017",
        (
            Wire("3V3", "VDD, RESET"),
            Wire("GPIO2 (SDA)", "SDA"),
            Wire("GPIO3 (SCL)", "SCL"),
            Wire("GND", "VSS, A0, A1, A2"),
        ),
        next=Picture(
            "float switch",
            (Wire("VDD", "", bridge="10 kΩ"), Wire("GPA0", "wire 1"), Wire("VSS", "wire 2")),
        ),
    ),
    example="""\
[[sensor]]
id = "forepeak-float"
name = "Float switch in the forepeak"
kind = "mcp23017"
address = 0x20
input = "A0"
path = "bilge.forepeak.highWater"
alarm = { when = "active", for = "10 s", severity = "alarm", text = "Water in the forepeak" }
""",
)
