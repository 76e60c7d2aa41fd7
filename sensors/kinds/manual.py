"""Kind `manual`: a sensor whose values users read from a gauge and enter.

Such a sensor is not wired to the appliance, so it has no faults and does not become stale.
"""

import math
from typing import Final

from sensors.clock import Clock
from sensors.driver import Driver, DriverError, Emit
from sensors.kind import SensorKind
from sensors.plausibility import impossible_value
from sensors.sample import Sample, Totals, Value
from sensors.settings import Options, SensorSettings
from sensors.toml.declarations import section


@section
class ManualOptions(Options):
    """Options of the kind `manual`, which has no keys of its own."""


class ManualDriver(Driver):
    """Driver that emits the values that users submit."""

    def __init__(self, settings: SensorSettings, *, clock: Clock) -> None:
        super().__init__(settings)
        self.lane = "manual"
        self.interval_ns = None
        self._clock = clock
        self._emit: Emit | None = None

    def open(self, emit: Emit, *, resume: Totals) -> None:  # noqa: ARG002  # no totals here
        """Start to accept values."""
        self._emit = emit

    def submit(self, value: Value) -> Sample:
        """Emit a value in the sensor's unit, with the current time, and return the sample.

        Raises `ValueError` if the value's type is not the sensor's, or if the quantity cannot have the value,
        and `DriverError` if the driver is not open.
        """
        if self._emit is None:
            raise DriverError(f"sensor {self.settings.id} is not open")
        if self.settings.unit == "bool":
            if not isinstance(value, bool):
                raise ValueError(f"sensor {self.settings.id} needs true or false, not {value!r}")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            unit = f" in {self.settings.unit}" if self.settings.unit else ""
            raise ValueError(f"sensor {self.settings.id} needs a number{unit}, not {value!r}")
        elif problem := impossible_value(value, self.settings.unit, path=self.settings.path):
            raise problem
        sample = Sample(self.settings.id, self._clock.boottime_ns(), value)
        self._emit(sample)
        return sample

    def close(self) -> None:
        """Stop accepting values; `submit` fails from now on."""
        self._emit = None


KIND: Final = SensorKind(
    name="manual",
    title="Manual readings",
    measures="values that a person reads from a gauge",
    description="""\
A manual sensor has no wire. A person reads a gauge, a dipstick or a counter, and enters the value with
`logboat log SENSOR --add VALUE`. Values are stored like those of any other sensor, and can raise alarms.

Write the value with its unit: `--add "40 %"`, `--add "95 °C"`. A value that the quantity cannot have, such as
a level of 130 %, is rejected. If a value is far from all earlier values, the command asks for confirmation.
`--yes` skips the question.""",
    options=ManualOptions,
    driver=lambda settings, context: ManualDriver(settings, clock=context.clock),
    why_no_mean=lambda _values: "a person enters each value",
    interval_s=None,
    example="""\
[[sensor]]
id = "engine-oil"
name = "Engine oil, by dipstick"
kind = "manual"
path = "tanks.lubrication.main.currentLevel"
alarm = { below = 0.25, severity = "warn", text = "The engine needs oil" }
""",
)
