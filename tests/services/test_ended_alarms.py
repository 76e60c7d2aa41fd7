"""Alarms that an earlier log of the vessel left active are cleared, and no other alarms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.documents import builders
from services.documents.reading_documents import iso
from services.journal.batch import AlarmRecord, Identity
from services.recorder.ended_alarms import EndedAlarms
from sync.documents import POLICY
from sync.store import Database
from tests.services.recorder_builders import UTC

DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "log.db", policy=POLICY) as made:
        made.put("boot:argo:newlog:1", boot(anchors=[[60.0, UTC, "network", 0.01]]))
        yield made


@pytest.fixture
def ended() -> EndedAlarms:
    return EndedAlarms(Identity(vessel="argo", log="newlog", boot=1, run=1))


def boot(anchors: list[Any]) -> dict[str, Any]:
    facts = {"vessel": "argo", "log": "newlog", "number": 1, "bootId": "x", "anchors": anchors}
    return {"type": "boot", **facts}


def alarm(log: str = "oldlog", *, vessel: str = "argo", at: float = UTC - DAY) -> tuple[str, dict[str, Any]]:
    episode = AlarmRecord(
        sequence=7,
        severity="alarm",
        text="",
        condition="active",
        value=True,
        raised_ms=5_000,
        raised_utc=at,
        boot=3,
        history=((5_000, at, "alarm", "active"),),
    )
    return builders.alarm(
        vessel=vessel, sensor="bilge", log=log, path="bilge.level", unit="bool", episode=episode
    )


def clear(ended: EndedAlarms, store: Database) -> int:
    return ended.clear(store, clock_s=100.0, utc=UTC + 40, is_synced=True)


def cleared(store: Database, document_id: str) -> Any:
    document = store.get(document_id)
    assert document is not None
    return document.body["cleared"]


def test_alarm_of_an_earlier_log_is_cleared_once(ended: EndedAlarms, store: Database) -> None:
    document_id, body = alarm()
    store.put(document_id, body)
    assert [clear(ended, store) for _ in range(3)] == [1, 0, 0]
    assert cleared(store, document_id) == {
        "boot": 0,
        "clock": 100.0,
        "utc": iso(UTC + 40),
        "trust": "synced",
    }


def test_alarm_that_arrives_later_is_cleared_too(ended: EndedAlarms, store: Database) -> None:
    assert clear(ended, store) == 0
    document_id, body = alarm()
    store.put(document_id, body)
    assert clear(ended, store) == 1


@pytest.mark.parametrize(
    "other",
    [
        alarm("newlog"),
        alarm(vessel="brigid"),
        alarm(at=UTC + 1),
        (alarm()[0], {**alarm()[1], "raised": "long ago"}),
        (alarm()[0], {**alarm()[1], "cleared": {"boot": 3, "clock": 9.0}}),
    ],
    ids=["of this log", "of another vessel", "raised after this log began", "invalid", "already cleared"],
)
def test_other_alarm_stays_as_it_is(
    ended: EndedAlarms, store: Database, other: tuple[str, dict[str, Any]]
) -> None:
    store.put(*other)
    before = store.get(other[0])
    assert clear(ended, store) == 0
    assert store.get(other[0]) == before


def test_alarm_is_cleared_once_the_clock_has_been_set(ended: EndedAlarms, store: Database) -> None:
    known = store.get("boot:argo:newlog:1")
    assert known is not None
    without = store.put("boot:argo:newlog:1", boot(anchors=[]), parent=known.rev)
    store.put(*alarm())
    assert clear(ended, store) == 0
    store.put("boot:argo:newlog:1", boot(anchors=[[900.0, UTC, "rtc", 2.0]]), parent=without)
    assert clear(ended, store) == 1
