"""Documents and settings of a vessel with services."""

from typing import Any

from sensors.calendar_interval import CalendarInterval
from sensors.service_settings import ServiceSettings
from services.documents import builders
from sync import documents
from tests.services import documents as build

H = 3600.0
DAY = 86_400.0
COUNTER = "main-hours"
PATH = "propulsion.main.runTime"
OIL = ServiceSettings(
    name="Engine oil", id="engine-oil", sensor=COUNTER, every=250 * H, or_every=CalendarInterval(12)
)
RIGGING = ServiceSettings(name="Standing rigging", id="rigging", every=CalendarInterval(60))


def vessel(*services: ServiceSettings, name: str = build.VESSEL) -> build.Built:
    """Return the document of a vessel with services."""
    body = builders.vessel(
        name,
        name="",
        mmsi=None,
        uuid="9c8a4e6e-6b9a-4b0e-9d5b-0f2f6c1e7a11",
        version="0.1.0",
        logs=(build.LOG,),
        sensors=(build.settings(COUNTER, path=PATH, unit="s", kind="runtime"),),
        services=services,
    )
    return documents.vessel_id(name), body


def planned(built: build.Built, *services: ServiceSettings) -> build.Built:
    """Return the document of a vessel, with services added to it."""
    document_id, body = built
    return document_id, {**body, "services": vessel(*services)[1]["services"]}


def hours(value: float, **changes: Any) -> build.Built:
    """Return the document with the running hours of the main engine."""
    return build.equipment(value * H, sensor=COUNTER, path=PATH, unit="s", **changes)


def live_hours(value: float | None, **changes: Any) -> dict[str, Any]:
    """Return the live state of the main engine's running hours."""
    seconds = None if value is None else value * H
    return {COUNTER: build.live_sensor(seconds, path=PATH, unit="s", kind="runtime", **changes)}
