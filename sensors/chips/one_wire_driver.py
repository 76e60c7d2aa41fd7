"""Driver of the thermometers on the 1-wire bus, through the kernel's `w1_therm`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from sensors.driver import DriverError, options_of
from sensors.header_pins import bus_on_header
from sensors.settings import Fact, SensorSettings
from sensors.state import SensorState
from sensors.units import ZERO_CELSIUS, format_duration

from .dropout_driver import DropoutDriver
from .kernel_driver import BusReading, Range, range_fact
from .one_wire import Family, find_thermometer
from .one_wire_keys import OneWireOptions
from .scratchpad import (
    POWER_UP_CELSIUS,
    PowerUp,
    Scratchpad,
    WireFault,
    check_transfer,
    no_mark_after_power_up,
    parse_scratchpad,
)
from .sysfs import Wiring, read_text

READ_S: Final = 0.8
"""Time in seconds for one read: 750 ms for a conversion with 12 bits, and two transfers over the bus.

Source: DS18B20 data sheet. A transfer takes about 10 ms.
"""


@dataclass(frozen=True, slots=True)
class ThermometerModel:
    """Properties of one type of thermometer on the 1-wire bus."""

    title: str
    family: Family
    range: Range
    """Measuring range in kelvin, from the data sheet."""
    celsius: Callable[[Scratchpad], float | WireFault]
    """Function that converts the chip's bytes, as in `sensors.chips.scratchpad`."""
    after_power_up: Callable[[Scratchpad], PowerUp] = no_mark_after_power_up
    """Function that states whether a reading of 85 °C is the value that the chip has after power-up."""


def celsius_range(low: float, high: float) -> Range:
    """Return a measuring range in kelvin, given its ends in degrees Celsius."""
    return Range(low + ZERO_CELSIUS, high + ZERO_CELSIUS, "K")


class ThermometerDriver(DropoutDriver):
    """Driver of a thermometer through `w1_therm`; one read takes `READ_S`.

    The bytes of a reading of 85 °C may not show whether this is the value after power-up. The reading is then
    accepted only if the last reading of another value differs by less than 5 K and is at most `REPEATED_NS`
    old. A chip that lost its supply repeats 85 °C forever, but a real temperature soon changes by one step.
    """

    NEAR_K: ClassVar[float] = 5.0
    REPEATED_NS: ClassVar[int] = 600_000_000_000

    def __init__(self, settings: SensorSettings, model: ThermometerModel, *, root: Path) -> None:
        super().__init__(settings, root=root, lane=Wiring.ONE_WIRE.lane(None))
        self._model = model
        self._address = options_of(settings, OneWireOptions).address
        self._previous_celsius: float | None = None
        """Last good reading that was not exactly 85 °C; None if there is no recent one."""
        self._previous_ns = 0

    def locate(self) -> Path:
        """Find the thermometer by its address, or the only one of its family if no address is set."""
        return find_thermometer(self._root, self._model.title, self._model.family, self._address)

    def forget(self) -> None:
        """Discard the last reading."""
        self._previous_celsius = None

    def measure(self, directory: Path, now_ns: int) -> BusReading:
        """Return a temperature in kelvin, or the fault of a thermocouple's wires."""
        text = read_text(directory / "w1_slave")
        scratchpad = parse_scratchpad(text)
        if scratchpad is None:
            raise DriverError("the conversion failed" if not text else f"w1_slave contains {text[:40]!r}")
        check_transfer(scratchpad)
        celsius = self._model.celsius(scratchpad)
        if isinstance(celsius, WireFault):
            self.forget()
            return BusReading(None, celsius.state, celsius.detail)
        if celsius == POWER_UP_CELSIUS:
            self._check_power_up(self._model.after_power_up(scratchpad), now_ns)
        else:
            self._previous_celsius, self._previous_ns = celsius, now_ns
        return self._model.range.reading(celsius + ZERO_CELSIUS)

    def _check_power_up(self, is_power_up: PowerUp, now_ns: int) -> None:
        """Raise `DriverError` if 85 °C is, or is likely to be, the value after power-up."""
        previous = self._previous_celsius
        is_near = previous is not None and abs(previous - POWER_UP_CELSIUS) < self.NEAR_K
        if is_power_up is PowerUp.NO:
            return
        if is_power_up is PowerUp.YES or not is_near:
            raise DriverError("85 °C, because the sensor was just reset or powered up; check its supply wire")
        limit_ns = max(self.REPEATED_NS, self._patience_ns)
        if now_ns - self._previous_ns > limit_ns:
            raise DriverError(
                f"exactly 85 °C for more than {format_duration(limit_ns / 1e9)}; this is the sensor's"
                " power-on value, so it has probably lost its supply; check its supply wire"
            )


def thermometer_facts(settings: SensorSettings, model: ThermometerModel) -> Iterator[Fact]:
    """Yield the facts about a thermometer: its wiring, and the limits at which faults are reported."""
    address = options_of(settings, OneWireOptions).address
    which = address or f"the only {model.title}"
    yield "wiring", f"{which} on the 1-wire bus; {bus_on_header(Wiring.ONE_WIRE.lane(None))}"
    subject, beyond = range_fact(model.range, settings)
    patience = format_duration(ThermometerDriver.patience_ns(settings) / 1e9)
    yield subject, f"{beyond}; {SensorState.FAILED} after {patience} without a good reading"


def kelvin(values: Mapping[str, Any]) -> str | None:
    """Return the unit of a temperature, or None if the quantity is wrong."""
    return "K" if values["measure"] else None
