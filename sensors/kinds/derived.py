"""Kind `derived`: a sensor whose value is computed from the last values of other sensors.

The driver reads a table of the last samples, in a thread of its own. So it does not wait for other sensors,
and they do not wait for it. It emits a number only if all inputs have good and recent values. A fault of an
input, a value that is too old, and a division by zero are faults of the derived sensor.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final

from sensors.derived import dimensions
from sensors.derived.evaluation import NoResultError, evaluate
from sensors.derived.expression import Expression, Number, SensorValue, parts
from sensors.derived.parser import parse_expression
from sensors.driver import Driver, DriverError, Emit, options_of
from sensors.driver_context import DriverContext
from sensors.kind import SensorDraft, SensorKind
from sensors.latest_samples import LatestSamples
from sensors.plausibility import impossible_value
from sensors.sample import Sample, Totals
from sensors.settings import Fact, Options, SensorSettings
from sensors.signalk_paths import CONTACT, unit_words
from sensors.state import SensorState, is_fault
from sensors.toml.declarations import from_values, key, section
from sensors.toml.schema import text
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError, close, format_duration, shown, si_of

MOST_CHARACTERS: Final = 300
_MOST_IDS: Final = 8
"""Maximum number of ids that a message lists."""
AGE_INTERVALS: Final = 3
"""Number of intervals after which the last value of an input is too old."""
LEAST_AGE_S: Final = 10.0
"""Shortest time in seconds after which a value is too old.

After this time without progress, the sampler considers a bus blocked, and reports its sensors as stale.
"""


@parses(ValueForm("an expression", limits=f"1 to {MOST_CHARACTERS} characters"))
def parse_value(raw: Any) -> Expression:
    """Parse an expression such as `flow-in - flow-out`."""
    return parse_expression(text(MOST_CHARACTERS)(raw))


@dataclass(frozen=True, slots=True)
class DerivedInput:
    """Sensor from which a derived sensor computes its value."""

    id: str
    name: str
    unit: str
    """SI unit of the values."""
    age_limit_s: float | None
    """Age in seconds at which a value is too old; None for a sensor that need not sample regularly."""


@section
class DerivedOptions(Options):
    """Options of the kind `derived`."""

    _: KW_ONLY
    value: Expression = key(
        parse_value,
        example='"flow-in - flow-out"',
        meaning="Expression with the ids of other sensors, numbers, quantities in single quotes, parentheses,"
        " `+`, `-`, `*`, `/`, and the functions `min`, `max`, `abs`, `sum` and `mean`. Write a space on both"
        " sides of `-`.",
    )
    inputs: tuple[DerivedInput, ...] = ()
    """Sensors in the expression, in the order of the expression."""

    @property
    def expression(self) -> str:
        """Text of the expression."""
        return str(self.value)


# Checks --------------------------------------------------------------------------------------------


def _check(draft: SensorDraft) -> None:
    draft.is_number()


def _relate(draft: SensorDraft, drafts: Mapping[str, SensorDraft]) -> None:
    """Report the first problem with the sensors in the expression, and find the inputs."""
    expression: Expression | None = draft.valid_value("value")
    if expression is None:
        return
    if not expression.sensors:
        draft.table.complain(
            "value", "the expression contains no sensor", "Write the id of at least one sensor."
        )
        return
    try:
        _check_sensors(draft, expression, drafts)
        _check_units(draft, expression, drafts)
    except InputError as error:
        draft.table.complain("value", error.text, error.remedy)
        return
    draft.values["inputs"] = tuple(_input(drafts[each.sensor]) for each in expression.sensors)


def _check_sensors(draft: SensorDraft, expression: Expression, drafts: Mapping[str, SensorDraft]) -> None:
    for part in parts(expression.root):
        if isinstance(part, Number) and part.written in drafts:
            raise InputError(
                f"{shown(part.written)} in column {part.column} is a number and also the id of a sensor",
                "Change the id of that sensor.",
            )
    for each in expression.sensors:
        if each.sensor not in drafts:
            raise _unknown(each, {name: other for name, other in drafts.items() if other is not draft})
        if drafts[each.sensor].unit == CONTACT:
            raise InputError(
                f"{shown(each.sensor)} in column {each.column} is a contact, whose value is not a number",
                'Use its running time instead: a sensor of kind "runtime".',
            )
    circle = _circle(draft, drafts)
    if circle and circle[0] == min(circle):  # each circle is reported once
        way = " -> ".join([*circle, circle[0]])
        raise InputError(f"the value depends on itself: {way}", "Remove one of these ids from a value.")


def _unknown(part: SensorValue, drafts: Mapping[str, SensorDraft]) -> InputError:
    """Return the error to report for an id that no sensor has."""
    word = part.sensor
    near = close(word, drafts)
    remedy = f'Did you mean "{near}"?' if near else f"The ids in this file are {_some(drafts)}."
    number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
    if apart := _taken_apart(word, drafts):
        remedy = f'Write a space on both sides of "-": "{apart}".'
    elif number.isdecimal() and si_of(word.removeprefix(number)):
        remedy = f"Write a number with its unit in single quotes: '{number} {word.removeprefix(number)}'."
    return InputError(f"no sensor has the id {shown(word)} (column {part.column})", remedy)


def _some(ids: Iterable[str]) -> str:
    """Return the first ids as a list, for a message."""
    every = list(ids)
    return ", ".join(every[:_MOST_IDS]) + (" …" if len(every) > _MOST_IDS else "")


def _taken_apart(word: str, drafts: Mapping[str, SensorDraft]) -> str:
    """Return a difference of known sensors and numbers that was written without spaces, or ''.

    For example, `port-flow-return` is `port-flow - return` if sensors have these ids.
    """
    pieces = word.split("-")
    best: list[str | None] = ["", *[None] * len(pieces)]
    """Corrected text for the first n pieces, or None if they do not form a difference."""
    for end in range(1, len(pieces) + 1):
        for start in range(end):
            before, name = best[start], "-".join(pieces[start:end])
            if before is None or not (name in drafts or name.isdecimal() or (start == 0 and name == "")):
                continue
            best[end] = name if start == 0 else f"{before} - {name}".lstrip()
            break
    return best[-1] or ""


def _circle(draft: SensorDraft, drafts: Mapping[str, SensorDraft]) -> list[str]:
    """Return the ids of the sensors in a circular reference to a sensor; empty if there is none."""
    begin: str = draft.values["id"]
    seen: set[str] = set()
    ways = [[begin]]
    while ways:
        way = ways.pop()
        expression = drafts[way[-1]].values.get("value") if way[-1] in drafts else None
        if not isinstance(expression, Expression):
            continue
        for each in expression.sensors:
            if each.sensor == begin:
                return way
            if each.sensor not in seen:
                seen.add(each.sensor)
                ways.append([*way, each.sensor])
    return []


def _check_units(draft: SensorDraft, expression: Expression, drafts: Mapping[str, SensorDraft]) -> None:
    known = dict[str, dimensions.Measure]()
    for each in expression.sensors:
        other = drafts[each.sensor]
        path = other.valid_value("path")
        if other.unit is None or path is None:
            return  # the problem of that sensor is already reported
        known[each.sensor] = dimensions.measure(other.unit, path)
    path = draft.valid_value("path")
    if draft.unit is not None and draft.unit != CONTACT and path is not None:
        dimensions.check(expression, known, unit=draft.unit, path=path)


def _input(draft: SensorDraft) -> DerivedInput:
    values, kind = draft.values, draft.kind
    is_periodic = kind is not None and kind.interval_s is not None and not kind.reports_only_changes
    limit_s = max(LEAST_AGE_S, AGE_INTERVALS * values["interval"]) if is_periodic else None
    return DerivedInput(values["id"], values["name"] or values["id"], draft.unit or "", limit_s)


def _options(draft: SensorDraft) -> DerivedOptions:
    return from_values(DerivedOptions, draft.values, inputs=draft.values["inputs"])


# Driver --------------------------------------------------------------------------------------------


class DerivedDriver(Driver):
    """Driver that computes a value at each poll."""

    def __init__(
        self, settings: SensorSettings, *, latest: LatestSamples, boottime_ns: Callable[[], int]
    ) -> None:
        super().__init__(settings)
        self.lane = "derived"
        self.interval_ns = round(settings.interval_s * 1e9)
        self._options = options_of(settings, DerivedOptions)
        self._latest = latest
        self._boottime_ns = boottime_ns
        self._opened_ns = 0
        self._emit: Emit | None = None

    def open(self, emit: Emit, *, resume: Totals) -> None:  # noqa: ARG002  # no totals here
        """Start to compute values."""
        self._emit, self._opened_ns = emit, self._boottime_ns()

    def poll(self, now_ns: int) -> None:
        """Emit the value at `now_ns`, or a fault that names its cause.

        For a short time after the start, the driver waits for the first value of each input.
        """
        if self._emit is None:
            raise DriverError(f"sensor {self.settings.id} is not open")
        values = dict[str, float]()
        for each in self._options.inputs:
            sample = self._latest.of(each.id)
            if sample is None:
                if now_ns - self._opened_ns < (each.age_limit_s or LEAST_AGE_S) * 1e9:
                    return
                self._fault(now_ns, SensorState.STALE, f"{each.id} has had no value since the start")
                return
            if is_fault(sample.state) or sample.value is None:
                why = f": {sample.detail}" if sample.detail else ""
                self._fault(now_ns, SensorState.FAILED, f"{each.id} is {sample.state}{why}")
                return
            age_s = (now_ns - sample.boottime_ns) / 1e9
            if each.age_limit_s is not None and age_s > each.age_limit_s:
                detail = f"the last value of {each.id} is {format_duration(age_s)} old"
                self._fault(now_ns, SensorState.STALE, detail)
                return
            values[each.id] = sample.value
        self._compute(now_ns, values)

    def _compute(self, now_ns: int, values: Mapping[str, float]) -> None:
        settings = self.settings
        try:
            # 12 digits, because a sum of running hours has more than the 8 of a measured value
            value = float(f"{evaluate(self._options.value, values):.12g}")
        except NoResultError as error:
            self._fault(now_ns, SensorState.OUT_OF_RANGE, str(error))
            return
        problem = impossible_value(value, settings.unit, path=settings.path)
        if problem is not None:
            self._fault(now_ns, SensorState.OUT_OF_RANGE, problem.text)
            return
        assert self._emit is not None
        self._emit(Sample(settings.id, now_ns, value))

    def _fault(self, now_ns: int, state: SensorState, detail: str) -> None:
        assert self._emit is not None
        self._emit(Sample(self.settings.id, now_ns, None, state, detail=detail))

    def close(self) -> None:
        """Stop computing values; `open` starts again."""
        self._emit = None


def _make(settings: SensorSettings, context: DriverContext) -> Driver:
    return DerivedDriver(settings, latest=context.latest, boottime_ns=context.clock.boottime_ns)


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, DerivedOptions)
    yield "value", options.expression
    for each in options.inputs:
        name = "" if each.name == each.id else f" ({each.name})"
        limit = "" if each.age_limit_s is None else f", too old after {format_duration(each.age_limit_s)}"
        unit = f"in {unit_words(each.unit)}" if each.unit else unit_words(each.unit)
        yield "input", f"{each.id}{name}, {unit}{limit}"
    old = ""
    if any(each.age_limit_s is not None for each in options.inputs):
        old = f", {SensorState.STALE} if one is too old"
    yield (
        "fault",
        f"{SensorState.FAILED} if an input has a fault{old}, {SensorState.OUT_OF_RANGE} without a result",
    )


KIND: Final = SensorKind(
    name="derived",
    title="Computed from other sensors",
    measures="values that are computed from other sensors, such as a difference of two flows",
    description="""\
A derived sensor has no wire. Its `value` is an expression with the ids of other sensors in the same
`sensors.toml`. At each interval, Logboat computes the value from the last value of each of these sensors.
The result is recorded, shown and forwarded like the value of any other sensor, and it can raise alarms.
The other sensors are recorded too.

## Expressions

| you write | meaning |
| --- | --- |
| `flow-in` | the last value of the sensor with this id, in its SI unit; with `average`, its mean |
| `2`, `0.5` | a plain number |
| `'20 l'`, `'5 °C'` | a quantity with its unit, in single quotes; see [Units](../units.md) |
| `a + b`, `a - b`, `a * b`, `a / b`, `- a` | the usual operators; `*` and `/` come first |
| `(a + b) / 2` | parentheses |
| `min(a, b)`, `max(a, b)` | the lowest and the highest of two or more values |
| `sum(a, b, c)`, `mean(a, b, c)` | the sum and the mean of two or more values |
| `abs(a)` | the value without its sign |

An id can contain hyphens. So write a space on both sides of a minus sign: `a - b` is a difference, and
`a-b` is a sensor with this id.

The units must match. A flow minus a flow is a flow, a voltage times a current is a power, and a flow
divided by revolutions is a volume per revolution. A file is rejected if an expression adds quantities of
different dimensions, or if its result does not fit the path. These rules apply to some quantities:

- The difference of two temperatures is not a temperature. Record it with a path whose last component ends in
  `temperatureDifference`, and with `unit = "K"`. Two temperatures cannot be added, but they have a mean.
  `'20 °C'` is a temperature, and `'20 K'` is a difference.
- Expressions cannot contain headings, courses or wind angles, because such angles jump from 360° to 0° at
  north, and the result would be wrong.
- A contact has no number. Use its running time, from a sensor of kind `runtime`.

An expression can contain other derived sensors. It then uses the value that the other sensor had at its
last interval. No sensor can depend on itself, neither directly nor through others.

## Faults

The sensor has a fault, and no value, in these cases. The remark in `logboat sensors` names the cause:

- `failed`: one of the sensors has a fault.
- `stale`: the last value of a sensor is older than three of its intervals, and older than 10 s. A value of
  the kinds `manual`, `replay` and `runtime` does not become too old, because such a sensor can be silent for
  hours without a fault. After a restart, a manual sensor has no value until somebody enters one.
- `out-of-range`: the result is not a finite number, for example after a division by zero. The same
  applies to a result that the quantity cannot have, such as a level above 100 %.

## Fuel consumption: two flow meters and their difference

A diesel engine returns a part of its fuel to the tank. The consumption is the flow in the supply line
minus the flow in the return line. The configuration below records all three. Two large flows are
subtracted, so small errors of the meters become large errors of the consumption. If both meters have an
error of 1 %, and the engine burns a tenth of the supply, the consumption has an error of up to 19 %. So
let the same fuel flow through both meters, one behind the other, and correct `pulses_per_unit` until both
show the same flow.

Between two pulses, the rate of a `pulse` sensor stays constant. It falls only when the time since the last
pulse exceeds the previous time between pulses. For a slow flow, the difference therefore jumps whenever one
of the meters sends a pulse. Set `zero_after` of both meters to more than the longest time between two pulses,
and `average` of the derived sensor to several such times.

## Power from a voltage and a current

```toml
[[sensor]]
id = "house-voltage"
kind = "ina226"
measure = "voltage"
address = 0x40
path = "electrical.batteries.house.voltage"

[[sensor]]
id = "alternator-current"       # clamp with a voltage output: 0.5 V at 0 A, 2.5 V at 100 A
kind = "analog"
chip = "mcp3008"
channel = 0
calibration = [[0.5, "0 A"], [2.5, "100 A"]]
valid = [0.3, 2.8]
path = "electrical.alternators.main.current"

[[sensor]]
id = "alternator-power"
name = "Power of the alternator"
kind = "derived"
value = "house-voltage * alternator-current"
path = "electrical.alternators.main.power"
unit = "W"
```

## The sum of two tanks

The levels of two tanks are ratios, and each tank has its own volume. The sum is the volume of the fuel on
board:

```toml
[[sensor]]
id = "port-tank"
kind = "analog"
chip = "mcp3008"
channel = 1
calibration = [[0.5, "0 %"], [2.5, "100 %"]]
valid = [0.3, 2.8]
path = "tanks.fuel.port.currentLevel"

[[sensor]]
id = "starboard-tank"
kind = "analog"
chip = "mcp3008"
channel = 2
calibration = [[0.5, "0 %"], [2.5, "100 %"]]
valid = [0.3, 2.8]
path = "tanks.fuel.starboard.currentLevel"

[[sensor]]
id = "fuel-on-board"
name = "Fuel on board"
kind = "derived"
value = "port-tank * '400 l' + starboard-tank * '350 l'"
path = "tanks.fuel.all.currentVolume"
every = "10 s"
alarm = { below = "100 l", for = "5 min", severity = "warn", text = "Less than 100 l of fuel" }
```""",
    options=DerivedOptions,
    driver=_make,
    check=_check,
    relate=_relate,
    make_options=_options,
    facts=_facts,
    fastest_hz=10.0,
    example="""\
[[sensor]]
id = "flow-in"
name = "Fuel supply"
kind = "pulse"
pin = 27
pulses_per_unit = 2800000       # pulses per m3: 2800 pulses per litre
zero_after = "10 s"
path = "propulsion.main.fuelSupply.rate"
unit = "m3/s"

[[sensor]]
id = "flow-out"
name = "Fuel return"
kind = "pulse"
pin = 22
pulses_per_unit = 2800000
zero_after = "10 s"
path = "propulsion.main.fuelReturn.rate"
unit = "m3/s"

[[sensor]]
id = "consumption"
name = "Fuel consumption"
kind = "derived"
value = "flow-in - flow-out"
path = "propulsion.main.fuel.rate"
average = "30 s"
alarm = { above = "30 l/h", for = "1 min", severity = "warn", text = "High fuel consumption" }
""",
)
