"""Reads recorded silences of alarms, and writes new ones durably."""

from collections.abc import Iterable

from sensors.severity import Severity
from services.alarms.audible import AlarmFact
from services.documents import builders, models
from services.documents.models import AlarmDocument, DocumentSource
from sync import documents
from sync.fleet.silences import Silence, silence_in
from sync.store import Database, bodies


def alarm_fact(document_id: str, alarm: AlarmDocument) -> AlarmFact:
    """Return the facts in an alarm's document. An unknown severity counts as an emergency."""
    raised = 0.0 if alarm.raised.utc is None else models.seconds_of(alarm.raised.utc)
    return AlarmFact(
        id=document_id,
        vessel=alarm.vessel,
        sensor=alarm.sensor,
        severity=Severity(alarm.severity) if alarm.severity in list(Severity) else Severity.EMERGENCY,
        raised_utc=raised,
        cleared=alarm.cleared is not None,
        acknowledged=bool(alarm.acks),
        text=alarm.text,
    )


def silence_of(source: DocumentSource, alarm: str) -> Silence | None:
    """Return the last silence of the alarm with this id, even if it has ended; None if there is none."""
    document = source.get(documents.silence_id(alarm))
    return None if document is None else silence_in(document.id, bodies.decode(document.id, document.raw))


def silences_of(source: DocumentSource, alarms: Iterable[str]) -> list[Silence]:
    """Return the last silence of each alarm with one of these ids, even if the silence has ended."""
    found = (silence_of(source, alarm) for alarm in alarms)
    return [silence for silence in found if silence is not None]


def silence(
    database: Database,
    alarms: Iterable[AlarmFact],
    *,
    who: str,
    utc: float,
    duration_s: float,
    trust: str,
) -> None:
    """Record durably that `who` silences alarms from the time `utc` for `duration_s` seconds.

    `trust` states whether `utc` is synced. Raise StoreError if the store fails.
    """
    with database.transaction():
        for alarm in alarms:
            document_id, body = builders.silence(
                alarm.id, alarm.severity.value, who=who, utc=utc, duration_s=duration_s, trust=trust
            )
            stored = database.get(document_id)
            database.put(document_id, body, parent=None if stored is None else stored.rev)
