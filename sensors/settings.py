"""A sensor's configuration, parsed and valid: SI numbers, no strings left to interpret.

`sensors.configuration` makes these from `sensors.toml`; drivers and the recorder take them.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .quality import State


class Severity(StrEnum):
    """Signal K's alarm states, least first."""

    NOMINAL = "nominal"
    NORMAL = "normal"
    ALERT = "alert"
    WARN = "warn"
    ALARM = "alarm"
    EMERGENCY = "emergency"

    @property
    def rank(self) -> int:
        """0 for nominal, up to 5 for emergency."""
        return list(Severity).index(self)


class When(StrEnum):
    """On which state of a contact an alarm rule fires."""

    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """When a sensor's value is an alarm. Set is `when`, or `above` or `below` or both."""

    severity: Severity
    text: str = ""
    when: When | None = None
    above: float | None = None
    below: float | None = None
    hysteresis: float = 0.0
    """How far back beyond the limit the value must come to clear, in the value's unit."""
    raise_after_s: float = 0.0
    """The condition must hold this long (`for` in the file)."""
    clear_after_s: float = 0.0
    """The condition must be gone this long (`clear_for` in the file)."""


class Pull(StrEnum):
    """The bias resistor of a GPIO line."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ContactOptions:
    """Kinds `switch` and `runtime`."""

    pin: int
    pull: Pull = Pull.UP
    active_low: bool = True
    debounce_s: float = 0.05
    normally_closed: bool = False
    """The contact opens when the equipment is active."""
    noisy_above_hz: float = 10.0
    """More changes a second than this, over ten seconds, is a bad contact (state `noisy`)."""


@dataclass(frozen=True, slots=True)
class PulseOptions:
    """Kind `pulse`."""

    pin: int
    pulses_per_unit: float
    """Pulses per revolution, or per m3 for a flow meter."""
    measure: str = "rate"
    """`rate` (units a second) or `total` (units since fitted)."""
    pull: Pull = Pull.UP
    active_low: bool = True
    debounce_s: float = 0.0
    """The glitch filter, in the kernel."""
    max_hz: float = 20_000.0
    """Pulses a second beyond this cannot come from the equipment (state `noisy`)."""
    zero_after_s: float = 2.0
    """No pulse for this long is a rate of 0."""


@dataclass(frozen=True, slots=True)
class AnalogOptions:
    """Kind `analog`: a voltage at an ADC, turned into the path's unit."""

    chip: str
    """`mcp3008`, `mcp3208` or `ads1115`."""
    channel: int
    bus: int
    """SPI or I2C bus number."""
    address: int
    """SPI chip select, or I2C address."""
    calibration: tuple[tuple[float, float], ...]
    """(volts, value) pairs in rising volts; between them linear; beyond the ends the end's value."""
    valid: tuple[float, float]
    """Volts; below is `short` and above is `open`, or the other way round, see `open_is_high`."""
    open_is_high: bool = True
    """Whether a broken wire gives the higher voltage (a sender to ground under a pull-up)."""
    reference_v: float = 3.3
    """The chip's reference voltage (MCP3008 and MCP3208)."""
    divider: float = 1.0
    """Volts at the sender per volt at the chip."""


@dataclass(frozen=True, slots=True)
class BusOptions:
    """Kinds read by the kernel's own drivers: `ds18b20`, `thermocouple`, `ina219`, `ina226`, `bme280`."""

    bus: int | None
    """I2C or SPI bus number; None for 1-wire."""
    address: int | str | None
    """I2C address, SPI chip select, 1-wire id (`28-0316a2…`), or None: the only one there is."""
    measure: str
    """`temperature`, `voltage`, `current`, `power`, `relativeHumidity` or `pressure`."""
    shunt_ohm: float | None = None
    """INA219 and INA226."""


@dataclass(frozen=True, slots=True)
class ManualOptions:
    """Kind `manual`: values come from people."""


@dataclass(frozen=True, slots=True)
class SimulatedOptions:
    """Kind `simulated`."""

    model: str
    """`engine`, `bilge`, `tank`, `battery`, `temperature` or `door`."""
    seed: int = 0
    faults: bool = False
    """Whether the model also plays wiring faults now and then."""
    wire: State = State.GOOD
    """`OPEN` or `SHORT`: it plays that fault all the time, as if somebody had pulled the plug."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Kind `replay`."""

    file: Path
    """CSV with columns time, path, value; already resolved (beside `sensors.toml`)."""
    speed: float = 1.0
    repeat: bool = False


Options = (
    ContactOptions
    | PulseOptions
    | AnalogOptions
    | BusOptions
    | ManualOptions
    | SimulatedOptions
    | ReplayOptions
)


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """One `[[sensor]]` table."""

    id: str
    """`[a-z0-9-]{1,32}`, unique on the vessel."""
    name: str
    kind: str
    path: str
    """Signal K path, or ours in its style."""
    unit: str
    """SI, as Signal K writes it (`K`, `Pa`, `Hz`, `ratio`, `m3/s`, …); `bool` for contacts; may be ''."""
    options: Options
    description: str = ""
    interval_s: float = 1.0
    """Between samples of a polled or counted sensor (`rate` in the file)."""
    window_s: float = 300.0
    deadband: float = 0.0
    """A change smaller than this is not recorded; 0 records every sample."""
    alarms: tuple[AlarmRule, ...] = ()
