"""Home Assistant discovery messages for a vessel's sensors (home-assistant.io, "MQTT discovery").

Home Assistant shows values to people, while Logboat's values are in SI units. Where Home Assistant converts
units itself (temperatures, pressures, …), the unit is passed on unchanged. A ratio is shown in percent, and
revolutions per minute.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sync import documents
from sync.gateway.mqtt import topics
from sync.gateway.mqtt.vessels import SensorFacts, VesselFacts


@dataclass(frozen=True, slots=True)
class _Shown:
    """Presentation of a unit in Home Assistant."""

    unit: str | None
    device_class: str | None = None
    factor: float = 1
    state_class: str = "measurement"


_UNITS: Final[Mapping[str, _Shown]] = {
    "K": _Shown("K", "temperature"),
    "Pa": _Shown("Pa", "pressure"),
    "Hz": _Shown("Hz", "frequency"),
    "V": _Shown("V", "voltage"),
    "A": _Shown("A", "current"),
    "W": _Shown("W", "power"),
    "J": _Shown("J", "energy", state_class="total"),
    "C": _Shown("Ah", factor=1 / 3600),
    "s": _Shown("s", "duration", state_class="total_increasing"),
    "m3": _Shown("m³", "volume", state_class="total"),
    "m3/s": _Shown("L/h", factor=3_600_000),
    "m": _Shown("m", "distance"),
    "m/s": _Shown("m/s", "speed"),
    "kg": _Shown("kg", "weight"),
    "Lux": _Shown("lx", "illuminance"),
    "ratio": _Shown("%", factor=100),
    "rad": _Shown("°", factor=57.29577951308232),
}
_BY_ENDING: Final[tuple[tuple[str, str, _Shown], ...]] = (
    ("revolutions", "Hz", _Shown("rpm", factor=60)),
    ("relativeHumidity", "ratio", _Shown("%", "humidity", factor=100)),
)
"""Exceptions, as last name of the path, unit, and presentation."""
_CONTACT: Final = "bool"


GIVEN_KINDS: Final = frozenset({"manual", "replay"})
"""Kinds of sensors whose values people supply, so that it is unknown when the next one is due."""
SLACK_S: Final = 15.0
"""Seconds from a sample to its publication on a link that keeps up.

The recorder writes current values every 10 s.
"""


def expires_after(sensor: SensorFacts) -> int | None:
    """Return the seconds without a message after which a sensor's value expires, or None if irregular.

    A constant value is recorded with the first sample after its window ends, and is published again then
    (`signs_of_life`). The returned time is twice as long as that takes, so that one late message does no
    harm.
    """
    if sensor.kind in GIVEN_KINDS or sensor.window is None or sensor.interval is None:
        return None
    return math.ceil(2 * (sensor.window + sensor.interval + SLACK_S))


def discovery(vessel: VesselFacts) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the discovery topic and its configuration for each sensor of a vessel, to be retained."""
    device: dict[str, Any] = {
        "identifiers": [topics.node(vessel.id)],
        "name": vessel.name or vessel.id,
        "manufacturer": "Logboat",
    }
    if vessel.version:
        device["sw_version"] = vessel.version
    for sensor in vessel.sensors:
        if documents.NAME.fullmatch(sensor.id) is None:
            continue
        state = topics.sensor(vessel.id, sensor.id, "state")
        config: dict[str, Any] = {
            "name": sensor.name or sensor.id,
            "unique_id": f"logboat_{vessel.id}_{sensor.id}",
            "object_id": f"{vessel.id}_{sensor.id}".replace("-", "_"),
            "state_topic": state,
            "json_attributes_topic": state,
            "availability_topic": topics.presence(vessel.id),
            "qos": 1,
            "device": device,
            "origin": {"name": "Logboat"},
        }
        expires = expires_after(sensor)
        if expires is not None:
            config["expire_after"] = expires
        if sensor.unit == _CONTACT:
            config["value_template"] = _CONTACT_TEMPLATE
            component = "binary_sensor"
        else:
            config |= _number(sensor)
            component = "sensor"
        yield topics.discovery(component, vessel.id, sensor.id), config


_CONTACT_TEMPLATE: Final = (
    "{{ 'ON' if value_json.value is true else 'OFF' if value_json.value is false else None }}"
)


def _number(sensor: SensorFacts) -> dict[str, Any]:
    shown = _shown(sensor)
    if shown is None:
        return {"value_template": "{{ value_json.value }}"}
    value = "value_json.value"
    if shown.factor != 1:
        value = f"{value} * {shown.factor!r} if value_json.value is number else None"
    config: dict[str, Any] = {"value_template": "{{ " + value + " }}", "state_class": shown.state_class}
    if shown.unit is not None:
        config["unit_of_measurement"] = shown.unit
    if shown.device_class is not None:
        config["device_class"] = shown.device_class
    return config


def _shown(sensor: SensorFacts) -> _Shown | None:
    ending = sensor.path.rpartition(".")[2]
    for name, unit, shown in _BY_ENDING:
        if sensor.unit == unit and ending == name:
            return shown
    return _UNITS.get(sensor.unit)
