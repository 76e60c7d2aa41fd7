"""Kind `runtime`: the total time for which a contact on a pin has been active, or its number of activations.

The driver is that of the kind `switch`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY
from typing import TYPE_CHECKING, Any, Final

from sensors.driver import options_of
from sensors.gpio.counters import ContactTracker
from sensors.gpio.pin_keys import CONTACT_LINE
from sensors.kind import SensorDraft, SensorKind
from sensors.sample import Totals, Value
from sensors.toml.declarations import key, section
from sensors.toml.schema import choice, quantity

from .switch import CIRCUIT, ContactDriver, ContactOptions, contact_facts

if TYPE_CHECKING:
    from sensors.gpio.context import GpioContext
    from sensors.settings import Fact, SensorSettings


_UNITS: Final = {"time": "s", "starts": ""}
"""SI unit of each quantity, by the value of `measure`. The number of starts is a plain number."""


@section
class RuntimeOptions(ContactOptions):
    """Options of the kind `runtime`."""

    _: KW_ONLY
    measure: str = key(
        choice(*_UNITS),
        default="time",
        example='"starts"',
        meaning="Quantity to record: `time` is the total running time, `starts` the number of times that the"
        " contact became active.",
    )
    start_s: float = key(
        quantity("s", "0 s", "1000000 h"),
        name="start",
        default=0.0,
        example='"1234.5 h"',
        meaning="Running time that the equipment already has when the sensor begins to count. After the first"
        " total above 0 is recorded, a change has no effect. To correct the total then, give the sensor a new"
        ' id. Not with `measure = "starts"`.',
    )


class RuntimeDriver(ContactDriver):
    """Driver of a contact whose total active time, or number of activations, is recorded."""

    def __init__(self, settings: "SensorSettings", *, gpio: "GpioContext") -> None:
        super().__init__(settings, gpio=gpio)
        options = options_of(settings, RuntimeOptions)
        self.first_totals = Totals(0, options.start_s)
        self._measure = options.measure

    def _value(self, tracker: ContactTracker) -> Value:
        """Return the running time in seconds, or the number of starts."""
        return tracker.totals.seconds if self._measure == "time" else float(tracker.totals.count)


def _check(draft: SensorDraft) -> None:
    if draft.valid_value("measure") == "starts" and "start" in draft.table.data:
        draft.table.complain(
            "start", "start is a running time, but this sensor counts the starts", "Remove start."
        )


def _facts(settings: "SensorSettings", written: Mapping[str, Any]) -> Iterator["Fact"]:
    yield from contact_facts(settings, written)
    options = options_of(settings, RuntimeOptions)
    if options.measure == "starts":
        yield "value", "the number of times that the contact became active"
    elif options.start_s:
        yield "start", f"the count begins at {options.start_s / 3600:g} h"


KIND: Final = SensorKind(
    name="runtime",
    title="Running hours and starts: contact",
    measures="the total time for which a contact has been active, or its number of starts: engines and pumps",
    description="""\
The value is the total time for which the contact has been active, in seconds. Logboat displays it in
hours. Connect the contact as for a `switch`: a relay or an oil pressure switch for an engine, a relay for
a pump. For contacts that carry 12 V or 24 V, [12 V and 24 V signals](../opto-isolator.md) shows the
circuit.

With `measure = "starts"` the value is the number of times that the contact became active. A bilge pump
that starts more often than usual is a sign that water is coming in.

To record all three values of a pump's contact from one pin, write a sensor of kind `switch` for its state,
and two of kind `runtime`. Sensors on one pin must have the same `pull`, `active` and `debounce`:

```toml
[[sensor]]
id = "bilge-pump"
name = "Bilge pump"
kind = "switch"
pin = 25
path = "bilge.main.pump.state"

[[sensor]]
id = "bilge-pump-hours"
name = "Bilge pump hours"
kind = "runtime"
pin = 25
path = "bilge.main.pump.runTime"
every = "1 min"

[[sensor]]
id = "bilge-pump-starts"
name = "Bilge pump starts"
kind = "runtime"
measure = "starts"
pin = 25
path = "bilge.main.pump.starts"
```

Time that passes and starts that happen while the recorder is stopped do not count. The total continues
after a restart and on a new card. A power cut loses at most one `window` of running time.

If the equipment is not new, copy the reading of its hour meter to `start`. From then on, the total agrees
with the hour meter.""",
    options=RuntimeOptions,
    driver=lambda settings, context: RuntimeDriver(settings, gpio=context.gpio),
    line=CONTACT_LINE,
    check=_check,
    unit=lambda values: _UNITS.get(values["measure"]),
    facts=_facts,
    why_no_mean=lambda _values: "the value is a total",
    reports_only_changes=True,
    has_totals=lambda _settings: True,
    wiring=CIRCUIT,
    example="""\
[[sensor]]
id = "engine-hours"
name = "Main engine hours"
kind = "runtime"
pin = 22
path = "propulsion.main.runTime"
start = "1234.5 h"              # reading of the engine's hour meter
every = "1 min"
""",
)
