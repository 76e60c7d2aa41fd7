"""Extracts from a vessel's document the facts that are needed to create messages.

The documents are received from other vessels, so every field is checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class SensorFacts:
    """Facts about a sensor, taken from its vessel's document."""

    id: str
    name: str
    path: str
    unit: str
    kind: str
    window: float | None = None
    """Length of the sensor's window in seconds; None if unknown.

    At the end of each window, the samples are stored as a reading, even if the value is constant.
    """
    interval: float | None = None
    """Seconds between samples; 0 for a kind of sensor without a fixed rate; None if unknown."""
    has_alarms: bool = False
    """True if the sensor can raise alarms."""


@dataclass(frozen=True, slots=True)
class VesselFacts:
    """Facts about a vessel, taken from the vessel's document."""

    id: str
    name: str = ""
    uuid: str | None = None
    """The vessel's UUID in Signal K's form: `urn:mrn:signalk:uuid:…`."""
    version: str = ""
    logs: tuple[str, ...] = ()
    """Ids of the vessel's logs, oldest first."""
    sensors: tuple[SensorFacts, ...] = field(default=())
    lists_sensors: bool = False
    """True if `sensors` is complete; False if the vessel's sensors are unknown."""

    def may_have(self, sensor: str) -> bool:
        """Return False if the vessel is known not to have this sensor, and True otherwise."""
        return not self.lists_sensors or any(each.id == sensor for each in self.sensors)

    def sensor(self, name: str) -> SensorFacts | None:
        """Return the facts about a sensor, or None if the vessel's document does not list it."""
        return next((each for each in self.sensors if each.id == name), None)


def facts_of(vessel: str, body: Mapping[str, Any] | None) -> VesselFacts:
    """Return the facts in a vessel's document. `body` is None if there is no document."""
    if body is None:
        return VesselFacts(vessel)
    logs, sensors, versions = body.get("logs"), body.get("sensors"), body.get("versions")
    uuid = body.get("uuid")
    return VesselFacts(
        id=vessel,
        name=_text(body, "name") or vessel,
        uuid=uuid if isinstance(uuid, str) and uuid.startswith("urn:mrn:signalk:uuid:") else None,
        version=_text(versions, "logboat"),
        logs=tuple(log for log in logs if isinstance(log, str)) if isinstance(logs, list) else (),
        sensors=tuple(
            SensorFacts(
                id=name,
                name=_text(facts, "name") or name,
                path=_text(facts, "path"),
                unit=_text(facts, "unit"),
                kind=_text(facts, "kind"),
                window=_seconds(facts, "window"),
                interval=_interval(facts),
                has_alarms=bool(_seconds(facts, "alarms")),
            )
            for name, facts in sorted(sensors.items())
            if isinstance(facts, dict)
        )
        if isinstance(sensors, dict)
        else (),
        lists_sensors=isinstance(sensors, dict) and all(isinstance(each, dict) for each in sensors.values()),
    )


def _text(body: object, key: str) -> str:
    value = body.get(key) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""


def _seconds(body: Mapping[str, Any], key: str) -> float | None:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 < value < _MOST_SECONDS else None


def _interval(body: Mapping[str, Any]) -> float | None:
    if "interval" in body and body["interval"] is None:
        return 0.0
    return _seconds(body, "interval")


_MOST_SECONDS: Final = 1e6
"""Maximum accepted interval or window, in seconds (eleven days)."""
