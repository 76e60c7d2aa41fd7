"""The documents with service records, and the plans in the document of a vessel.

Each completed service is a document of its own, which is never changed. So records that several crews write
while their vessels are apart cannot conflict.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sensors.service_settings import ServiceSettings, calendar_of, run_of
from services.clocks.clock_quality import SYNCED, trust_of
from services.documents import builders, models
from services.documents.models import DocumentSource, ServiceDocument, ServicePlan, ShapeError, VesselServices
from services.documents.reading_documents import iso
from services.system.ulid import ulid
from sync import documents
from sync.documents import DocumentType
from sync.store import Database

from .due import Plan, Record, current


def plan_of(settings: ServiceSettings) -> Plan:
    """Return the plan of a configured service."""
    return Plan(
        settings.id,
        settings.name,
        settings.sensor,
        settings.run_s,
        settings.calendar,
        run_of(settings.warn_before),
        calendar_of(settings.warn_before),
        settings.last_hours_s,
        settings.last_done_utc,
        settings.text,
    )


def plans(source: DocumentSource, vessel: str) -> tuple[list[Plan], list[str]]:
    """Return the services of a vessel according to its document, and the problems in that document."""
    document = source.get(documents.vessel_id(vessel))
    if document is None:
        return [], []
    try:
        found = models.read(document, VesselServices).services
    except ShapeError as error:
        return [], [str(error)]
    return [_plan(name, each) for name, each in found.items()], []


def _plan(name: str, plan: ServicePlan) -> Plan:
    return Plan(
        name,
        plan.name or name,
        plan.sensor,
        plan.run_seconds,
        plan.calendar,
        plan.warn_run_seconds,
        plan.warn_calendar,
        plan.last_run_seconds,
        models.shown_seconds_of(plan.last_done),
        plan.text,
    )


def read_records(source: DocumentSource, vessel: str) -> tuple[Mapping[str, Sequence[Record]], list[str]]:
    """Return the records of a vessel by the ids of the services, and the problems in skipped documents."""
    found: dict[str, list[Record]] = {}
    faults = []
    for document in source.documents(documents.service_prefix(vessel)):
        try:
            record = models.read(document, ServiceDocument)
        except ShapeError as error:
            faults.append(str(error))
            continue
        found.setdefault(record.service, []).append(
            Record(
                document.id,
                record.sensor,
                record.run_seconds,
                models.shown_seconds_of(record.when) if record.trust == SYNCED else None,
                record.who,
                record.text,
                frozenset(record.replaces),
            )
        )
    return found, faults


def body(
    vessel: str,
    plan: Plan,
    *,
    run_s: float | None,
    who: str,
    utc: float,
    is_synced: bool,
    text: str,
    replaces: Iterable[str],
) -> dict[str, Any]:
    """Return the body of a service record.

    `run_s` is the running time at the service, in seconds; None if it does not count. `utc` is the time in
    seconds since 1970, and `is_synced` is True if the clock was set.
    """
    return builders.header(DocumentType.SERVICE, vessel) | {
        "service": plan.id,
        "sensor": plan.sensor,
        "runSeconds": None if run_s is None else round(run_s, 3),
        "who": who,
        "when": iso(utc),
        "trust": trust_of(synced=is_synced),
        "text": text,
        "replaces": sorted(replaces),
    }


def write(
    database: Database,
    vessel: str,
    plan: Plan,
    *,
    run_s: float | None,
    who: str,
    utc: float,
    is_synced: bool,
    text: str = "",
) -> str:
    """Store a service record, which replaces all known ones, and return its id.

    The arguments have the same meaning as for `body`.
    """
    known, _ = read_records(database, vessel)
    replaces = [record.id for record in current(known.get(plan.id, ()))]
    document_id = documents.service_id(vessel, ulid(utc))
    content = body(
        vessel, plan, run_s=run_s, who=who, utc=utc, is_synced=is_synced, text=text, replaces=replaces
    )
    database.put(document_id, content)
    return document_id
