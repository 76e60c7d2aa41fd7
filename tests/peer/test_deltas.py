"""If both peers support deltas, updates are sent as deltas. Every update arrives with or without deltas."""

from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.store import Database

from .rig import Wire, assert_same, databases, replicate

EQUIPMENT = documents.equipment_id("argo", "main-rpm")
SMALL_UPDATE_BYTES = 300
"""Design goal for the bytes sent per update, including the proposal, the revision and both replies."""


def equipment(value: float) -> dict[str, Any]:
    return {
        "type": "equipment",
        "vessel": "argo",
        "sensor": "main-rpm",
        "channels": ["equipment", "vessel.argo"],
        "name": "Main engine, revolutions of the crankshaft",
        "path": "propulsion.main.revolutions",
        "unit": "Hz",
        "value": value,
        "state": "good",
        "boot": 7,
        "clock": 81234.5,
        "quality": {"source": "pulse", "note": "as counted by the kernel, none lost since the start"},
        "runSeconds": 7234.25,
        "count": 123456,
    }


def update(database: Database, name: str, **fields: Any) -> str:
    found = database.get(name)
    assert found is not None
    return database.put(name, found.body | fields, parent=found.rev)


@pytest.mark.parametrize("way", ["push", "pull"])
@pytest.mark.parametrize("deltas", [True, False])
def test_updates_of_one_field_are_small_on_the_wire(tmp_path: Path, way: str, deltas: bool) -> None:
    with databases(tmp_path) as (ours, theirs):
        source = ours if way == "push" else theirs
        source.put(EQUIPMENT, equipment(1.0))
        wire = Wire(ours, theirs, active={"continuous": True, "deltas": deltas}, passive={"deltas": deltas})
        wire.settle()
        sent = wire.active.ledger.progress if way == "push" else wire.passive.ledger.progress
        costs = []
        for number in range(12):
            wire.clock.now += 30
            wire.settle()  # so that a checkpoint is stored
            before = sum(wire.bytes.values())
            update(source, EQUIPMENT, value=number + 0.5)
            wire.wake()
            while wire.step():
                pass
            costs.append(sum(wire.bytes.values()) - before)
        assert_same(ours, theirs)
        assert sent.deltas_pushed == (12 if deltas else 0)
        if deltas:
            assert max(costs[2:]) <= SMALL_UPDATE_BYTES, costs
        wire.cut()


def test_delta_from_a_missing_revision_is_answered_with_422_and_the_whole_body_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with databases(tmp_path) as (ours, theirs):
        ours.put(EQUIPMENT, equipment(1.0))
        replicate(ours, theirs)
        update(ours, EQUIPMENT, value=2.0)
        wire = Wire(ours, theirs, active={"pull": False})
        original = theirs.get
        with monkeypatch.context() as patch:  # the peer no longer has the delta's base revision
            patch.setattr(theirs, "get", lambda name, *, rev=None: None if rev else original(name))
            wire.settle()
        assert wire.active.ledger.progress.deltas_pushed == 1
        assert_same(ours, theirs)


def test_first_revision_and_deletion_are_sent_whole(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        ours.put(EQUIPMENT, equipment(1.0))
        assert replicate(ours, theirs).active.ledger.progress.deltas_pushed == 0
        found = ours.get(EQUIPMENT)
        assert found is not None
        ours.delete(EQUIPMENT, parent=found.rev, body={"why": "sold"})
        assert replicate(ours, theirs).active.ledger.progress.deltas_pushed == 0
        assert_same(ours, theirs)


def test_peer_without_delta_support_gets_no_deltas(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        ours.put(EQUIPMENT, equipment(1.0))
        replicate(ours, theirs)
        update(ours, EQUIPMENT, value=2.0)
        wire = replicate(ours, theirs, passive={"deltas": False})
        assert wire.active.ledger.progress.deltas_pushed == 0
        assert_same(ours, theirs)


def test_alternating_updates_of_both_sides_are_sent_as_deltas(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        ours.put("note", equipment(0.0))
        replicate(ours, theirs)
        for number in range(10):
            update(ours if number % 2 else theirs, "note", value=float(number + 1))
            replicate(ours, theirs)
            assert_same(ours, theirs)


def test_document_with_a_blob_is_updated_by_a_delta(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        photo = {"@type": "blob", "digest": ours.blobs.put(b"x" * 1000), "length": 1000}
        ours.put("note", {**equipment(0.0), "photo": photo})
        replicate(ours, theirs)
        update(ours, "note", value=1.0)
        wire = replicate(ours, theirs)
        assert wire.active.ledger.progress.deltas_pushed == 1
        assert_same(ours, theirs)
