"""Builds the recorder's documents other than readings, and writes them to the store.

`reading_documents` builds the readings. Views decode all documents with the types in `models`.

Only the functions `upsert…` have side effects: they read and write inside the caller's transaction.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sensors.calendar_interval import CalendarInterval
from sensors.service_settings import ServiceSettings, calendar_of, run_of
from sensors.settings import SensorSettings
from services.clocks.clock_quality import Anchor, trust_of
from services.journal.batch import AlarmRecord, Batch, Identity, NumberGap, SampleRow
from sync import documents
from sync.documents import DocumentType
from sync.store import Database

from .reading_documents import ClockReading, iso


def header(kind: DocumentType, vessel: str) -> dict[str, Any]:
    """Return the fields that all documents have in common."""
    return {"type": kind.value, "vessel": vessel, "channels": documents.channels(kind, vessel)}


def equipment(
    identity: Identity,
    settings: SensorSettings,
    row: SampleRow,
    clock: ClockReading,
    *,
    boot: int,
    count: int | None,
    seconds: float | None,
    severity: str | None,
) -> tuple[str, dict[str, Any]]:
    """Return the document with a sensor's current value and state."""
    body = header(DocumentType.EQUIPMENT, identity.vessel) | {
        "sensor": settings.id,
        "name": settings.name,
        "path": settings.path,
        "unit": settings.unit,
        "value": row.value,
        "state": row.state.value,
        "time": iso(clock.utc_at(row.clock_ms)),
        "boot": boot,
        "clock": row.clock_ms / 1000,
        "trust": clock.trust,
        "log": identity.log,
        "sequence": row.sequence,
        "alarm": severity,
    }
    if count is not None:
        body["count"] = count
    if seconds is not None:
        body["runSeconds"] = round(seconds, 3)
    return documents.equipment_id(identity.vessel, settings.id), body


def alarm(
    *, vessel: str, sensor: str, log: str, path: str, unit: str, episode: AlarmRecord
) -> tuple[str, dict[str, Any]]:
    """Return the document about one alarm episode.

    `acks` is empty, because only users add acknowledgements.
    """
    cleared = None
    if episode.cleared_ms is not None and episode.cleared_utc is not None:
        cleared = {
            "boot": episode.cleared_boot,
            "clock": episode.cleared_ms / 1000,
            "utc": iso(episode.cleared_utc),
            **_trust(episode.cleared_synced),
        }
    body = header(DocumentType.ALARM, vessel) | {
        "sensor": sensor,
        "log": log,
        "sequence": episode.sequence,
        "path": path,
        "unit": unit,
        "severity": episode.severity,
        "text": episode.text,
        "condition": episode.condition,
        "value": episode.value,
        "raised": {
            "boot": episode.boot,
            "clock": episode.raised_ms / 1000,
            "utc": iso(episode.raised_utc),
            **_trust(episode.raised_synced),
        },
        "cleared": cleared,
        "acks": [],
        "history": [
            {"clock": clock_ms / 1000, "utc": iso(utc), "severity": severity, "condition": condition}
            for clock_ms, utc, severity, condition in episode.history
        ],
    }
    return documents.alarm_id(vessel, sensor, log, episode.sequence), body


def _trust(synced: bool | None) -> dict[str, str]:
    """Return the value of `trust` for a time; unknown for alarms recorded by an earlier version."""
    return {} if synced is None else {"trust": trust_of(synced=synced)}


def gap(vessel: str, log: str, gap: NumberGap, utc: float) -> tuple[str, dict[str, Any]]:
    """Return the document that explains missing samples.

    `utc` is the time at which the samples were found missing.
    """
    body = header(DocumentType.GAP, vessel) | {
        "sensor": gap.sensor,
        "log": log,
        "first": gap.first,
        "last": gap.last,
        "reason": gap.reason,
        "when": iso(utc),
    }
    return documents.gap_id(vessel, gap.sensor, log, gap.first), body


def boot(
    identity: Identity,
    *,
    boot_id: str,
    previous: Batch | None,
    anchors: Iterable[Anchor],
    version: str,
) -> dict[str, Any]:
    """Return the document about a boot: the end of the previous boot, and the anchors of its clock."""
    end = None
    if previous is not None:
        end = {
            "boot": previous.boot,
            "clock": previous.clock_ms / 1000,
            "utc": iso(previous.utc),
            "trust": trust_of(synced=previous.synced),
        }
    return header(DocumentType.BOOT, identity.vessel) | {
        "log": identity.log,
        "number": identity.boot,
        "bootId": boot_id,
        "previousEnd": end,
        "anchors": [anchor.as_list() for anchor in anchors],
        "version": version,
    }


def vessel(
    vessel_id: str,
    *,
    name: str,
    mmsi: int | None,
    uuid: str,
    version: str,
    logs: Iterable[str],
    sensors: Iterable[SensorSettings],
    services: Iterable[ServiceSettings] = (),
) -> dict[str, Any]:
    """Return the document about the vessel, its sensors and its services."""
    body = header(DocumentType.VESSEL, vessel_id) | {
        "name": name,
        "mmsi": mmsi,
        "uuid": f"urn:mrn:signalk:uuid:{uuid}",
        "versions": {"logboat": version},
        "logs": list(logs),
        "sensors": {
            sensor.id: {
                "name": sensor.name,
                "path": sensor.path,
                "unit": sensor.unit,
                "kind": sensor.kind,
                "description": sensor.description,
                "window": sensor.window_s,
                "interval": _interval(sensor),
                "deadband": sensor.deadband,
                "alarms": len(sensor.alarms),
            }
            | ({"display": sensor.display} if sensor.display else {})
            | _calibration(sensor)
            for sensor in sensors
        },
    }
    planned = {service.id: _service(service) for service in services}
    return body | {"services": planned} if planned else body


def _service(service: ServiceSettings) -> dict[str, Any]:
    """Return the entry for a service, without the keys that are not set."""
    values = {
        "name": service.name,
        "sensor": service.sensor,
        "runSeconds": service.run_s,
        "calendar": _calendar(service.calendar),
        "warnRunSeconds": run_of(service.warn_before),
        "warnCalendar": _calendar(calendar_of(service.warn_before)),
        "lastRunSeconds": service.last_hours_s,
        "lastDone": None if service.last_done_utc is None else iso(service.last_done_utc),
        "text": service.text,
    }
    return {key: value for key, value in values.items() if value not in (None, "")}


def _calendar(interval: CalendarInterval | None) -> dict[str, int] | None:
    return None if interval is None else {"months": interval.months, "days": interval.days}


def note(vessel: str, *, text: str, who: str, utc: float) -> dict[str, Any]:
    """Return the document with a user's note."""
    return header(DocumentType.NOTE, vessel) | {"text": text, "who": who, "when": iso(utc)}


def silence(
    alarm: str, severity: str, *, who: str, utc: float, duration_s: float, trust: str
) -> tuple[str, dict[str, Any]]:
    """Return the document that silences an alarm from the time `utc` for `duration_s` seconds.

    `alarm` is the id of the alarm's document, and `severity` is the alarm's current severity. Raise
    ValueError if the id is not the id of an alarm.
    """
    name = documents.parse_id(alarm)
    if name is None or name.kind is not DocumentType.ALARM:
        raise ValueError(f"{alarm} is not the id of an alarm")
    return documents.silence_id(alarm), header(DocumentType.SILENCE, name.vessel) | {
        "sensor": name.sensor,
        "log": name.log,
        "sequence": name.number,
        "severity": severity,
        "begins": iso(utc),
        "ends": iso(utc + duration_s),
        "for": duration_s,
        "who": who,
        "trust": trust,
    }


def upsert(database: Database, document_id: str, body: Mapping[str, Any]) -> bool:
    """Write a document that only this vessel writes, unless it is unchanged.

    Return True if it was written.
    """
    current = database.get(document_id)
    if current is None or current.deleted:
        database.put(document_id, body)
        return True
    if current.body == body:
        return False
    database.put(document_id, body, parent=current.rev)
    return True


def upsert_alarm(database: Database, document_id: str, body: Mapping[str, Any]) -> bool:
    """Write an alarm's document as `upsert` does, but keep acknowledgements that users have added.

    A cleared alarm stays cleared, even if an older state arrives late. Return True if the document was
    written.
    """
    current = database.get(document_id)
    if current is not None and not current.deleted:
        there = current.body  # apps also write this document, and may write anything into it
        history, acks = there.get("history"), there.get("acks")
        if (isinstance(history, list) and len(history) > len(body["history"])) or (
            there.get("cleared") and not body["cleared"]
        ):
            return False
        body = {**body, "acks": acks if isinstance(acks, list) else []}
    return upsert(database, document_id, body)


def _interval(sensor: SensorSettings) -> float | None:
    """Return a sensor's sampling interval in seconds; None for a sensor that only reports events."""
    from sensors.registry import (
        kind_named,  # imported here, because the store check imports this module and needs no kinds
    )

    return None if kind_named(sensor.kind).interval_s is None else sensor.interval_s


def _calibration(sensor: SensorSettings) -> dict[str, Any]:
    """Return the sensor's current calibration. It is stored so that readings can be assessed years later."""
    options = sensor.options
    calibration: dict[str, Any] = {}
    keys = ("calibration", "pulses_per_unit", "shunt_ohm", "invert", "divider", "valid")
    values = {key: getattr(options, key, None) for key in keys}
    for key, value in {**values, **options.conversion_record}.items():
        if value is not None and value is not False:
            # Convert through JSON: tuples become lists, as the store will return them.
            calibration[key] = msgspec.json.decode(msgspec.json.encode(value))
    expression = getattr(options, "expression", "")
    if expression:
        calibration["value"] = expression
    if sensor.scale != 1:
        calibration["scale"] = sensor.scale
    if sensor.offset != 0:
        calibration["offset"] = sensor.offset
    if sensor.average_s is not None:
        calibration["average"] = sensor.average_s
    return {"calibration": calibration} if calibration else {}
