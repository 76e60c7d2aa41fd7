"""Table of Signal K paths for a vessel's sensors, with the SI unit and a description of each.

The first part contains the paths in Signal K's specification 1.8 that sensors on a GPIO header can measure.
The second part contains Logboat's own paths in the same style. `*` stands for a name that the vessel selects
(`propulsion.*.oilPressure`). A path that is not in the table may be used too, but its unit must then be set.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final

from .units import close

WELL_FORMED: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
CONTACT: Final = "bool"
"""Unit of a value that is either true or false."""
COUNT: Final = ""
"""Unit of a plain number."""


@dataclass(frozen=True, slots=True)
class PathMeta:
    """Unit and description of a path, from the `meta` that Signal K defines for the path."""

    units: str
    """SI unit as Signal K writes it; `bool` for contacts; empty for plain numbers."""
    description: str


def _below(prefix: str, *rows: tuple[str, str, str]) -> dict[str, PathMeta]:
    return {f"{prefix}.{name}": PathMeta(unit, description) for name, unit, description in rows}


_DEVICE: Final = (  # Signal K's `electrical` properties of any device on direct current
    ("voltage", "V", "Voltage at the device"),
    ("voltage.ripple", "V", "Ripple on the direct voltage"),
    ("current", "A", "Current out of the device; for a battery, current into it"),
    ("temperature", "K", "Temperature of the device"),
)
_ALTERNATING: Final = (
    ("lineNeutralVoltage", "V", "Voltage from phase to neutral, RMS"),
    ("lineLineVoltage", "V", "Voltage between phases, RMS"),
    ("current", "A", "Alternating current, RMS"),
    ("frequency", "Hz", "Frequency of the alternating current"),
    ("realPower", "W", "Real power"),
    ("apparentPower", "W", "Apparent power"),
    ("reactivePower", "W", "Reactive power"),
)
_AIR: Final = (
    ("temperature", "K", "Air temperature"),
    ("relativeHumidity", "ratio", "Relative humidity of the air"),
    ("pressure", "Pa", "Air pressure"),
    ("dewPointTemperature", "K", "Dew point"),
    ("heatIndexTemperature", "K", "Apparent temperature, which depends on the humidity"),
    ("airDensity", "kg/m3", "Density of the air"),
    ("illuminance", "Lux", "Brightness"),
)
_TANK: Final = (
    ("currentLevel", "ratio", "Level, 1 is full"),
    ("currentVolume", "m3", "Volume of the contents"),
    ("capacity", "m3", "Volume of the full tank"),
    ("pressure", "Pa", "Pressure of the contents"),
    ("temperature", "K", "Temperature of the contents"),
)
_TANKS: Final = (
    "fuel",
    "freshWater",
    "wasteWater",
    "blackWater",
    "lubrication",
    "liveWell",
    "baitWell",
    "gas",
    "ballast",
)

_SIGNAL_K: Final[Mapping[str, PathMeta]] = {
    **_below(
        "propulsion.*",
        ("revolutions", "Hz", "Engine revolutions"),
        ("temperature", "K", "Engine temperature"),
        ("oilTemperature", "K", "Engine oil temperature"),
        ("oilPressure", "Pa", "Engine oil pressure"),
        ("alternatorVoltage", "V", "Voltage of the engine's alternator"),
        ("runTime", "s", "Engine running hours"),
        ("coolantTemperature", "K", "Coolant temperature"),
        ("coolantPressure", "Pa", "Coolant pressure"),
        ("boostPressure", "Pa", "Boost pressure"),
        ("intakeManifoldTemperature", "K", "Intake manifold temperature"),
        ("exhaustTemperature", "K", "Exhaust temperature"),
        ("engineLoad", "ratio", "Engine load, 1 is full"),
        ("engineTorque", "ratio", "Engine torque, 1 is full"),
        (
            "transmission.gearRatio",
            "ratio",
            "Revolutions of the engine per revolution of the propeller shaft",
        ),
        ("transmission.oilTemperature", "K", "Gearbox oil temperature"),
        ("transmission.oilPressure", "Pa", "Gearbox oil pressure"),
        ("drive.trimState", "ratio", "Trim of the drive, 1 is up"),
        ("drive.thrustAngle", "rad", "Thrust angle of the drive, starboard positive"),
        ("fuel.rate", "m3/s", "Fuel consumption"),
        ("fuel.averageRate", "m3/s", "Average fuel consumption"),
        ("fuel.economyRate", "m3/s", "Fuel consumption in economy mode"),
        ("fuel.used", "m3", "Fuel used"),
        ("fuel.pressure", "Pa", "Fuel pressure"),
    ),
    **_below(
        "electrical.batteries.*",
        *_DEVICE,
        ("capacity.nominal", "J", "Nominal capacity"),
        ("capacity.actual", "J", "Measured capacity"),
        ("capacity.remaining", "J", "Energy left in the battery"),
        ("capacity.stateOfCharge", "ratio", "State of charge, 1 is full"),
        ("capacity.stateOfHealth", "ratio", "State of health, 1 is as new"),
        ("capacity.dischargeSinceFull", "C", "Charge drawn since the battery was full"),
        ("capacity.timeRemaining", "s", "Time to the discharge limit at the present current"),
        ("lifetimeDischarge", "C", "Total charge drawn from the battery"),
        ("lifetimeRecharge", "C", "Total charge put into the battery"),
    ),
    **_below(
        "electrical.chargers.*",
        *_DEVICE,
        ("setpointVoltage", "V", "Target voltage of the charger"),
        ("setpointCurrent", "A", "Current limit of the charger"),
    ),
    **_below(
        "electrical.alternators.*",
        *_DEVICE,
        ("revolutions", "Hz", "Alternator revolutions"),
        ("pulleyRatio", "ratio", "Revolutions of the alternator per revolution of the engine"),
        ("regulatorTemperature", "K", "Temperature of the alternator's regulator"),
        ("setpointVoltage", "V", "Target voltage of the regulator"),
        ("setpointCurrent", "A", "Current limit of the regulator"),
    ),
    **_below(
        "electrical.solar.*",
        *_DEVICE,
        ("panelVoltage", "V", "Voltage from the panels"),
        ("panelCurrent", "A", "Current from the panels"),
        ("panelPower", "W", "Power from the panels"),
        ("panelTemperature", "K", "Temperature of the panels"),
        ("yieldToday", "J", "Energy from the panels today"),
        ("loadCurrent", "A", "Current to the controller's own load"),
    ),
    **_below("electrical.inverters.*.dc", *_DEVICE),
    **_below("electrical.inverters.*.ac", *_ALTERNATING),
    **_below("electrical.ac.*.phase.*", *_ALTERNATING),
    **{path: meta for tank in _TANKS for path, meta in _below(f"tanks.{tank}.*", *_TANK).items()},
    **_below("environment.inside", *_AIR),
    **_below("environment.inside.*", *_AIR),
    **_below(
        "environment.outside",
        *_AIR,
        ("apparentWindChillTemperature", "K", "Wind chill temperature in the apparent wind"),
        ("theoreticalWindChillTemperature", "K", "Wind chill temperature in the true wind"),
    ),
    **_below(
        "environment.water",
        ("temperature", "K", "Water temperature"),
        ("salinity", "ratio", "Salinity of the water"),
    ),
    **_below(
        "environment.depth",
        ("belowKeel", "m", "Depth below the keel"),
        ("belowTransducer", "m", "Depth below the transducer"),
        ("belowSurface", "m", "Depth of the water"),
    ),
    **_below(
        "environment.wind",
        ("angleApparent", "rad", "Apparent wind angle, port negative"),
        ("angleTrueWater", "rad", "True wind angle through the water, port negative"),
        ("angleTrueGround", "rad", "True wind angle over ground, port negative"),
        ("directionTrue", "rad", "Wind direction from true north"),
        ("directionMagnetic", "rad", "Wind direction from magnetic north"),
        ("speedApparent", "m/s", "Apparent wind speed"),
        ("speedTrue", "m/s", "True wind speed"),
        ("speedOverGround", "m/s", "Wind speed over ground"),
    ),
    **_below("environment", ("heave", "m", "Vertical movement in the waves")),
    **_below(
        "navigation",
        ("speedThroughWater", "m/s", "Speed through the water"),
        ("speedThroughWaterLongitudinal", "m/s", "Speed through the water, ahead"),
        ("speedThroughWaterTransverse", "m/s", "Speed through the water, sideways"),
        ("speedOverGround", "m/s", "Speed over ground"),
        ("courseOverGroundTrue", "rad", "Course over ground from true north"),
        ("courseOverGroundMagnetic", "rad", "Course over ground from magnetic north"),
        ("headingTrue", "rad", "Heading from true north"),
        ("headingMagnetic", "rad", "Heading from magnetic north"),
        ("headingCompass", "rad", "Heading shown by the compass"),
        ("magneticVariation", "rad", "Magnetic variation"),
        ("rateOfTurn", "rad/s", "Rate of turn, starboard positive"),
        ("leewayAngle", "rad", "Leeway"),
        ("log", "m", "Distance sailed"),
        ("trip.log", "m", "Distance sailed on this trip"),
    ),
    **_below(
        "steering",
        ("rudderAngle", "rad", "Rudder angle, starboard positive"),
        ("rudderAngleTarget", "rad", "Target rudder angle, starboard positive"),
    ),
}

_OURS: Final[Mapping[str, PathMeta]] = {
    **_below(
        "bilge.*",
        ("highWater", CONTACT, "Water in the bilge has reached the float switch"),
        ("level", "m", "Height of the water in the bilge"),
        ("pump.state", CONTACT, "The bilge pump runs"),
        ("pump.runTime", "s", "Running hours of the bilge pump"),
        ("pump.starts", COUNT, "Starts of the bilge pump"),
    ),
    **_below("security.*", ("state", CONTACT, "The door, hatch or detector is open or has tripped")),
    **_below("electrical.ac.*", ("available", CONTACT, "Alternating current is available from this source")),
    **_below("propulsion.*", ("state", CONTACT, "The engine runs")),
    **_below("notifications", ("*", CONTACT, "A warning contact is active")),
}

TABLE: Final[Mapping[str, PathMeta]] = {**_SIGNAL_K, **_OURS}
"""Unit and description of every known path, by the pattern of the path."""


@lru_cache(maxsize=1024)
def meta(path: str) -> PathMeta | None:
    """Return the unit and description of a path, or None if it is not in the table."""
    names = path.split(".")
    if not is_well_formed(path):
        return None
    return next((TABLE[pattern] for pattern in TABLE if _fits(pattern.split("."), names)), None)


def _fits(pattern: Sequence[str], names: Sequence[str]) -> bool:
    return len(pattern) == len(names) and all(
        part in ("*", name) for part, name in zip(pattern, names, strict=True)
    )


def unit_of(path: str) -> str | None:
    """Return the SI unit of a path, or None if the path is not known.

    The unit is `bool` for a contact and empty for a plain number.
    """
    path_meta = meta(path)
    return None if path_meta is None else path_meta.units


def is_well_formed(path: str) -> bool:
    """Return True if a path consists of two or more names (letters, digits, hyphens) separated by dots."""
    return WELL_FORMED.fullmatch(path) is not None


_ANGLES_BELOW_A_TURN: Final = frozenset(
    {"rudderAngle", "rudderAngleTarget", "thrustAngle", "leewayAngle", "magneticVariation"}
)


def is_direction(path: str) -> bool:
    """Return True if an angle with this path can make a whole turn, as headings and wind angles can."""
    return path.rpartition(".")[2] not in _ANGLES_BELOW_A_TURN


def is_temperature_difference(path: str) -> bool:
    """Return True if a path is for a difference of temperatures, according to its last component."""
    return path.casefold().endswith("temperaturedifference")


@lru_cache(maxsize=1024)
def similar(path: str) -> str:
    """Return the known path that was probably meant, or an empty string if none is similar.

    Names that stand for a `*` are kept. If the path lacks such a name, the result contains `main` instead.
    The first name must also be similar: `bilge` is never corrected to `tanks`.
    """
    parts = path.split(".")
    candidates = []
    groups = (group for first, group in _by_first_name().items() if close(parts[0], [first]))
    for names in chain.from_iterable(groups):
        own = parts
        if len(names) == len(parts) + 1 and "*" in names:
            own = [*parts[: names.index("*")], _USUAL_NAME, *parts[names.index("*") :]]
        if len(own) == len(names):
            filled = (mine if name == "*" else name for name, mine in zip(names, own, strict=True))
            candidates.append(".".join(filled))
    return close(path, candidates)


@lru_cache(maxsize=1)
def _by_first_name() -> dict[str, list[list[str]]]:
    """Return the names of each path of `TABLE`, grouped by the first name, which is then compared once."""
    groups: dict[str, list[list[str]]] = {}
    for pattern in TABLE:
        names = pattern.split(".")
        groups.setdefault(names[0], []).append(names)
    return groups


_USUAL_NAME: Final = "main"
"""Name that most vessels use for their only engine, tank or bilge."""


def unit_words(unit: str) -> str:
    """Return a unit as a phrase that completes the sentence `it is in …`."""
    return {CONTACT: "on and off", COUNT: "plain numbers"}.get(unit, unit)
