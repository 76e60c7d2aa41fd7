"""Invalid documents from other writers do not prevent commands, removal, repair or forwarding.

A store accepts documents from other vessels, the crew's apps, gateways and older versions. In these tests,
the store contains thousands of documents with one wrong field each, and a few valid ones. An invalid document
must not affect the processing of any other document.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.documents import models, retention
from services.maintenance_schedule.due import DueState
from services.maintenance_schedule.overview import overview
from services.mirror import restore
from services.mirror.mirror import CopyWriter
from services.recovery.rebuild import documented
from sync.documents import POLICY, DocumentType
from sync.gateway.forwarded import Forwarded
from sync.gateway.mqtt.feed import LaneFeed
from sync.gateway.mqtt.keys import MqttOptions
from sync.gateway.mqtt.lanes import DEFAULT, DocumentLane
from sync.gateway.mqtt.messages import Options
from sync.store import Database

from . import documents as build
from . import foreign
from .appliance import Appliance, logboat
from .documents import UTC, network
from .maintenance_schedule import builders as serviced

__all__ = ["logboat"]


@pytest.fixture(scope="module")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return argo's store, which contains valid and invalid documents of the vessels argo and brigid."""
    right = [
        document
        for vessel in ("argo", "brigid")
        for document in (
            serviced.planned(build.vessel(vessel), serviced.OIL, serviced.RIGGING),
            serviced.hours(300, vessel=vessel),
            build.boot(1, network(0, UTC), vessel=vessel),
            build.reading(1.5, 2.5, vessel=vessel),
            build.equipment(31.25, vessel=vessel),
            build.alarm(text="Overspeed at sea", vessel=vessel),
        )
    ]
    path = tmp_path_factory.mktemp("flawed") / "log.db"
    return build.store(path, *right, *foreign.store("argo"), *foreign.store("brigid"))


@pytest.fixture
def database(flawed: Path, tmp_path: Path) -> Database:
    shutil.copy(flawed, tmp_path / "own.db")
    return Database.open(tmp_path / "own.db", policy=POLICY)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("status", "Overspeed at sea"),
        ("status --json", "Overspeed at sea"),
        ("alarms", "Overspeed at sea"),
        ("alarms --all --json", "Overspeed at sea"),
        ("sensors", "1875 rpm"),
        ("sensors --vessel brigid --json", "31.25"),
        ("log rpm", "150 rpm"),
        ("log rpm --csv --wide", ",2.5,"),
        ("log rpm --vessel brigid --json", "2.5"),
        ("log rpm --since 2025-10-01", "150 rpm"),
        ("note", "of foreig"),
        ("note --json --vessel brigid --limit 1000", "of foreig"),
        ("service", "Engine oil"),
        ("service done engine-oil --vessel brigid", "done at 300.0 h"),
        ("verify --json", '"brigid"'),
        ("top --plain --once", "Overspeed at sea"),
        ("doctor --json", "{"),
        ("ack argo:rpm:abcdef:000000000017 --by anna", "acknowledged by anna"),
    ],
)
def test_every_command_shows_the_valid_documents(
    logboat: Appliance, flawed: Path, command: str, shown: str
) -> None:
    shutil.copy(flawed, logboat.store)
    done = logboat(*command.split())
    assert shown in done.out
    assert "\x1b[2J" not in done.out + done.err


def test_services_of_every_vessel_have_a_state(database: Database) -> None:
    with database:
        found = {
            vessel: overview(database, vessel, live=None, utc=UTC) for vessel in models.vessels(database)
        }
    assert len(found) > 500
    assert sum(bool(each.faults) for each in found.values()) > 50
    states = {service.state for each in found.values() for service in each.services}
    assert DueState.UNKNOWN in states


def test_history_is_removed_to_the_last_reading_and_alarm(database: Database) -> None:
    with database:
        removed = retention.make_room(database, vessel="argo", excess=lambda: 10**12, utc=UTC)
        assert removed.readings > 500
        left = [
            document.id
            for kind in (DocumentType.READING, DocumentType.ALARM)
            for document in database.documents(f"{kind}:")
        ]
        assert {document_id.rpartition(":")[2] for document_id in left} <= {"!", "zzz", "17"}
        assert database.floor("reading:argo:rpm:abcdef:000000000001")
        explained = database.get("gap:argo:rpm:abcdef:000000000001")
        assert explained is not None
        assert (explained.body["first"], explained.body["last"]) == (1, 2)
        # A document that claims more numbers than it can contain prevents no future readings.
        assert not database.floor("reading:argo:rpm:foreig:900000000000")


def test_gap_is_extended_beside_unreadable_gaps(tmp_path: Path) -> None:
    removed_before = build.gap(1, 2, retention.REASON)
    with Database.open(tmp_path / "log.db", policy=POLICY) as database:
        build.write(database, removed_before, build.reading(1.5, 2.5, first=3), build.reading(1.5, first=5))
        wrongs: tuple[dict[str, Any], ...] = ({"reason": retention.REASON}, {"last": []}, {"first": "x"}, {})
        for number, wrong in enumerate(wrongs, 6):
            database.put(build.gap(number, number)[0], {"type": "gap"} | wrong)
        retention.make_room(database, vessel="argo", excess=lambda: 10**12, utc=UTC, most=1)
        retention.make_room(database, vessel="argo", excess=lambda: 10**12, utc=UTC, most=1)
        grown = database.get(removed_before[0])
        assert grown is not None
        assert (grown.body["first"], grown.body["last"]) == (1, 5)


def test_repair_counts_valid_documents_and_restores_copied_ones(database: Database, tmp_path: Path) -> None:
    reading = "reading:argo:rpm:abcdef:000000000001"
    with database:
        copies = CopyWriter(tmp_path / "copies")
        while not copies.follow(database, "argo"):
            pass
        copies.close()
        held = documented(database, "argo")["rpm", "abcdef"]
        assert [number in held for number in (1, 2, 3)] == [True, True, False]
        database.purge([reading])
        restore.restore_missing(database, tmp_path / "copies")
        assert database.get(reading) is not None


def test_documents_ashore_are_known_and_every_document_is_offered_once(database: Database) -> None:
    with database:
        forwarded = Forwarded(database, "office", "argo")
        forwarded.everything()
        while forwarded.advance(lambda _: True):
            pass
        assert forwarded.is_ashore("reading:argo:rpm:abcdef:000000000001")
        feed = LaneFeed(database, Options("argo", MqttOptions(home_assistant=True, signalk=True)), None)
        topics: set[str] = set()
        for settings in DEFAULT:
            lane = DocumentLane(settings)
            while not feed.load(lane):
                _empty(lane, topics.add)
            _empty(lane, topics.add)
        assert {"logboat/brigid/sensor/rpm/reading", "logboat/argo/sensor/rpm/state"} <= topics


def _empty(lane: DocumentLane, sent: Callable[[str], None]) -> None:
    while (found := lane.next()) is not None:
        entry, message = found
        sent(message.topic)
        lane.sent()
        lane.confirmed(entry)
