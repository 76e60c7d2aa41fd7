"""A gateway publishes the presence of its own vessel, and that of other vessels based on their documents."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.gateway.mqtt.presence import CORRECTED_EVERY, Presence
from sync.gateway.mqtt.signs_of_life import LATE_S, SignOfLife, SignsOfLife
from sync.gateway.mqtt.topics import OFFLINE, ONLINE
from sync.store import Database
from tests.fleet.builders import body

from . import builders

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


class Broker:
    """Simulated broker that retains presence messages, with the gateway of one vessel as its client."""

    def __init__(self, own: str = "argo", **more: Any) -> None:
        self.presence = Presence(own, now=0.0, **more)
        self.presence.begin()
        self.said: list[tuple[str, bytes]] = []

    def look(self, now: float, *, is_recording: bool = True) -> list[tuple[str, bytes]]:
        due = self.presence.due(now, is_recording=is_recording)
        for vessel, payload in due:
            self.presence.record_published(vessel, payload)
        return due

    def other_says(self, vessel: str, payload: bytes, now: float, *, is_retained: bool = False) -> None:
        self.presence.record_received(vessel, payload, now, is_retained=is_retained)


def test_own_presence_is_published_once_and_after_each_change() -> None:
    broker = Broker()
    assert broker.look(0) == [("argo", ONLINE)]
    assert broker.look(1) == []
    assert broker.look(2, is_recording=False) == [("argo", OFFLINE)]
    assert broker.look(3) == [("argo", ONLINE)]


def test_wrong_presence_of_this_vessel_is_corrected_at_a_limited_rate() -> None:
    broker = Broker()
    broker.look(0)
    told = 0
    for second in range(20):
        broker.other_says("argo", OFFLINE, second)
        told += len(broker.look(second))
    assert 2 <= told <= 20 / CORRECTED_EVERY + 1


def test_other_vessel_is_online_while_signs_of_life_arrive() -> None:
    broker = Broker()
    broker.look(0)
    broker.presence.bring("brigid")
    assert broker.look(1) == [("brigid", OFFLINE)]
    broker.presence.sign("brigid", 600, 10)
    assert broker.look(10) == [("brigid", ONLINE)]
    broker.presence.sign("brigid", 600, 500)
    assert broker.look(1_000) == []
    assert broker.look(1_101) == [("brigid", OFFLINE)]


def test_vessel_that_publishes_its_own_presence_is_not_contradicted() -> None:
    broker = Broker()
    broker.look(0)
    broker.presence.bring("brigid")
    broker.presence.sign("brigid", 600, 10)
    broker.look(10)
    broker.other_says("brigid", OFFLINE, 20)  # as if its recorder had been killed
    assert broker.look(21) == []
    broker.presence.sign("brigid", 600, 30)
    assert broker.look(30) == [("brigid", ONLINE)]
    broker.other_says("brigid", OFFLINE, 40)
    broker.other_says("brigid", ONLINE, 50)
    assert broker.look(10_000) == [], "whoever said it tells when it is over"


def test_presence_published_before_a_restart_is_corrected() -> None:
    broker = Broker(online=["brigid"])
    broker.look(0)
    broker.presence.bring("brigid")
    broker.other_says("brigid", ONLINE, 1, is_retained=True)
    assert broker.look(2) == [], "its next sign may be on the way"
    assert broker.look(LATE_S + 1) == [("brigid", OFFLINE)]


def test_vessels_that_nobody_else_reports_are_set_offline_at_the_end() -> None:
    broker = Broker()
    broker.look(0)
    for vessel in ("brigid", "ciara"):
        broker.presence.bring(vessel)
        broker.presence.sign(vessel, 600, 10)
    broker.look(10)
    broker.other_says("ciara", ONLINE, 20)  # may be this vessel's own message, returned by the broker
    broker.other_says("brigid", OFFLINE, 20)
    assert broker.presence.vessels_to_leave() == ["argo", "ciara"]


@pytest.fixture
def database(tmp_path: Path) -> Any:
    with builders.store(tmp_path / "log.db") as found:
        yield found


def signs_of(database: Database, *written: tuple[str, dict[str, Any]]) -> list[SignOfLife]:
    signs = SignsOfLife(database)
    before = database.last_sequence
    for document_id, content in written:
        database.put(document_id, body(document_id, **content))
    for change in database.changes(before):
        signs.note_change(change)
    return signs.new_signs(NOW.timestamp())


READING = documents.reading_id("brigid", "main", builders.LOG, 1)
EQUIPMENT = documents.equipment_id("brigid", "main")


def ago(**time: float) -> str:
    return (NOW - timedelta(**time)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("document_id", "content", "holds_for"),
    [
        (READING, {"endUtc": ago(minutes=1), "window": 10}, 20 + LATE_S),
        (READING, {"endUtc": ago(minutes=70), "window": 3600}, 7200 + LATE_S),
        (EQUIPMENT, {"time": ago(minutes=10)}, 600 + LATE_S),
    ],
)
def test_recent_document_is_a_sign_of_life(
    database: Database, document_id: str, content: dict[str, Any], holds_for: float
) -> None:
    assert signs_of(database, (document_id, content)) == [SignOfLife("brigid", "main", holds_for)]


@pytest.mark.parametrize(
    "content",
    [
        {"endUtc": ago(days=7), "window": 300},
        {"endUtc": "1970-01-01T00:00:10.000Z", "window": 300},
        {"endUtc": "soon", "window": 300},
        {"endUtc": 7},
        {"endUtc": ago(minutes=70), "window": True},
        {"endUtc": ago(minutes=70), "window": 1e300},
        {},
    ],
)
def test_late_or_malformed_document_is_no_sign_of_life(database: Database, content: dict[str, Any]) -> None:
    assert signs_of(database, (READING, content)) == []


def test_document_stored_before_the_start_is_no_sign_of_life(database: Database) -> None:
    database.put(READING, body(READING, endUtc=ago(minutes=1), window=300))
    signs = SignsOfLife(database)
    for change in database.changes(0):
        signs.note_change(change)
    assert signs.new_signs(NOW.timestamp()) == []
