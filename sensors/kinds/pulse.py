"""Kind `pulse`: pulses on a pin, with the numbers and time stamps that the kernel assigns to edges.

The driver uses gpiod's edge events directly. Each pulse is one event, which the kernel numbers before
buffering. The GPIO thread empties the buffer at most every `NAP_NS`, so that a fast sensor causes at most 25
wake-ups a second. The buffer is sufficient for 25 kHz. If the buffer still overflows, the driver
calculates the count from the numbers, and the rate from the time stamps. The value is then correct, but the
sample has the state `edges-lost`.

Pulses that arrive while the driver is closed are not counted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, replace
from typing import TYPE_CHECKING, Any, Final

from sensors.driver import Driver, DriverError, Emit, options_of
from sensors.gpio.pin_keys import PULSE_LINE, LineOptions, as_pulses, wiring_of_line
from sensors.kind import SensorDraft, SensorKind
from sensors.presentation import format_exactly
from sensors.sample import Sample, Totals
from sensors.settings import Fact, SensorSettings
from sensors.state import SensorState
from sensors.toml.declarations import from_values, key, section
from sensors.toml.schema import choice, integer, positive, quantity
from sensors.units import DIMENSIONS, RATES, format_duration
from sensors.wiring_picture import Picture, Wire

if TYPE_CHECKING:
    from sensors.gpio.context import GpioContext
    from sensors.gpio.counters import PulseMeter
    from sensors.gpio.pulse_line import PulseLine


_FROM_POLES: Final = 0.0
"""Placeholder for the number of pulses in a table that contains `poles` instead."""


@section
class PulseOptions(LineOptions):
    """Options of the kind `pulse`."""

    _: KW_ONLY
    pulses_per_unit: float = key(
        positive,
        default=_FROM_POLES,
        without="from `poles` and `ratio`",
        example="12",
        meaning="Pulses per revolution of the engine or shaft, or per m3 for a flow meter.",
    )
    poles: int | None = key(
        integer(2, 200),
        default=None,
        without="`pulses_per_unit` is required",
        example="12",
        meaning="Number of poles of an alternator whose terminal W is connected. The number is even. Use it"
        " instead of `pulses_per_unit`.",
    )
    ratio: float = key(
        positive,
        default=1.0,
        example="2.5",
        meaning="Revolutions of the alternator per revolution of the engine: the diameter of the engine's"
        " pulley divided by the diameter of the alternator's pulley. Only with `poles`.",
    )
    measure: str = key(
        choice("rate", "total"),
        default="rate",
        example='"total"',
        meaning="Quantity to record: `rate` is in units per second, `total` in units since the first start.",
    )
    debounce_s: float = key(
        quantity("s", "0 ms", "10 s"),
        name="debounce",
        default=0.0,
        example='"2 ms"',
        meaning="Shortest time between two pulses. A pulse that arrives sooner is not counted.",
    )
    max_hz: float = key(
        quantity("Hz", "0.1 Hz", "100 kHz"),
        name="max_pulse_rate",
        default=20_000.0,
        example='"2 kHz"',
        meaning="Pulse rate above which the sensor is `noisy`: the equipment never reaches this rate.",
    )
    zero_after_s: float = key(
        quantity("s", "10 ms", "1 h"),
        name="zero_after",
        default=2.0,
        example='"10 s"',
        meaning="Time without a pulse after which the rate is 0. For a slow flow, write more than the longest"
        " time between two pulses.",
    )


def _check(draft: SensorDraft) -> None:
    """Report a missing or duplicate number of pulses, and a `measure` that does not match the unit."""
    _check_pulses(draft)
    measure, unit = draft.valid_value("measure"), draft.unit
    if not draft.is_number() or measure is None or unit not in DIMENSIONS:
        return
    if (unit in RATES) is not (measure == "rate"):
        other = "total" if measure == "rate" else "rate"
        draft.table.complain(
            "measure",
            f'"{measure}" does not fit {draft.values["path"]}, which is in {unit}',
            f'Write measure = "{other}", or choose another path.',
        )


def _check_pulses(draft: SensorDraft) -> None:
    given = draft.table.data
    if not draft.table.mentions("poles"):
        if not draft.table.mentions("pulses_per_unit"):
            draft.table.complain(
                "pulses_per_unit",
                "this key is missing",
                "Add pulses_per_unit = 12, or, for terminal W of an alternator, poles = 12 and ratio = 2.5.",
            )
        elif "ratio" in given:
            draft.table.complain("ratio", "ratio needs poles", "Remove ratio, or write poles.")
        return
    poles = draft.valid_value("poles")
    if "pulses_per_unit" in given:
        draft.table.complain(
            "pulses_per_unit", "poles and ratio already give the pulses", "Remove pulses_per_unit, or poles."
        )
    elif poles is not None and poles % 2:
        draft.table.complain(
            "poles",
            f"{poles} is an odd number of poles",
            f"Poles come in pairs: write {poles - 1} or {poles + 1}.",
        )
    elif draft.unit in DIMENSIONS and draft.unit != "Hz":
        draft.table.complain(
            "poles",
            f"an alternator measures revolutions, but {draft.values['path']} is in {draft.unit}",
            "Write pulses_per_unit, or choose a path for revolutions.",
        )


def _options(draft: SensorDraft) -> PulseOptions:
    """Return the options, with the number of poles and the ratio converted to pulses per revolution."""
    options = from_values(PulseOptions, draft.values)
    if options.poles is None:
        return options
    return replace(options, pulses_per_unit=options.poles / 2 * options.ratio)


class PulseDriver(Driver):
    """Driver of a sensor that sends pulses, such as a tachometer, a flow meter or an anemometer."""

    def __init__(self, settings: SensorSettings, *, gpio: "GpioContext") -> None:
        super().__init__(settings)
        self.lane = "gpio"
        self.interval_ns = round(settings.interval_s * 1e9)
        self._options = options_of(settings, PulseOptions)
        self._gpio = gpio
        self._line: PulseLine | None = None
        self._meter: PulseMeter | None = None
        self._emit: Emit | None = None
        self._seconds = 0.0

    def open(self, emit: Emit, *, resume: Totals) -> None:
        """Request the GPIO line, or share it with the sensors that already use it.

        Counting continues from `resume`.
        """
        from sensors.gpio.pulse_line import open_pulse_line
        from sensors.gpio.shared_lines import ElectricalSettings

        options = self._options
        settings = ElectricalSettings(options.pull, options.active_low, as_pulses(options.debounce_s))
        with self._gpio.pin(options.pin) as factory:
            self._line = self._gpio.pulses.join(
                options.pin,
                settings,
                lambda: open_pulse_line(options.pin, settings, factory=factory, sensor=self.settings.id),
            )
            try:
                self._meter = self._line.add_meter(
                    count=resume.count,
                    now_ns=factory.ticks(),
                    zero_after_s=options.zero_after_s,
                    debounce_s=options.debounce_s,
                )
            except BaseException:
                self.close()
                raise
        self._emit, self._seconds = emit, resume.seconds

    def poll(self, now_ns: int) -> None:
        """Emit the rate of the pulses, or their total, in the sensor's unit."""
        line, meter, emit, options = self._line, self._meter, self._emit, self._options
        if line is None or meter is None or emit is None:
            raise DriverError(f"sensor {self.settings.id} is not open")
        with self._gpio.pin(options.pin) as factory, line.lock:
            line.take()
            rate = meter.rate(factory.ticks())
            count = meter.count
            if rate is None and options.measure == "rate":
                return
            lost = meter.take_lost()
        state, detail = SensorState.GOOD, ""
        if rate is not None and rate > options.max_hz:
            state, detail = (
                SensorState.NOISY,
                (f"{rate:.0f} pulses/s exceed the limit of {options.max_hz:g} pulses/s"),
            )
        elif lost:
            state, detail = SensorState.EDGES_LOST, f"the kernel dropped {lost} pulses; the value is correct"
        value = count / options.pulses_per_unit
        if options.measure == "rate":
            assert rate is not None
            value = rate / options.pulses_per_unit
        totals = Totals(count, self._seconds)
        emit(Sample(self.settings.id, now_ns, value, state, totals=totals, detail=detail))

    def close(self) -> None:
        """Stop using the line, and release it if no other sensor uses it; safe to call twice."""
        if self._line is not None:
            if self._meter is not None:
                self._line.remove_meter(self._meter)
            self._gpio.pulses.leave(self._options.pin, self._line)
        self._line = self._meter = self._emit = None


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, PulseOptions)
    yield "wiring", wiring_of_line(options)
    if options.debounce_s:
        yield "debounce", f"a pulse within {format_duration(options.debounce_s)} of another is not counted"
    is_rate = options.measure == "rate"
    many = format_exactly(
        100 / options.pulses_per_unit, settings.unit, path=settings.path, shown_in=settings.display
    )
    yield "pulses", f"100 pulses{'/s' if is_rate else ''} -> {many}"
    if is_rate:
        yield "zero", f"0 after {format_duration(options.zero_after_s)} without a pulse"
    yield "fault", f"{SensorState.NOISY} above {options.max_hz:g} pulses/s"


KIND: Final = SensorKind(
    name="pulse",
    title="Pulses: tachometer, flow meter, anemometer",
    measures="revolutions and flow from pulses, or their total",
    description="""\
A sensor with a Hall switch or a contact sends a fixed number of pulses per unit: per revolution of a shaft,
or per cubic metre of fuel. `pulses_per_unit` is that number. With `measure = "rate"` the value is in units
per second, such as Hz for revolutions. With `measure = "total"` the value is the number of units since the
sensor was fitted. The kernel numbers the pulses and adds a time stamp. So the count is correct even if
pulses are lost between the kernel and the recorder. Pulse rates up to 20 kHz are possible.

If the next pulse is late, the reported rate decreases: it is at most one pulse in the time since the last
pulse. When no pulse has arrived for `zero_after` (2 s), the rate is 0. So if the pulses are more than 2 s
apart, the rate drops to 0 between them. In this case, set `zero_after` to more than the longest time
between two pulses.

To record both the flow and the volume from a flow meter, or both the revolutions and their total from
terminal W, write two sensors with the same `pin`: one with `measure = "rate"` and one with `measure =
"total"`. They must have the same `pull` and `active`, and the same `debounce` if it is 10 ms or more.

A Hall sensor usually has an open-collector output, for which the pull-up resistor inside the Raspberry Pi
is sufficient. The supply of the Hall sensor can be 5 V, but the signal must not exceed 3.3 V. Connect an
alternator (terminal W) through an opto-isolator, as [12 V and 24 V signals](../opto-isolator.md) shows.

For revolutions, `pulses_per_unit` is the number of pulses per revolution of the *engine*:

- A Hall sensor at the crankshaft or the shaft gives one pulse for each magnet, tooth or bolt that passes it.
- Terminal W of an alternator gives one pulse for each pair of poles, per revolution of the alternator. Write
  `poles` and `ratio` instead of `pulses_per_unit`. The alternator's data sheet gives the number of poles.
  `ratio` is the diameter of the engine's pulley divided by the diameter of the alternator's pulley. With 12
  poles and pulleys of 150 mm and 60 mm, write `poles = 12` and `ratio = 2.5`. This means 6 · 2.5 = 15 pulses
  per revolution of the engine.

To check the number, measure the revolutions with a hand tachometer at a steady speed. If Logboat shows a
value that is too high by a factor, multiply `pulses_per_unit` or `ratio` by this factor. For example, if
Logboat shows 1650 rpm and the tachometer 1500 rpm, replace 15 with 15 · 1650 / 1500 = 16.5. Neither number
has to be whole. If you cannot find the number of poles, begin with `pulses_per_unit = 15`.""",
    options=PulseOptions,
    line=PULSE_LINE,
    driver=lambda settings, context: PulseDriver(settings, gpio=context.gpio),
    check=_check,
    make_options=_options,
    facts=_facts,
    why_no_mean=lambda values: "the value is a total" if values["measure"] == "total" else "",
    has_totals=lambda _settings: True,
    wiring=Picture(
        "Hall sensor",
        (
            Wire("5V", "supply"),
            Wire("GPIO27", "signal (open collector)", part="1 kΩ"),
            Wire("GND", "ground"),
        ),
    ),
    example="""\
[[sensor]]
id = "main-rpm"
name = "Main engine"
kind = "pulse"
pin = 27
pulses_per_unit = 12            # pulses per revolution of the engine
path = "propulsion.main.revolutions"
rate = "5 Hz"
deadband = "5 rpm"
alarm = { above = "3600 rpm", for = "5 s", severity = "warn", text = "The main engine runs too fast" }
""",
)
