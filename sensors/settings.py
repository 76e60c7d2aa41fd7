"""Configuration of a sensor, parsed and valid: SI numbers, with no strings left to interpret.

`sensors.config.loader` makes the settings from `sensors.toml`; drivers and the recorder use them.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .state import SensorState


class Severity(StrEnum):
    """Signal K's alarm states, in order of rising severity."""

    NOMINAL = "nominal"
    NORMAL = "normal"
    ALERT = "alert"
    WARN = "warn"
    ALARM = "alarm"
    EMERGENCY = "emergency"

    @property
    def rank(self) -> int:
        """Number from 0 (nominal) to 5 (emergency)."""
        return list(Severity).index(self)


class ContactState(StrEnum):
    """State of a contact that makes an alarm rule fire."""

    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """Condition for an alarm on a sensor's value: `when`, or `above`, `below` or both."""

    severity: Severity
    text: str = ""
    when: ContactState | None = None
    above: float | None = None
    below: float | None = None
    hysteresis: float = 0.0
    """Distance, in the value's unit, that the value must pass back over the limit to clear the alarm."""
    raise_after_s: float = 0.0
    """Time in seconds that the condition must last before the alarm is raised (`for` in the file)."""
    clear_after_s: float = 0.0
    """Time in seconds that the condition must be absent before the alarm clears (`clear_for` in the file)."""


class Pull(StrEnum):
    """Pull resistor of a GPIO line."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ContactOptions:
    """Options of the kinds `switch` and `runtime`."""

    pin: int
    pull: Pull = Pull.UP
    active_low: bool = True
    debounce_s: float = 0.05
    normally_closed: bool = False
    """True if the contact opens when the equipment is active."""
    noisy_above_hz: float = 10.0
    """Changes per second, averaged over ten seconds, above which the contact has the state `noisy`."""


@dataclass(frozen=True, slots=True)
class PulseOptions:
    """Options of the kind `pulse`."""

    pin: int
    pulses_per_unit: float
    """Pulses per revolution, or per m3 for a flow meter."""
    measure: str = "rate"
    """Quantity to emit: `rate` (units per second) or `total` (units since the sensor was fitted)."""
    pull: Pull = Pull.UP
    active_low: bool = True
    debounce_s: float = 0.0
    """Shortest time in seconds between two pulses; a pulse that comes sooner is a glitch."""
    max_hz: float = 20_000.0
    """Pulse rate in Hz above which the pulses cannot come from the equipment (state `noisy`)."""
    zero_after_s: float = 2.0
    """Time in seconds without a pulse after which the rate is 0."""


@dataclass(frozen=True, slots=True)
class AnalogOptions:
    """Options of the kind `analog`: a voltage at an ADC, converted to the path's unit."""

    chip: str
    """Type of ADC: `mcp3008`, `mcp3208` or `ads1115`."""
    channel: int
    bus: int
    """Number of the SPI or I2C bus."""
    address: int
    """SPI chip select or I2C address."""
    calibration: tuple[tuple[float, float], ...]
    """Pairs of (volts, value) in order of rising volts.

    Values between two points are interpolated linearly. Values beyond an end are the value at that end.
    """
    valid: tuple[float, float]
    """Electrical range in volts.

    A voltage below the range is `short` and one above is `open`, or the other way round: see `open_is_high`.
    """
    open_is_high: bool = True
    """True if a broken wire causes the higher voltage (a sender to ground under a pull-up)."""
    reference_v: float = 3.3
    """Reference voltage of the chip in V (MCP3008 and MCP3208)."""
    divider: float = 1.0
    """Volts at the sender per volt at the chip."""


@dataclass(frozen=True, slots=True)
class BusOptions:
    """Options of the kinds whose chips a kernel driver reads.

    These kinds are `ds18b20`, `thermocouple`, `ina219`, `ina226` and `bme280`.
    """

    bus: int | None
    """Number of the I2C or SPI bus; None for 1-wire."""
    address: int | str | None
    """I2C address, SPI chip select or 1-wire id (`28-0316a2…`); None if there is only one chip."""
    measure: str
    """Quantity to read: `temperature`, `voltage`, `current`, `power`, `relativeHumidity` or `pressure`."""
    shunt_ohm: float | None = None
    """Shunt resistance in ohm for INA219 and INA226; None to use the kernel's setting."""


@dataclass(frozen=True, slots=True)
class ManualOptions:
    """Options of the kind `manual`, whose values people enter."""


@dataclass(frozen=True, slots=True)
class SimulatedOptions:
    """Options of the kind `simulated`."""

    model: str
    """Name of the model: `engine`, `bilge`, `tank`, `battery`, `temperature` or `door`."""
    seed: int = 0
    faults: bool = False
    """True if the model also simulates wiring faults from time to time."""
    wire: SensorState = SensorState.GOOD
    """Fault that the model simulates all the time, as if the plug were pulled: `OPEN` or `SHORT`."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Options of the kind `replay`."""

    file: Path
    """CSV file with the columns time, path, value; the path is already resolved (beside `sensors.toml`)."""
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
    """Settings from one `[[sensor]]` table."""

    id: str
    """Id of the form `[a-z0-9-]{1,32}`, unique on the vessel."""
    name: str
    kind: str
    path: str
    """Signal K path, or one of our own in Signal K's style."""
    unit: str
    """Unit in SI, as Signal K writes it (`K`, `Pa`, `Hz`, `ratio`, `m3/s`, …).

    `bool` is for contacts; an empty string is for plain numbers.
    """
    options: Options
    description: str = ""
    interval_s: float = 1.0
    """Time in seconds between samples of a polled or counted sensor (`rate` in the file)."""
    window_s: float = 300.0
    deadband: float = 0.0
    """Smallest change that is recorded, in the sensor's unit; 0 records every sample."""
    alarms: tuple[AlarmRule, ...] = ()
