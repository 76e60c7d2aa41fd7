"""Kind `simulated`: a sensor that plays a model from `simulation_models`, with wiring faults if configured.

Numbers are emitted at every poll. A contact (unit `bool`) is emitted with its totals when it changes, as real
drivers do. The samples depend only on the seed, the sensor's id and the times of the polls.
"""

import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sensors import simulation_models
from sensors.driver import Driver, DriverError, Emit, options_of
from sensors.kind import SensorKind
from sensors.sample import Sample, Totals
from sensors.settings import Fact, Options, SensorSettings
from sensors.signalk_paths import CONTACT
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import boolean, choice, integer, word_for

_DETAIL: Final = {
    SensorState.OPEN: "simulated broken wire",
    SensorState.SHORT: "simulated short circuit",
    SensorState.STALE: "simulated silence",
}


@section
class SimulatedOptions(Options):
    """Options of the kind `simulated`."""

    model: str = key(choice(*simulation_models.MODELS), example='"engine"', meaning="Machinery to simulate.")
    seed: int = key(
        integer(0, 2**31),
        default=0,
        example="7",
        meaning=(
            "Number that determines the course of the simulation. Sensors with the same seed are consistent"
            " with each other: the battery is charged while the engine runs."
        ),
    )
    faults: bool = key(
        boolean, default=False, example="true", meaning="True to simulate wiring faults from time to time."
    )
    wire: SensorState = key(
        word_for({"good": SensorState.GOOD, "open": SensorState.OPEN, "short": SensorState.SHORT}),
        default=SensorState.GOOD,
        example='"open"',
        meaning="State of the simulated wire. With `open` or `short`, the sensor always has this fault.",
    )


class SimulatedDriver(Driver):
    """Driver that plays a model, starting when it is first opened."""

    def __init__(self, settings: SensorSettings) -> None:
        super().__init__(settings)
        options = options_of(settings, SimulatedOptions)
        self.lane = "simulated"
        self.interval_ns = round(settings.interval_s * 1e9)
        self._seed = options.seed
        self._grain = self._seed ^ zlib.crc32(settings.id.encode())
        self._faults = options.faults
        self._wire = None if options.wire is SensorState.GOOD else options.wire
        model = simulation_models.MODELS[options.model]
        self._number = model.numbers.get(settings.unit, model.numbers[""])
        self._active = model.active if settings.unit == "bool" else None
        self._emit: Emit | None = None
        self._first_ns: int | None = None
        self._last_ns = 0
        self._level: bool | None = None
        self._fault: SensorState | None = None
        self._totals = Totals()

    def open(self, emit: Emit, *, resume: Totals) -> None:
        """Start to emit samples, or continue after a `close`."""
        self._emit = emit
        self._totals = resume
        self._level = None

    def poll(self, now_ns: int) -> None:
        """Emit the model's value or fault at `now_ns`."""
        if self._emit is None:
            raise DriverError(f"sensor {self.settings.id} is not open")
        if self._first_ns is None:
            self._first_ns = now_ns
        t_s = (now_ns - self._first_ns) / 1e9
        fault = self._wire or (simulation_models.wire_fault(self._grain, t_s) if self._faults else None)
        changed, self._fault = fault is not self._fault, fault
        if fault is not None:
            self._level = None
            if changed or fault is not SensorState.STALE:  # `stale` is reported only once
                self._emit(Sample(self.settings.id, now_ns, None, fault, detail=_DETAIL[fault]))
        elif self._active is None:
            self._emit(Sample(self.settings.id, now_ns, round(self._number(self._seed, self._grain, t_s), 4)))
        else:
            self._contact(now_ns, level=self._active(self._seed, t_s))
        self._last_ns = now_ns

    def _contact(self, now_ns: int, *, level: bool) -> None:
        seconds = self._totals.seconds
        if self._level:
            seconds += (now_ns - self._last_ns) / 1e9
        starts = level and self._level is False
        self._totals = Totals(self._totals.count + starts, seconds)
        if level is not self._level:
            self._level = level
            assert self._emit is not None
            self._emit(Sample(self.settings.id, now_ns, level, totals=self._totals))

    def close(self) -> None:
        """Stop emitting samples; a later `open` continues."""
        self._emit = None


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, SimulatedOptions)
    yield "model", f"{options.model}, seed {options.seed}"
    if options.wire is not SensorState.GOOD:
        yield "fault", f"{options.wire} all the time"
    elif options.faults:
        yield "fault", "simulated wiring faults from time to time"


KIND: Final = SensorKind(
    name="simulated",
    title="Simulation",
    measures="values from a model, for testing",
    description="""\
A simulated sensor takes its values from a model, for a demonstration or a test without hardware. The unit
of the path determines which quantity of the model is recorded. For example, `battery` provides a voltage
for a path in V, a current for a path in A, and a state of charge for a path with a ratio.""",
    options=SimulatedOptions,
    driver=lambda settings, _context: SimulatedDriver(settings),
    facts=_facts,
    has_totals=lambda settings: settings.unit == CONTACT,
    example="""\
[[sensor]]
id = "main-rpm"
name = "Main engine (simulated)"
kind = "simulated"
model = "engine"
path = "propulsion.main.revolutions"
""",
)
