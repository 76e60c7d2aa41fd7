"""If the card is full, retention removes documents in a fixed order, and writes gap documents for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.config.parsers import budget
from services.documents import retention
from services.documents.retention import make_room, safe_ashore
from sync import documents
from sync.store import Database

from .recorder_builders import UTC

LOG = "abcdef"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as opened:
        yield opened


def put_reading(
    database: Database, first: int, *, vessel: str = "argo", sensor: str = "rpm", day: int = 1
) -> str:
    document_id = documents.reading_id(vessel, sensor, LOG, first)
    database.put(
        document_id,
        {
            "first": first,
            "last": first + 9,
            "startUtc": f"2025-10-{day:02d}T00:00:00.000Z",
            "samples": [0.5] * 50,
        },
    )
    return document_id


def put_alarm(database: Database, sequence: int) -> str:
    document_id = documents.alarm_id("argo", "rpm", LOG, sequence)
    database.put(document_id, {"severity": "warn"})
    return document_id


def ids(database: Database) -> list[str]:
    return [document.id for document in database.documents()]


def gaps(database: Database) -> list[tuple[int, int]]:
    found: list[dict[str, Any]] = [document.body for document in database.documents("gap:")]
    return [(body["first"], body["last"]) for body in found]


def room(database: Database, most: int) -> retention.RemovedCounts:
    return make_room(database, vessel="argo", excess=lambda: 10**9, utc=UTC, most=most)


def test_nothing_is_removed_while_there_is_space(database: Database) -> None:
    put_reading(database, 1)
    assert make_room(database, vessel="argo", excess=lambda: 0, utc=UTC).readings == 0
    assert gaps(database) == []


def test_oldest_history_is_removed_first_and_leaves_one_growing_gap(database: Database) -> None:
    for first in range(1, 101, 10):
        put_reading(database, first)
    room(database, 3)
    assert gaps(database) == [(1, 30)]
    room(database, 2)
    assert gaps(database) == [(1, 50)]
    assert documents.reading_id("argo", "rpm", LOG, 51) in ids(database)


def test_history_that_is_safe_ashore_is_removed_before_older_history_that_is_not(database: Database) -> None:
    old = put_reading(database, 1, sensor="coolant", day=1)
    ashore = put_reading(database, 1, day=5)
    not_ashore = put_reading(database, 11, day=6)
    database.put(
        "forwarded:office:argo",
        {"type": "forwarded", "bounds": {f"argo:rpm:{LOG}": 10}},
    )
    assert safe_ashore(database) == {("argo", "rpm", LOG): 10}
    room(database, 1)
    left = ids(database)
    assert ashore not in left
    assert {old, not_ashore} <= set(left)


def test_highest_bound_of_several_vessels_counts(database: Database) -> None:
    for vessel, last in (("argo", 10), ("brigid", 30)):
        database.put(f"forwarded:office:{vessel}", {"bounds": {f"argo:rpm:{LOG}": last}})
    assert safe_ashore(database) == {("argo", "rpm", LOG): 30}


def test_history_that_a_gateway_has_lost_is_not_safe_ashore(database: Database) -> None:
    """Vessel argo has detected that the gateway lost its data, but vessel brigid has not been informed."""
    key, old = f"argo:rpm:{LOG}", put_reading(database, 1)
    for name in ("office:brigid", "club:argo"):
        database.put(f"forwarded:{name}", {"bounds": {f"argo:fuel:{LOG}" if "club" in name else key: 30}})
    database.put("forwarded:office:argo", {"epoch": 1, "bounds": {}})
    assert safe_ashore(database) == {("argo", "fuel", LOG): 30}
    unsafe = put_reading(database, 1, sensor="fuel", day=5)
    room(database, 1)
    assert old in ids(database), "what is safe at another gateway goes first"
    assert unsafe not in ids(database)


def test_alarms_are_removed_last(database: Database) -> None:
    alarm = put_alarm(database, 1)
    for first in (1, 11):
        put_reading(database, first)
    removed = room(database, 2)
    assert (removed.readings, removed.alarms) == (2, 0)
    assert alarm in ids(database)
    assert room(database, 5).alarms == 1


def test_removed_documents_are_not_requested_again(database: Database) -> None:
    gone = put_reading(database, 1)
    kept = put_reading(database, 11)
    room(database, 1)
    assert database.floor(gone)
    assert not database.floor(kept)


def test_removed_history_of_another_vessel_leaves_no_gap_document(database: Database) -> None:
    put_reading(database, 1, vessel="brigid")
    removed = room(database, 1)
    assert removed.readings == 1
    assert gaps(database) == []


def test_removal_stops_at_the_budget(database: Database) -> None:
    for first in range(1, 4001, 10):
        put_reading(database, first)
    before = database.usage().used
    budget = before // 2
    make_room(database, vessel="argo", excess=lambda: database.usage().used - budget, utc=UTC)
    after = database.usage().used
    assert after <= budget
    assert after > budget // 3


@pytest.mark.parametrize(("text", "size"), [("20 GB", 20 * 10**9), ("15MB", 15_000_000), ("1 GiB", 2**30)])
def test_budget_can_be_a_size(tmp_path: Path, text: str, size: int) -> None:
    assert budget(text).in_bytes(tmp_path) == size
    assert budget(str(budget(text))) == budget(text)


def test_budget_can_be_a_share_of_the_partition(tmp_path: Path) -> None:
    assert budget("90 %").in_bytes(tmp_path) == pytest.approx(2 * budget("45 %").in_bytes(tmp_path), abs=1)
    assert str(budget("80 %")) == "80 %"


@pytest.mark.parametrize(
    "bounds", [None, 7, ["argo:rpm:abcdef"], {"rpm": 5}, {"argo:rpm:abcdef": "all"}, {"a:b:c": [1]}]
)
def test_malformed_documents_of_another_vessel_do_not_stop_removal(database: Database, bounds: Any) -> None:
    database.put("forwarded:shore:brigid", {"bounds": bounds})
    awry = documents.reading_id("argo", "rpm", "zzzzzz", 1)
    database.put(awry, {"first": 1, "last": 1, "startUtc": None})
    database.put("forwarded:shore:careen", {"bounds": {"argo:rpm:zzzzzz": 1, "argo:rpm:abcdef": 10}})
    put_reading(database, 1)
    assert safe_ashore(database) == {("argo", "rpm", "zzzzzz"): 1, ("argo", "rpm", "abcdef"): 10}
    assert room(database, 2).readings == 2
    database.put(documents.reading_id("argo", "rpm", "yyyyyy", 1), {"first": 1, "last": 1})
    database.put("forwarded:shore:donna", {"bounds": {"argo:rpm:yyyyyy": 1}})
    assert room(database, 1).readings == 1


def test_own_alarms_are_kept_unless_the_caller_allows_their_removal(database: Database) -> None:
    """Readings and the alarms of other vessels are removed, and the result states that this is not enough."""
    put_reading(database, 1)
    alarm, foreign = put_alarm(database, 7), documents.alarm_id("brigid", "rpm", LOG, 1)
    database.put(foreign, {"severity": "warn"})
    removed = make_room(database, vessel="argo", excess=lambda: 10**9, utc=UTC, own_alarms=False)
    assert (removed.readings, removed.alarms, removed.is_enough) == (1, 1, False)
    assert alarm in ids(database)
    assert foreign not in ids(database)
    removed = make_room(database, vessel="argo", excess=lambda: 10**9, utc=UTC)
    assert removed.alarm_ids == (alarm,)


def test_removal_that_ends_the_shortage_is_enough(database: Database) -> None:
    for first in range(1, 101, 10):
        put_reading(database, first)
    left = [3, 2, 1, 0]
    removed = make_room(
        database, vessel="argo", excess=lambda: left.pop(0) if len(left) > 1 else 0, utc=UTC, own_alarms=False
    )
    assert removed.is_enough


def test_short_shortage_does_not_cost_alarms() -> None:
    shortage = retention.Shortage()
    shortage.note(1_000, is_enough=False)
    assert not shortage.is_lasting(1_000 + retention.ALARMS_KEPT_MS - 1)
    shortage.note(30_000, is_enough=False)
    assert shortage.is_lasting(1_000 + retention.ALARMS_KEPT_MS)
    shortage.note(62_000, is_enough=True)
    shortage.note(63_000, is_enough=False)
    assert not shortage.is_lasting(64_000)
