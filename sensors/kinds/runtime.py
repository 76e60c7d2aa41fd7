"""Kind `runtime`: the total time for which a contact on a pin has been active.

The driver is that of the kind `switch`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY
from typing import TYPE_CHECKING, Any, Final

from sensors.driver import options_of
from sensors.kind import SensorKind
from sensors.sample import Totals
from sensors.toml.declarations import key, section
from sensors.toml.schema import quantity

from .switch import CIRCUIT, ContactDriver, ContactOptions, contact_facts

if TYPE_CHECKING:
    from sensors.gpio.context import GpioContext
    from sensors.settings import Fact, SensorSettings


@section
class RuntimeOptions(ContactOptions):
    """Options of the kind `runtime`."""

    _: KW_ONLY
    start_s: float = key(
        quantity("s", "0 s", "1000000 h"),
        name="start",
        default=0.0,
        example='"1234.5 h"',
        meaning="Running time that the equipment already has when the sensor begins to count. After the first"
        " total above 0 is recorded, a change has no effect. To correct the total then, give the sensor a new"
        " id.",
    )


class RuntimeDriver(ContactDriver):
    """Driver of a contact whose total active time is recorded."""

    def __init__(self, settings: "SensorSettings", *, gpio: "GpioContext") -> None:
        super().__init__(settings, gpio=gpio)
        self.first_totals = Totals(0, options_of(settings, RuntimeOptions).start_s)


def _facts(settings: "SensorSettings", written: Mapping[str, Any]) -> Iterator["Fact"]:
    yield from contact_facts(settings, written)
    start_s = options_of(settings, RuntimeOptions).start_s
    if start_s:
        yield "start", f"the count begins at {start_s / 3600:g} h"


KIND: Final = SensorKind(
    name="runtime",
    title="Running hours: contact",
    measures="the total time for which a contact has been active, such as engine and pump hours",
    description="""\
The value is the total time for which the contact has been active, in seconds. Logboat displays it in
hours. Connect the contact as for a `switch`: a relay or an oil pressure switch for an engine, a relay for
a pump. For contacts that carry 12 V or 24 V, [Signals of 12 V and 24 V](../opto-isolator.md) shows the
circuit.

Time that passes while the recorder is stopped does not count. The total continues after a restart and on
a new card. A power cut loses at most one `window` of running time.

Equipment that is not new has an hour meter. Copy its reading to `start`, and the total agrees with the hour
meter from then on.""",
    options=RuntimeOptions,
    driver=lambda settings, context: RuntimeDriver(settings, gpio=context.gpio),
    unit=lambda _values: "s",
    facts=_facts,
    why_no_mean=lambda _values: "the value is a total",
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
