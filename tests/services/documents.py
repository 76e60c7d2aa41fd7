"""Builders of documents, made with the recorder's code, and of stores that contain them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sensors.kinds.manual import ManualOptions
from sensors.sample import Value
from sensors.settings import SensorSettings
from sensors.state import SensorState
from services.clocks.clock_quality import Anchor
from services.clocks.time_source import TimeSource
from services.documents import builders
from services.documents.reading_documents import ClockReading, ReadingWindow, WindowOrigin
from services.documents.reading_documents import reading as reading_of
from services.journal.batch import AlarmRecord, Batch, Identity, NumberGap, SampleRow
from sync import documents
from sync.store import Database

VESSEL = "argo"
SENSOR = "rpm"
LOG = "abcdef"
PATH = "propulsion.main.revolutions"
UTC = 1_760_000_000.0
"""The time 2025-10-09T08:53:20Z, at which the first boot's clock is zero by default."""

Built = tuple[str, dict[str, Any]]


def reading(
    *values: Value,
    first: int = 1,
    boot: int = 1,
    start: float = 100.0,
    step: float = 1.0,
    vessel: str = VESSEL,
    sensor: str = SENSOR,
    log: str = LOG,
    path: str = PATH,
    unit: str = "Hz",
    utc: float = UTC,
    synced: bool = True,
    states: Mapping[int, SensorState] | None = None,
    **changes: Any,
) -> Built:
    """Return a reading with a window of consecutive samples, `step` seconds apart.

    `states` maps a sample's index to its state; `changes` apply to the body.
    """
    window = ReadingWindow(WindowOrigin(vessel, sensor, log, path, unit, 300.0), run=1, boot=boot)
    for place, value in enumerate(values):
        clock_ms = round((start + place * step) * 1000)
        window.add(
            SampleRow(sensor, first + place, clock_ms, value, (states or {}).get(place, SensorState.GOOD))
        )
    document_id, body = reading_of(window, ClockReading(0, utc, synced))
    return document_id, body | changes


def gap(
    first: int,
    last: int,
    reason: str = "retention",
    *,
    vessel: str = VESSEL,
    sensor: str = SENSOR,
    log: str = LOG,
) -> Built:
    """Return a gap document for samples of a sensor."""
    return builders.gap(vessel, log, NumberGap(sensor, first, last, reason), UTC)


def network(clock: float, utc: float, uncertainty: float = 0.01) -> Anchor:
    """Return an anchor of the boot clock whose source is the network."""
    return Anchor(clock, utc, TimeSource.NETWORK, uncertainty)


def boot(
    number: int = 1,
    *anchors: Anchor,
    previous_end: tuple[int, float] | None = None,
    vessel: str = VESSEL,
    log: str = LOG,
) -> Built:
    """Return the document of a boot."""
    identity = Identity(vessel=vessel, log=log, boot=number, run=1)
    previous = None
    if previous_end is not None:
        previous = Batch(
            run=1, boot=previous_end[0], clock_ms=round(previous_end[1] * 1000), utc=UTC, synced=False
        )
    body = builders.boot(identity, boot_id=f"b{number}", previous=previous, anchors=anchors, version="0.1.0")
    return documents.boot_id(vessel, log, number), body


def settings(
    sensor: str = SENSOR, *, path: str = PATH, unit: str = "Hz", kind: str = "pulse", display: str = ""
) -> SensorSettings:
    """Return the settings of a sensor of the vessel."""
    return SensorSettings(
        id=sensor,
        name=f"The {sensor}",
        kind=kind,
        path=path,
        unit=unit,
        display=display,
        options=ManualOptions(),
    )


def equipment(
    value: Value = 30.0,
    *,
    sequence: int = 1,
    state: SensorState = SensorState.GOOD,
    vessel: str = VESSEL,
    sensor: str = SENSOR,
    log: str = LOG,
    path: str = PATH,
    unit: str = "Hz",
    boot: int = 1,
    clock: float = 100.0,
    severity: str | None = None,
) -> Built:
    """Return the document with the current value of a sensor."""
    return builders.equipment(
        Identity(vessel=vessel, log=log, boot=boot, run=1),
        settings(sensor, path=path, unit=unit),
        SampleRow(sensor, sequence, round(clock * 1000), value, state),
        ClockReading(0, UTC, True),
        boot=boot,
        count=None,
        seconds=None,
        severity=severity,
    )


def alarm(
    sequence: int = 17,
    *,
    severity: str = "alarm",
    text: str = "Overspeed",
    condition: str = "above 63",
    value: Value = 64.0,
    raised: float = 117.0,
    cleared: float | None = None,
    vessel: str = VESSEL,
    sensor: str = SENSOR,
    log: str = LOG,
    unit: str = "Hz",
    acks: Iterable[Mapping[str, str]] = (),
) -> Built:
    """Return an alarm that is raised and cleared at times on the first boot's clock."""
    episode = AlarmRecord(
        sequence=sequence,
        severity=severity,
        text=text,
        condition=condition,
        value=value,
        raised_ms=round(raised * 1000),
        raised_utc=UTC + raised,
        boot=1,
        cleared_ms=None if cleared is None else round(cleared * 1000),
        cleared_utc=None if cleared is None else UTC + cleared,
        cleared_boot=None if cleared is None else 1,
    )
    document_id, body = builders.alarm(
        vessel=vessel, sensor=sensor, log=log, path=PATH, unit=unit, episode=episode
    )
    return document_id, body | {"acks": list(acks)}


def vessel(
    vessel_id: str = VESSEL, *, logs: Iterable[str] = (LOG,), sensors: Iterable[SensorSettings] = ()
) -> Built:
    """Return the document that describes a vessel and its sensors."""
    body = builders.vessel(
        vessel_id,
        name=f"SY {vessel_id.title()}",
        mmsi=None,
        uuid="9c8a4e6e-6b9a-4b0e-9d5b-0f2f6c1e7a11",
        version="0.1.0",
        logs=logs,
        sensors=tuple(sensors) or (settings(),),
    )
    return documents.vessel_id(vessel_id), body


def store(path: Path, *built: Built) -> Path:
    """Write documents to the store at `path`, which is created if necessary and closed afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Database.open(path, policy=documents.POLICY) as database:
        write(database, *built)
    return path


def write(database: Database, *built: Built) -> None:
    """Put documents into an open store in one transaction; existing ones are replaced."""
    with database.transaction():
        for document_id, body in built:
            current = database.get(document_id)
            database.put(document_id, body, parent=None if current is None else current.rev)


def live_state(**changes: Any) -> dict[str, Any]:
    """Return a live state of the recorder that shows no faults.

    The state was written an hour after the recorder's start, at 100,000 s on the boot clock.
    """
    return {
        "pid": 4711,
        "vessel": VESSEL,
        "log": LOG,
        "boot": 1,
        "started": UTC + 96_400,
        "startedClock": 96_400.0,
        "updated": {"clock": 100_000.0, "utc": UTC + 100_000},
        "lastDurable": {"clock": 99_999.5, "utc": UTC + 99_999.5, "samples": 12_345},
        "recording": True,
        "fault": None,
        "documents": None,
        "problems": [],
        "clock": {"source": "network", "uncertainty": 0.02},
        "backlog": {"samples": 0, "batches": 1, "open": 40},
        "storage": {"free": 12e9, "total": 32e9, "budget": 25e9, "used": 1e9},
        "sensors": {SENSOR: live_sensor()},
    } | changes


def lights_state(*outputs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the live state of a lights daemon that drives these outputs."""
    stamp = {"clock": 100_000.0, "utc": UTC + 100_000}
    return {"pid": 4712, "updated": stamp, "lights": {}, "whyDark": None, "outputs": list(outputs), **changes}


def live_output(output: str = "siren", **changes: Any) -> dict[str, Any]:
    """Return the live state's entry for an output that is off and works."""
    return {"id": output, "name": output, "pin": 23, "on": False, "why": "", "readBack": False, **changes}


def live_sensor(value: Value = 30.0, **changes: Any) -> dict[str, Any]:
    """Return the live state's entry for a sensor that was read half a second earlier."""
    return {
        "name": "Main engine",
        "path": PATH,
        "unit": "Hz",
        "kind": "pulse",
        "value": value,
        "state": "good",
        "detail": "",
        "clock": 99_999.5,
        "utc": UTC + 99_999.5,
        "sequence": 77,
        "rate": 1.0,
        "alarm": None,
    } | changes


def mesh_state(**changes: Any) -> dict[str, Any]:
    """Return a live state of the sync daemon with no vessel nearby, written at the time of `live_state`."""
    return {
        "pid": 4712,
        "vessel": VESSEL,
        "fleet": "north",
        "board": "0123456789abcdef",
        "started": UTC + 96_400,
        "updated": {"clock": 100_000.0, "utc": UTC + 100_000},
        "fault": None,
        "waitsForIdentity": False,
        "problems": [],
        "port": 4984,
        "fingerprint": "AB:CD",
        "peers": [],
        "crew": [],
        "routes": {},
        "clones": [],
    } | changes


def peer(vessel_id: str, state: str = "linked", **changes: Any) -> dict[str, Any]:
    """Return the live state's entry for a nearby vessel that has been linked for a minute."""
    return {
        "vessel": vessel_id,
        "state": state,
        "address": "10.0.0.2:4984",
        "dialled": True,
        "upFor": 60.0 if state == "linked" else None,
        "behind": 0,
        "receiving": 0,
        "sent": 12_000,
        "received": 3_400_000,
        "log": LOG,
        "version": "0.1.0",
        "problem": None,
    } | changes


def route(*path: str, ago: float = 10.0) -> dict[str, Any]:
    """Return the route of a vessel's documents, which begins with the neighbouring vessel.

    The last document arrived `ago` seconds ago.
    """
    return {"path": list(path), "hops": len(path), "utc": UTC + 100_000.2 - ago}
