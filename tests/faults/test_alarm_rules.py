"""On a long voyage, the recorder raises the alarms of a reference model, even if it is interrupted anywhere.

After each interruption, it computes the states of its alarm rules again from the data flushed to the disk.
"""

import random
from bisect import bisect_left
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from sensors.state import SensorState, is_fault
from sync import documents
from sync.documents import DocumentType
from sync.store import Database
from tests.services.rules.plain_model import PlainModel, Recorded

from . import proof
from .loads import VESSEL
from .processes import Line
from .rig import FakeClock, Rig
from .voyage import SENSORS, Look, Voyage

TORTURE = (pytest.mark.torture, pytest.mark.timeout(3600))
ROUNDING_MS = 10
"""Maximum error of the times without power in a window. They are computed from times in UTC."""


def samples_in(data: Path) -> dict[str, list[Recorded]]:
    """Return all recorded samples of each sensor, from the documents."""
    found: dict[str, dict[int, Recorded]] = defaultdict(dict)
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        for document in database.documents(f"{DocumentType.READING}:"):
            body = document.body
            start_ms = round(body["start"] * 1000)
            for number, (offset, value, *state) in enumerate(body["samples"], body["first"]):
                known = SensorState(state[0]) if state else SensorState.GOOD
                found[body["sensor"]][number] = Recorded(
                    body["boot"], start_ms + offset, value, is_faulty=is_fault(known)
                )
    return {sensor: [rows[number] for number in sorted(rows)] for sensor, rows in found.items()}


def assert_alarms_are_those_of_the_model(voyage: Voyage) -> int:
    """Fail unless recorder and model agree while the recorder is running. Return the number of alarms."""
    samples = samples_in(voyage.data)
    models: dict[tuple[int, bool], PlainModel] = {}
    alarms = 0
    by_sensor: dict[str, list[Look]] = defaultdict(list)
    for look in voyage.looks:
        if look.is_sure:
            by_sensor[look.sensor].append(look)
    for sensor, looks in by_sensor.items():
        was_raised = False
        for look in looks:
            key = (look.boot, look.is_set)
            if key not in models:
                boots = voyage.powered(look.boot, is_set=look.is_set)
                until = {
                    name: rows[: bisect_left(rows, look.boot + 1, key=lambda row: row.boot)]
                    for name, rows in samples.items()
                }
                models[key] = PlainModel(SENSORS, boots, until)
            at = voyage.powered(look.boot, is_set=look.is_set)[look.boot].zero_ms + look.clock_ms
            expected = {models[key].severity(sensor, at + by) for by in (0, -ROUNDING_MS, ROUNDING_MS)}
            assert look.severity in expected, (look, expected)
            alarms += look.severity is not None and not was_raised
            was_raised = look.severity is not None
    return alarms


def assert_no_alarm_is_lost_or_raised_twice(voyage: Voyage) -> int:
    """Assert that there is one document for each alarm. Return the number of alarms."""
    wanted: dict[tuple[str, int], bool] = {}
    by_sensor: dict[str, list[Look]] = defaultdict(list)
    for look in voyage.looks:
        by_sensor[look.sensor].append(look)
    for sensor, looks in by_sensor.items():
        for before, look in pairwise(looks):
            if before.sequence is not None and look.sequence is not None:
                assert before.sequence == look.sequence, (before, look)
        numbers = [look.sequence for look in looks if look.sequence is not None]
        for number in numbers:
            wanted[sensor, number] = looks[-1].sequence != number
    found = proof.read(voyage.data)
    assert wanted == {
        (sensor, number): body["cleared"] is not None
        for (sensor, _), alarms in found.alarms.items()
        for number, body in alarms.items()
    }
    return len(wanted)


def assert_no_acknowledgement_is_undone(voyage: Voyage) -> None:
    """Assert that every acknowledgement that was reported as stored is in its alarm's document."""
    with Database.open(voyage.data / "log.db", policy=documents.POLICY) as database:
        assert database.conflicts() == []
        for document_id, who in voyage.told_acks:
            document = database.get(document_id)
            assert document is not None, document_id
            assert who in {ack["who"] for ack in document.body["acks"]}, (document_id, who)


@pytest.mark.parametrize(
    ("voyages", "hours"), [(1, 24.0), pytest.param(30, 72.0, marks=TORTURE)], ids=["small", "full"]
)
def test_alarms_survive_interruptions_at_any_moment(
    tmp_path: Path, rng: random.Random, voyages: int, hours: float
) -> None:
    for number in range(voyages):
        data = tmp_path / str(number)
        data.mkdir()
        voyage = Voyage(data, rng, hours=hours, calls=rng.choice((300.0, 1_000.0, 3_000.0)))
        voyage.live()
        proof.assert_sound(data)
        proof.assert_told_once(voyage.ledger)
        assert proof.read(data).absent(voyage.ledger) == []
        assert_alarms_are_those_of_the_model(voyage)
        alarms = assert_no_alarm_is_lost_or_raised_twice(voyage)
        assert_no_acknowledgement_is_undone(voyage)
        print(
            f"{len(voyage.starts)} starts, {len(voyage.boots)} boots, {alarms} alarms,"
            f" {len(voyage.told_acks)} acknowledgements, {len(voyage.looks)} states compared"
        )


def test_document_of_a_boot_names_the_boot_before_also_after_a_quick_restart(
    tmp_path: Path, rng: random.Random
) -> None:
    clock, ledger = FakeClock(), list[Line]()
    with Rig(tmp_path, clock=clock, rng=rng, ledger=ledger) as rig:
        rig.second()
        end_s = clock.ms / 1000
        assert rig.recording.commit()
    clock.boot()
    with Rig(tmp_path, clock=clock, rng=rng, ledger=ledger) as rig:
        assert rig.recording.commit()  # and no document
    clock.advance(1_000)
    with Rig(tmp_path, clock=clock, rng=rng, ledger=ledger) as rig:
        rig.second()
        boot_id = documents.boot_id(VESSEL, rig.identity.log, 2)
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        boot = database.get(boot_id)
    assert boot is not None
    assert (boot.body["previousEnd"]["boot"], boot.body["previousEnd"]["clock"]) == (1, end_s)
