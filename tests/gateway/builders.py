"""Builders of a document store with a fleet's documents, in the form in which recorders write them."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sync import documents
from sync.documents import POLICY
from sync.store import Database
from tests.fleet.builders import body

LOG = "qwerty"


def store(path: Path) -> Database:
    return Database.open(path, policy=POLICY)


def write_vessel(
    database: Database,
    vessel: str,
    sensors: Iterable[str],
    *,
    logs: Iterable[str] = (LOG,),
    **more: Any,
) -> None:
    """Write the `vessel` document of a vessel. `more` contains further properties of every sensor."""
    name = documents.vessel_id(vessel)
    found = {
        sensor: {
            "name": sensor.title(),
            "path": f"tanks.fuel.{sensor}.currentLevel",
            "unit": "ratio",
            "kind": "analog",
            "window": 300.0,
            "interval": 1.0,
            **more,
        }
        for sensor in sensors
    }
    uuid = "urn:mrn:signalk:uuid:6a1b9d3c-56ef-4f1e-8b1e-000000000001"
    now = database.get(name)
    database.put(
        name,
        body(name, name=vessel.title(), uuid=uuid, logs=list(logs), sensors=found, versions={"logboat": "1"}),
        parent=None if now is None else now.rev,
    )


def write_readings(
    database: Database, vessel: str, sensor: str, numbers: Iterable[int], *, samples: int = 1, log: str = LOG
) -> None:
    with database.transaction():
        for number in numbers:
            name = documents.reading_id(vessel, sensor, log, number)
            more = {"first": number, "last": number + samples - 1}
            database.put(name, body(name, samples=[[i * 1000, 0.5] for i in range(samples)], **more))


def write_windows(database: Database, vessel: str, sensor: str, count: int) -> None:
    """Write `count` readings of 150 s each, with one sample per second.

    Calls with the same arguments write the same readings to any store.
    """
    chance = random.Random(count)
    with database.transaction():
        for number in range(count):
            first = number * 150 + 1
            name = documents.reading_id(vessel, sensor, LOG, first)
            samples = [[at * 1_000, round(chance.random(), 4)] for at in range(150)]
            database.put(name, body(name, samples=samples, first=first, last=first + 149))


def write_equipment(
    database: Database, vessel: str, sensor: str, sequence: int, value: float | bool, **more: Any
) -> str:
    name = documents.equipment_id(vessel, sensor)
    now = database.get(name)
    return database.put(
        name,
        body(
            name,
            **{
                "log": LOG,
                "sequence": sequence,
                "value": value,
                "boot": 1,
                "clock": float(sequence),
                "path": f"tanks.fuel.{sensor}.currentLevel",
                "unit": "ratio",
                "name": sensor.title(),
                "time": "2026-11-25T12:00:00.000Z",
                "state": "good",
                **more,
            },
        ),
        parent=None if now is None else now.rev,
    )


def write_alarm(database: Database, vessel: str, sensor: str, sequence: int, **more: Any) -> str:
    name = documents.alarm_id(vessel, sensor, LOG, sequence)
    database.put(name, body(name, acks=[], sequence=sequence, severity="alarm", **more))
    return name


def write_notes(database: Database, vessel: str, count: int) -> None:
    """Write `count` notes, which are then newer than all other documents.

    If the broker has lost the gateway's session, the gateway sends the latest hundred documents again. If
    these are all notes, the gateway sends other documents again only if it detects that they are missing.
    """
    with database.transaction():
        for number in range(count):
            name = documents.note_id(vessel, f"{number:026d}")
            database.put(name, body(name, text="All well.", who="anna"))


def first_numbers(payloads: Iterable[bytes]) -> list[int]:
    """Return the first sequence number of each reading, from the payloads of the readings."""
    return [json.loads(each)["first"] for each in payloads]
