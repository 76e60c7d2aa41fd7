"""The state of every service of a vessel, from the document store and, for this vessel, the recorder.

The running hours come from the recorder's live state. If the recorder is not running, or if the sensor has a
fault now, they come from the sensor's `equipment` document. That document also has the running hours of other
vessels.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from services.documents import models
from services.documents.models import DocumentSource, EquipmentDocument, ShapeError
from services.state.recorder_state import LiveState
from sync import documents

from .due import Due, DueState, Plan, due
from .records import plans, read_records


@dataclass(frozen=True, slots=True)
class Overview:
    """The services of a vessel, with the most urgent first."""

    services: tuple[Due, ...] = ()
    faults: tuple[str, ...] = ()
    """Descriptions of invalid documents that were skipped."""

    @property
    def pressing(self) -> tuple[Due, ...]:
        """The services that are overdue or due soon."""
        return tuple(each for each in self.services if each.state in (DueState.OVERDUE, DueState.SOON))


NONE = Overview()


def overview(source: DocumentSource, vessel: str, *, live: LiveState | None, utc: float | None) -> Overview:
    """Return the state of every service of a vessel.

    `live` is the recorder's state; None if it is not running. `utc` is the time in seconds since 1970; None
    if the clock is not set.
    """
    planned, faults = plans(source, vessel)
    if not planned:
        return Overview(faults=tuple(faults))
    records, more = read_records(source, vessel)
    found = [
        due(plan, records.get(plan.id, ()), counter_s=running_time(source, vessel, plan, live=live), utc=utc)
        for plan in planned
    ]
    return Overview(tuple(in_order(found)), (*faults, *more))


def in_order(services: Iterable[Due]) -> list[Due]:
    """Return the services sorted: the most urgent state first, then by name."""
    return sorted(services, key=lambda each: (each.state.rank, each.plan.name.casefold(), each.plan.id))


def running_time(source: DocumentSource, vessel: str, plan: Plan, *, live: LiveState | None) -> float | None:
    """Return the running time that counts for a service, in seconds; None if it is not known.

    `live` has the same meaning as for `overview`.
    """
    if plan.run_s is None:
        return None
    if live is not None and live.vessel == vessel:
        sensor = live.sensors.get(plan.sensor)
        if sensor is not None and sensor.unit == "s" and _is_number(sensor.value):
            return float(sensor.value or 0.0)
    document = source.get(documents.equipment_id(vessel, plan.sensor))
    if document is None:
        return None
    try:
        equipment = models.read(document, EquipmentDocument)
    except ShapeError:  # `logboat sensors` reports the invalid document
        return None
    if equipment.unit != "s":
        return None
    return float(equipment.value or 0.0) if _is_number(equipment.value) else equipment.run_seconds


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
