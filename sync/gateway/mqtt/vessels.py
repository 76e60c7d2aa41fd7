"""What the document of a vessel says, as far as messages need it. Other vessels wrote it: nothing is taken
for granted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SensorFacts:
    """One sensor of a vessel."""

    id: str
    name: str
    path: str
    unit: str
    kind: str


@dataclass(frozen=True, slots=True)
class VesselFacts:
    """A vessel."""

    id: str
    name: str = ""
    uuid: str | None = None
    """As Signal K names it: `urn:mrn:signalk:uuid:…`."""
    version: str = ""
    logs: tuple[str, ...] = ()
    """The oldest first."""
    sensors: tuple[SensorFacts, ...] = field(default=())


def facts_of(vessel: str, body: Mapping[str, Any] | None) -> VesselFacts:
    """What a vessel's document says; None if there is no such document."""
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
            )
            for name, facts in sorted(sensors.items())
            if isinstance(facts, dict)
        )
        if isinstance(sensors, dict)
        else (),
    )


def _text(body: object, key: str) -> str:
    found = body.get(key) if isinstance(body, dict) else None
    return found if isinstance(found, str) else ""
