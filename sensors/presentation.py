"""Units and decimal places in which quantities are shown on screens, in Home Assistant and in Signal K.

Values are stored in SI units. `TABLE` states the unit and the number of decimals with which each quantity is
shown, and its unit and classes in Home Assistant. No other module states them. The factors come from the
table of units (`units.DIMENSIONS`).

Sources: the device classes and units of Home Assistant (home-assistant.io, "Sensor", "Device class"), the
state classes that each device class accepts (`DEVICE_CLASS_STATE_CLASSES` in Home Assistant's
`components/sensor/const.py`), and the units of Signal K (Signal K 1.8, `definitions.json`, "units").
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .signalk_paths import is_temperature_difference
from .units import DIMENSIONS, NO_VALUE, Unit, format_duration, unit_of_text

_MEASUREMENT: Final = "measurement"
_TOTAL: Final = "total"
_TOTAL_INCREASING: Final = "total_increasing"
_ANGLE: Final = "measurement_angle"
_MOST_PLAIN: Final = 1e9
"""Magnitude at and above which numbers are shown with an exponent."""
_NOT_NEGATIVE: Final = (0.0, math.inf)
_DIGITS: Final = 6
"""Number of significant digits to show for a unit whose number of decimals is not in the table."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """Unit and form in which a quantity is shown."""

    unit: str
    """Unit on screens; empty for a plain number."""
    decimals: int | None
    """Number of decimals to show; None for six significant digits."""
    factor: float
    offset: float
    """Conversion, as in `Unit`: SI value = shown number * factor + offset."""
    home_assistant_unit: str | None
    """The unit as Home Assistant spells it; None for a plain number."""
    device_class: str | None
    """Home Assistant's device class; None if Home Assistant has none for the quantity."""
    state_class: str
    """Home Assistant's state class, which determines the statistics that Home Assistant keeps."""
    limits: tuple[float, float]
    """Lowest and highest SI value that the quantity can have."""
    signalk_unit: str | None
    """Unit of the SI value as Signal K writes it; None if Signal K does not define the unit."""

    def number(self, value: float) -> float:
        """Return the number to show for a value in the SI unit."""
        return (value - self.offset) / self.factor


@dataclass(frozen=True, slots=True)
class _Row:
    """Presentation of quantities in one SI unit, either of all of them or of those with certain paths."""

    unit: str
    decimals: int | None
    device_class: str | None = None
    state_class: str = _MEASUREMENT
    home_assistant_unit: str | None = None
    """Unit as Home Assistant spells it, if the spelling differs from `unit`."""
    prefix: str = ""
    """Beginning of the paths to which the row applies; empty for all paths."""
    limits: tuple[float, float] = (-math.inf, math.inf)
    """Lowest and highest SI value that the quantity can have."""
    names: frozenset[str] = frozenset()
    """Last components of the paths to which the row applies; empty for all paths."""
    is_difference: bool = False
    """True if the row applies only to differences of temperatures."""

    def fits(self, path: str) -> bool:
        if self.is_difference and not is_temperature_difference(path):
            return False
        return path.startswith(self.prefix) and (not self.names or path.rpartition(".")[2] in self.names)


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


TABLE: Final[Mapping[str, tuple[_Row, ...]]] = {
    "s": (
        _Row("h", 2, "duration", _TOTAL_INCREASING, limits=_NOT_NEGATIVE, names=_names("runTime")),
        _Row("s", None, "duration"),  # screens show the two largest units instead
    ),
    "Hz": (
        # Home Assistant has no device class for revolutions.
        _Row("rpm", 0, names=_names("revolutions")),
        _Row("Hz", 2, "frequency"),
    ),
    "V": (_Row("V", 2, "voltage"),),
    "A": (_Row("A", 2, "current"),),
    "ohm": (_Row("ohm", 1, home_assistant_unit="Ω"),),
    "W": (
        # Signal K uses W for all three powers. Home Assistant accepts a device class only with its own unit.
        _Row("W", 0, "apparent_power", home_assistant_unit="VA", names=_names("apparentPower")),
        _Row("W", 0, "reactive_power", home_assistant_unit="var", names=_names("reactivePower")),
        _Row("W", 0, "power"),
    ),
    "J": (
        _Row("kWh", 3, "energy_storage", names=_names("nominal", "actual", "remaining")),
        _Row("kWh", 3, "energy", _TOTAL_INCREASING, names=_names("yieldToday")),
        _Row("kWh", 3, "energy", _TOTAL),
    ),
    "C": (
        _Row("Ah", 2, state_class=_TOTAL_INCREASING, names=_names("lifetimeDischarge", "lifetimeRecharge")),
        _Row("Ah", 2),
    ),
    "K": (
        # Home Assistant would convert a difference with the device class `temperature` as a temperature.
        _Row("K", 1, is_difference=True),
        _Row("°C", 1, "temperature", limits=_NOT_NEGATIVE),
    ),
    "Pa": (
        _Row("hPa", 1, "atmospheric_pressure", limits=_NOT_NEGATIVE, prefix="environment."),
        _Row("bar", 2, "pressure"),
    ),
    "ratio": (
        _Row("", None, names=_names("gearRatio", "pulleyRatio")),
        _Row("%", 1, "humidity", limits=(0.0, 1.0), names=_names("relativeHumidity")),
        _Row("%", 1, "battery", limits=(0.0, 1.0), names=_names("stateOfCharge")),
        _Row("%", 1, limits=(0.0, 1.0), names=_names("currentLevel")),
        _Row("%", 1),
    ),
    "m3": (
        _Row(
            "l",
            1,
            "volume_storage",
            home_assistant_unit="L",
            limits=_NOT_NEGATIVE,
            names=_names("currentVolume", "capacity"),
        ),
        _Row("l", 1, "volume_storage", home_assistant_unit="L", limits=_NOT_NEGATIVE, prefix="tanks."),
        _Row("l", 1, "volume", _TOTAL_INCREASING, home_assistant_unit="L", names=_names("used")),
        _Row("l", 1, "volume", _TOTAL, home_assistant_unit="L"),
    ),
    "m3/s": (_Row("l/h", 1, "volume_flow_rate", home_assistant_unit="L/h"),),
    "m": (
        _Row("m", 2, "distance", _TOTAL_INCREASING, limits=_NOT_NEGATIVE, names=_names("log")),
        _Row("m", 2, "distance"),
    ),
    "m/s": (
        _Row("kn", 2, "wind_speed", prefix="environment.wind."),
        _Row("kn", 2, "speed"),
    ),
    # The mean of 350° and 10° is 0°, so Home Assistant has its own state class for angles.
    "rad": (
        _Row(
            "°",
            1,
            "wind_direction",
            _ANGLE,
            prefix="environment.wind.",
            names=_names("directionTrue", "directionMagnetic"),
        ),
        _Row("°", 1, state_class=_ANGLE),
    ),
    "rad/s": (_Row("°/s", 2),),
    "kg": (_Row("kg", None, "weight"),),
    "kg/s": (_Row("kg/s", None),),
    "kg/m3": (_Row("kg/m3", None, home_assistant_unit="kg/m³"),),
    "Lux": (_Row("lx", None, "illuminance"),),
    "B": (_Row("B", None, "data_size"),),
    "B/s": (_Row("B/s", None, "data_rate"),),
    "": (
        _Row("", 0, state_class=_TOTAL_INCREASING, limits=_NOT_NEGATIVE, names=_names("starts")),
        _Row("", None),
    ),
}
"""Presentations by SI unit.

The first row for a unit that matches the path applies. The last row for a unit matches every path.
"""
_NOT_SIGNAL_K: Final = frozenset({"B/s", ""})
"""SI units of `TABLE` that Signal K does not define."""


def presentation(unit: str, path: str, *, shown_in: str = "") -> Presentation | None:
    """Return the presentation of a quantity, or None if the stored value is shown unchanged.

    Args:
        unit: the SI unit.
        path: the path of the sensor. It distinguishes, for example, air pressure from oil pressure.
        shown_in: the unit that the sensor's key `display` selects, or an empty string. A unit that does not
            belong to the quantity has no effect, because the name can come from another vessel's document.
    """
    row = next((row for row in TABLE.get(unit, ()) if row.fits(path)), None)
    if row is None:
        return None
    dimension = DIMENSIONS.get(unit)
    usual = Unit(1.0) if dimension is None else dimension.units.get(row.unit, Unit(1.0))
    scale, name, decimals = usual, row.unit, row.decimals
    if dimension is not None and shown_in in dimension.units:
        scale, name = dimension.units[shown_in], shown_in
        decimals = None if decimals is None else _decimals(decimals, scale.factor / usual.factor)
    return Presentation(
        unit=name,
        decimals=decimals,
        factor=scale.factor,
        offset=0.0 if is_temperature_difference(path) else scale.offset,
        home_assistant_unit=row.home_assistant_unit or row.unit or None,
        device_class=row.device_class,
        state_class=row.state_class,
        limits=row.limits,
        signalk_unit=None if unit in _NOT_SIGNAL_K else unit,
    )


def _decimals(decimals: int, ratio: float) -> int:
    """Return the number of decimals for a unit that is `ratio` times as large as the usual unit."""
    return max(decimals + round(math.log10(ratio)), 0)


def is_total(unit: str, path: str) -> bool:
    """Return True if the quantity only increases, such as running hours."""
    form = presentation(unit, path)
    return form is not None and form.state_class == _TOTAL_INCREASING


def display(value: bool | float | None, unit: str, *, path: str = "", shown_in: str = "") -> tuple[str, str]:
    """Return the shown number and the shown unit of a value in the SI unit `unit`, such as `85.0` and `°C`.

    A contact is shown as `active` or `inactive`, and a missing value as `-`. A duration is one text, without
    a separate unit, unless `shown_in` selects a unit as in `presentation`.
    """
    if value is None:
        return NO_VALUE, ""
    if isinstance(value, bool):
        return ("active" if value else "inactive"), ""
    form = presentation(unit, path, shown_in=shown_in)
    if form is None:
        return f"{value:.{_DIGITS}g}", unit
    if form.unit == "s" and shown_in != "s":
        return format_duration(value), ""
    return _rounded(form.number(value), form.decimals), form.unit


def _rounded(number: float, decimals: int | None) -> str:
    if decimals is None or not math.isfinite(number) or abs(number) >= _MOST_PLAIN:
        return f"{number:.{_DIGITS}g}"
    return f"{round(number, decimals) + 0.0:.{decimals}f}"  # + 0.0 avoids -0.0


def format_value(value: bool | float | None, unit: str, *, path: str = "", shown_in: str = "") -> str:
    """Return the result of `display` as one text: `85.0 °C`, `1800 rpm`, `active`."""
    number, shown_unit = display(value, unit, path=path, shown_in=shown_in)
    return f"{number} {shown_unit}" if shown_unit else number


def format_as_written(
    value: float, unit: str, written: object, *, path: str = "", difference: bool = False
) -> str:
    """Return a value in the unit in which a file contains it: `50 l` for 0.05 m3 that was written as `50 l`.

    A ratio without a unit is also shown in percent. Any other number without a unit is in the SI unit `unit`.
    If `difference` is True, the value is a difference between two values.
    """
    name = unit_of_text(written, unit)
    if name is None and isinstance(written, str) and unit == "s":
        return format_duration(value)
    difference = difference or is_temperature_difference(path)
    scale = DIMENSIONS[unit].units.get(name) if name is not None else None
    if scale is not None:
        number = (value - (0.0 if difference else scale.offset)) / scale.factor
        return f"{_short(number)} {name}"
    form = presentation(unit, path)
    if unit != "ratio" or form is None or form.unit != "%":
        return _short(value) if unit == "ratio" else f"{_short(value)} {unit}".rstrip()
    return f"{_short(value)} ({_short(form.number(value))} %)"


def _short(number: float) -> str:
    return f"{number + 0.0:.8g}"


def format_exactly(value: float, unit: str, *, path: str = "", shown_in: str = "") -> str:
    """Return a value in the displayed unit, with six significant digits instead of fixed decimals."""
    form = presentation(unit, path, shown_in=shown_in)
    if form is None:
        return f"{value:.{_DIGITS}g} {unit}".rstrip()
    return f"{form.number(value) + 0.0:.{_DIGITS}g} {form.unit}".rstrip()
