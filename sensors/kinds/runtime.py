"""Kind `runtime`: the total time for which a contact on a pin has been active.

The keys and the driver are those of the kind `switch`.
"""

from typing import Final

from sensors.kind import SensorKind

from .switch import CIRCUIT, ContactDriver, ContactOptions

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
a new card. A power cut loses at most one `window` of running time.""",
    options=ContactOptions,
    driver=lambda settings, context: ContactDriver(settings, gpio=context.gpio),
    unit=lambda _values: "s",
    has_totals=lambda _settings: True,
    wiring=CIRCUIT,
    example="""\
[[sensor]]
id = "engine-hours"
name = "Main engine hours"
kind = "runtime"
pin = 22
path = "propulsion.main.runTime"
every = "1 min"
""",
)
