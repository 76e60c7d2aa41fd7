"""The record of forwarded documents never advances past a document that has not been acknowledged."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import documents
from sync.gateway.forwarded import Forwarded
from sync.store import Database
from tests.fleet.builders import body

from . import builders

LOG = builders.LOG
KEY = f"argo:main:{LOG}"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with builders.store(tmp_path / "log.db") as found:
        yield found


def bounds(database: Database, vessel: str = "argo") -> dict[str, int]:
    found = database.get(f"forwarded:office:{vessel}")
    if found is None:
        return {}
    result: dict[str, int] = found.body["bounds"]
    return result


@settings(max_examples=60)
@given(
    there=st.lists(st.integers(0, 19), unique=True, max_size=20),
    taken=st.lists(st.integers(0, 19), unique=True, max_size=20),
    others=st.integers(0, 20),
)
def test_bound_ends_before_the_first_reading_not_known_to_be_forwarded(
    tmp_path_factory: pytest.TempPathFactory, there: list[int], taken: list[int], others: int
) -> None:
    with builders.store(tmp_path_factory.mktemp("forwarded") / "log.db") as database:
        ours, ashore = set(there), set(taken)
        for number in there:
            builders.write_readings(database, "argo", "main", [number * 3 + 1], samples=3)
        if others:
            database.put("forwarded:office:brigid", {"bounds": {KEY: others * 3}})
        forwarded = Forwarded(database, "office", "argo")
        names = {documents.reading_id("argo", "main", LOG, number * 3 + 1) for number in ashore}
        for name in sorted(names):
            forwarded.acknowledged(name)
        while forwarded.advance(lambda document: document.id in names):
            pass
        forwarded.write()
        bound = others
        while bound in ours and bound in ashore:
            bound += 1
        claimed = bounds(database).get(KEY, 0)
        assert claimed in ({0, bound * 3} if bound == others or not (ours & ashore) else {bound * 3})
        for number in range(20):
            name = documents.reading_id("argo", "main", LOG, number * 3 + 1)
            assert forwarded.is_ashore(name) is (number < bound)


def test_gap_document_does_not_end_the_bound(database: Database) -> None:
    builders.write_readings(database, "argo", "main", [1], samples=3)
    gap = documents.gap_id("argo", "main", LOG, 4)
    database.put(gap, body(gap, first=4, last=9, reason="removed to make room on the card"))
    builders.write_readings(database, "argo", "main", [10], samples=3)
    forwarded = Forwarded(database, "office", "argo")
    forwarded.everything()
    while forwarded.advance(lambda _document: True):
        pass
    assert forwarded.write()
    assert bounds(database) == {KEY: 12}
    assert not forwarded.write(), "nothing has grown"


def test_bounds_of_other_gateways_do_not_apply(database: Database) -> None:
    database.put("forwarded:harbour:brigid", {"bounds": {KEY: 100}})
    assert not Forwarded(database, "office", "argo").is_ashore(documents.reading_id("argo", "main", LOG, 1))


def test_bounds_of_an_earlier_epoch_do_not_apply(database: Database) -> None:
    database.put("forwarded:office:brigid", {"bounds": {KEY: 100}})
    forwarded = Forwarded(database, "office", "argo")
    reading = documents.reading_id("argo", "main", LOG, 1)
    assert forwarded.is_ashore(reading)
    forwarded.begin_epoch()
    assert not forwarded.is_ashore(reading)
    assert Forwarded(database, "office", "carina").epoch == 1


@pytest.mark.parametrize(
    "awry",
    [{}, {"bounds": 3}, {"bounds": {"a": 1}}, {"bounds": {KEY: "x"}}, {"bounds": {KEY: True}, "epoch": "1"}],
)
def test_malformed_document_of_another_vessel_is_ignored(database: Database, awry: dict[str, object]) -> None:
    database.put("forwarded:office:brigid", awry)
    assert not Forwarded(database, "office", "argo").is_ashore(documents.reading_id("argo", "main", LOG, 1))


def test_alarm_is_never_assumed_to_be_forwarded(database: Database) -> None:
    database.put("forwarded:office:brigid", {"bounds": {KEY: 100}})
    forwarded = Forwarded(database, "office", "argo")
    assert not forwarded.is_ashore(documents.alarm_id("argo", "main", LOG, 1))
