"""Every sensor's current value. It comes from the recorder or, if that is not running, from documents.

The recorder's live state is always up to date. Documents show the state at the time of the last change or,
for other vessels, the last state that was received.
"""

from dataclasses import dataclass

from sensors.sample import Value
from sensors.state import is_fault
from services.clocks.clock_quality import UNSYNCED
from services.documents import models
from services.documents.models import DocumentSource, EquipmentDocument, ShapeError
from services.state.recorder_state import LiveState
from sync.documents import DocumentType

from .boots import timeline_around
from .timeline import NEVER, Moment, TimeTrust


@dataclass(frozen=True, slots=True)
class CurrentValue:
    """Last known state of one sensor."""

    sensor: str
    name: str
    path: str
    unit: str
    kind: str
    """Kind of the sensor; '' if unknown."""
    display: str
    """Unit in which the value is shown; '' for the default unit."""
    value: Value
    state: str | None
    """State of the last sample; None if there is no sample yet."""
    detail: str
    moment: Moment
    age: float | None
    """Seconds since the last sample; None if unknown."""
    rate: float | None
    """Samples per second; None if unknown."""
    alarm: str | None
    sequence: int

    @property
    def is_faulty(self) -> bool:
        """True if the last sample's state is not good."""
        return is_fault(self.state)


def from_recorder(state: LiveState, *, boottime: float) -> list[CurrentValue]:
    """Return the sensors' values from the recorder's state.

    `boottime` is the boot clock's current time in seconds.
    """
    synced = state.clock.is_known
    return [
        CurrentValue(
            sensor=name,
            name=live.name,
            path=live.path,
            unit=live.unit,
            kind=live.kind,
            display=live.display,
            value=live.value,
            state=live.state,
            detail=live.detail,
            moment=(
                NEVER
                if live.utc is None
                else Moment(TimeTrust.RECORDED, live.utc, state.clock.uncertainty if synced else None)
            ),
            age=None if live.clock is None else max(boottime - live.clock, 0.0),
            rate=live.rate,
            alarm=live.alarm,
            sequence=live.sequence,
        )
        for name, live in sorted(state.sensors.items())
    ]


def from_documents(
    source: DocumentSource, vessel: str, *, utc: float
) -> tuple[list[CurrentValue], list[str]]:
    """Return the sensors' values from documents, and descriptions of documents that were skipped as invalid.

    `utc` is the current time in seconds since 1970.
    """
    known, faults = [], []
    for document in source.documents(f"{DocumentType.EQUIPMENT}:{vessel}:"):
        try:
            known.append(models.read(document, EquipmentDocument))
        except ShapeError as error:
            faults.append(str(error))
    timeline = timeline_around(source, vessel, [(equipment.log, equipment.boot) for equipment in known])
    shown_in = models.display_units(source, vessel)
    values = []
    for equipment in known:
        is_trusted = equipment.trust != UNSYNCED
        recorded = models.seconds_of(equipment.time) if equipment.time is not None and is_trusted else None
        moment = timeline.at(equipment.log, equipment.boot, equipment.clock, recorded=recorded)
        is_known = moment.utc is not None and moment.trust is not TimeTrust.BEFORE
        values.append(
            CurrentValue(
                sensor=equipment.sensor,
                name=equipment.name,
                path=equipment.path,
                unit=equipment.unit,
                kind="",
                display=shown_in.get(equipment.sensor, ""),
                value=equipment.value,
                state=equipment.state,
                detail="",
                moment=moment,
                age=max(utc - moment.utc, 0.0) if is_known and moment.utc is not None else None,
                rate=None,
                alarm=equipment.alarm,
                sequence=equipment.sequence,
            )
        )
    return values, faults
