"""All stores reach the same state after any edits, replications in any order, and any interruptions."""

import os
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync import documents
from sync.peer import conflicts

from .fleet import LOG, Fleet, fleet, rewrite
from .rig import assert_same

EDIT = st.tuples(st.just("edit"), st.integers(0, 3), st.integers(0, 17))
MEET = st.tuples(
    st.just("meet"),
    st.integers(0, 3),
    st.integers(1, 3),
    st.sampled_from([(True, True), (True, False), (False, True)]),
    st.none() | st.integers(1, 40),
)
TORTURE = (pytest.mark.torture, pytest.mark.timeout(1800))


def live_through(vessels: Fleet, events: list[tuple[Any, ...]]) -> None:
    count = len(vessels.stores)
    for event in events:
        if event[0] == "edit":
            vessels.edit_anything(event[1] % count, event[2])
        else:
            _, first, step, (push, pull), cut_after = event
            first %= count
            second = (first + 1 + step % (count - 1)) % count
            vessels.meet(first, second, push=push, pull=pull, cut_after=cut_after, lots=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    count=st.integers(2, 4),
    events=st.lists(st.one_of(EDIT, EDIT, MEET), max_size=40),
    seed=st.integers(0, 1000),
)
def test_stores_edited_separately_converge_and_stop_writing(
    count: int, events: list[tuple[Any, ...]], seed: int
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        fleet(Path(folder), count, rng=random.Random(seed)) as vessels,
    ):
        live_through(vessels, events)
        vessels.converge()


@pytest.mark.parametrize(
    ("lives", "deletes_shared"),
    [
        (10, False),
        (10, True),
        pytest.param(500, False, marks=TORTURE),
        pytest.param(500, True, marks=TORTURE),
    ],
)
def test_long_random_histories_converge(
    tmp_path: Path, chance: random.Random, lives: int, deletes_shared: bool
) -> None:
    for life in range(lives):
        folder = tmp_path / str(life)
        folder.mkdir()
        count = chance.randrange(2, 5)
        with fleet(folder, count, rng=chance, deltas=chance.random() < 0.8) as vessels:
            for _ in range(chance.randrange(20, 120)):
                if chance.random() < 0.75:
                    vessels.edit_anything(
                        chance.randrange(count), chance.randrange(18), deletes_shared=deletes_shared
                    )
                else:
                    first, second = chance.sample(range(count), 2)
                    push, pull = chance.choice([(True, True), (True, True), (True, False), (False, True)])
                    cut_after = chance.choice([None, chance.randrange(1, 60)])
                    vessels.meet(first, second, push=push, pull=pull, cut_after=cut_after, lots=True)
            vessels.converge()


@pytest.mark.parametrize(
    ("documents_each", "conflicts"), [(1_000, 100), pytest.param(10_000, 1_000, marks=TORTURE)]
)
def test_large_stores_with_many_conflicts_end_identical(
    tmp_path: Path, documents_each: int, conflicts: int
) -> None:
    with fleet(tmp_path) as vessels:
        for number, store in enumerate(vessels.stores):
            with store.transaction():
                for count in range(conflicts):
                    vessels.write(number, f"both-{count:05d}")
                for count in range(documents_each - conflicts):
                    vessels.write(number, documents.reading_id(f"v{number}", "rpm", LOG, count))
        wire = vessels.meet(0, 1)
        assert_same(*vessels.stores)
        assert vessels.stores[0].count() == 2 * documents_each - conflicts
        assert wire.active.ledger.progress.failed == 0
        assert vessels.converge() == 0


@pytest.mark.parametrize("deltas", [True, False])
@pytest.mark.parametrize("writer", [0, 1])
@pytest.mark.parametrize("name", ["plain", "equipment:v0:rpm"])
def test_document_rewritten_many_times_while_disconnected_is_not_a_conflict(
    tmp_path: Path, name: str, writer: int, deltas: bool
) -> None:
    with fleet(tmp_path, deltas=deltas) as vessels:
        rewrite(vessels, writer, name, 1)
        vessels.meet(0, 1)
        rewrite(vessels, writer, name, 200)
        current = vessels.stores[writer].get(name)
        vessels.meet(0, 1)
        assert_same(*vessels.stores)
        assert vessels.stores[1 - writer].get(name).rev == current.rev  # type: ignore[union-attr]
        assert vessels.converge() == 0


@pytest.mark.parametrize("deltas", [True, False])
@pytest.mark.parametrize("way", [((0, 1), (1, 2)), ((1, 0), (2, 1)), ((0, 1), (2, 1)), ((1, 0), (1, 2))])
@pytest.mark.parametrize("name", ["plain", "equipment:v0:rpm"])
def test_document_rewritten_many_times_reaches_a_third_vessel_in_any_order(
    tmp_path: Path, name: str, way: tuple[tuple[int, int], ...], deltas: bool
) -> None:
    with fleet(tmp_path, 3, deltas=deltas) as vessels:
        rewrite(vessels, 0, name, 1)
        vessels.meet(0, 2)
        rewrite(vessels, 0, name, 200)
        current = vessels.stores[0].get(name)
        for first, second in way:
            vessels.meet(first, second)
        assert vessels.converge() <= 1
        assert vessels.stores[2].get(name).body == current.body  # type: ignore[union-attr]


@pytest.mark.parametrize("active", [0, 1])
def test_edits_on_both_sides_of_a_long_separation_converge(tmp_path: Path, active: int) -> None:
    alarm = documents.alarm_id("v0", "bilge", LOG, 7)
    with fleet(tmp_path) as vessels:
        vessels.acknowledge(0, alarm)
        vessels.write(0, "plain")
        vessels.meet(0, 1)
        for _ in range(60):
            vessels.acknowledge(0, alarm)
            vessels.write(0, "plain")
        vessels.acknowledge(1, alarm)
        vessels.write(1, "plain")
        vessels.meet(active, 1 - active)
        assert vessels.converge() <= 2


@pytest.mark.parametrize("restored", [0, 1])
@pytest.mark.parametrize("active", [0, 1])
@pytest.mark.parametrize("times", [1, 15, 200])
@pytest.mark.parametrize("writer", [0, 1])
def test_restored_store_catches_up(
    tmp_path: Path, restored: int, active: int, times: int, writer: int
) -> None:
    passive = 1 - active
    alarm = documents.alarm_id("v0", "bilge", LOG, 7)
    with fleet(tmp_path) as vessels:
        for number in (0, 1):
            for name in ("a", "b", "gone", f"equipment:v{number}:rpm"):
                vessels.write(number, name if ":" in name else f"{name}{number}")
        vessels.write(0, "plain")
        vessels.acknowledge(0, alarm)
        vessels.meet(active, passive)
        vessels.copy(restored)
        rewrite(vessels, writer, "plain", times)
        rewrite(vessels, writer, f"equipment:v{writer}:rpm", times)
        for number in (0, 1):
            vessels.write(number, f"new{number}")
            vessels.delete(number, f"gone{number}")
            vessels.acknowledge(number, alarm)
        vessels.meet(active, passive)
        vessels.write(1 - restored, "afterwards")
        vessels.meet(active, passive)
        vessels.restore(restored)
        vessels.write(restored, f"a{restored}")
        vessels.write(restored, "another")
        vessels.meet(active, passive)
        assert_same(*vessels.stores)
        vessels.assert_converged()
        assert vessels.stores[restored].get("afterwards") is not None
        vessels.converge()


@pytest.mark.parametrize("made", ["here", "elsewhere", "elsewhere, on a branch unknown here"])
@pytest.mark.parametrize("active", [0, 1])
def test_deletion_is_replicated_where_a_deleted_branch_outranks_it(
    tmp_path: Path, made: str, active: int
) -> None:
    with fleet(tmp_path, 3) as vessels:
        for number, store in enumerate(vessels.stores):
            store.insert("plain", "9-ended", [], {}, deleted=True)
            if number or "unknown" not in made:
                store.insert("plain", "2-live", ["1-first"], {"a": 1})
        vessels.meet(0, 1)
        vessels.meet(1, 2)
        if made == "here":
            vessels.delete(0, "plain")
        else:
            vessels.stores[0].insert("plain", "3-gone", ["2-live", "1-first"], {"why": "old"}, deleted=True)
        for first, second in ((0, 1), (1, 2)):  # so the last vessel receives only forwarded documents
            vessels.meet(*((first, second) if active == 0 else (second, first)))
        assert vessels.stores[2].get("plain").deleted  # type: ignore[union-attr]
        assert vessels.converge() == 0


@pytest.mark.parametrize("active", [0, 1])
@pytest.mark.parametrize("also", [True, False])
def test_deletion_wins_over_a_separate_edit_although_another_closed_branch_outranks_it(
    tmp_path: Path, active: int, also: bool
) -> None:
    with fleet(tmp_path) as vessels:
        for number, store in enumerate(vessels.stores):
            if number == 0 or also:
                store.insert("plain", "9-ended", [], {}, deleted=True)
            store.insert("plain", "2-live", ["1-first"], {"a": 1})
        vessels.stores[0].insert("plain", "3-gone", ["2-live", "1-first"], {"why": "old"}, deleted=True)
        vessels.write(1, "plain")
        vessels.meet(active, 1 - active)
        vessels.converge()
        assert vessels.stores[0].get("plain").deleted  # type: ignore[union-attr]


@pytest.mark.parametrize("active", [0, 1])
@pytest.mark.parametrize("met_before", [False, True])
def test_each_store_has_a_branch_that_is_closed_in_the_other(
    tmp_path: Path, active: int, met_before: bool
) -> None:
    """Each store has deleted the other store's winning revision.

    The first store contains a deletion of `3-cc`. The second store has resolved a conflict in favour of
    `3-cc`, and so has closed the branch of `3-bb`.
    """
    with fleet(tmp_path) as vessels:
        one, other = vessels.stores
        for store in vessels.stores:
            store.insert("plain", "3-bb", ["2-bb", "1-aa"], {"by": "one"})
        one.insert("plain", "4-gone", ["3-cc", "2-cc", "1-aa"], {"why": "old"}, deleted=True)
        if met_before:  # in this case, the first vessel has already announced its current revision
            vessels.meet(active, 1 - active)
        other.insert("plain", "3-cc", ["2-cc", "1-aa"], {"by": "other"})
        conflicts.resolve(other, "plain")
        current = [store.get("plain").rev for store in vessels.stores]  # type: ignore[union-attr]
        assert current == ["3-bb", "3-cc"]
        vessels.meet(active, 1 - active)
        assert vessels.converge() <= 1
        assert one.get("plain").deleted  # type: ignore[union-attr]


def test_alarm_that_was_not_deleted_is_never_shown_as_deleted(tmp_path: Path) -> None:
    alarms = [documents.alarm_id("v0", "bilge", LOG, number) for number in range(8)]
    for cut_after in range(1, 60):
        folder = tmp_path / str(cut_after)
        folder.mkdir()
        with fleet(folder) as vessels:
            for number in (0, 1):
                for alarm in alarms:
                    vessels.acknowledge(number, alarm)
            vessels.meet(0, 1, cut_after=cut_after)
            for store in vessels.stores:
                assert not [found.id for found in store.documents("alarm:", deleted=True) if found.deleted]


@pytest.mark.parametrize("edits", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_store_restored_to_before_the_horizon_catches_up(tmp_path: Path, edits: bool, cut: bool) -> None:
    alarm = documents.alarm_id("v0", "bilge", LOG, 7)
    with fleet(tmp_path) as vessels:
        vessels.write(0, "plain")
        vessels.acknowledge(0, alarm)
        vessels.meet(0, 1)
        vessels.meet(0, 1)
        vessels.copy(1)
        for times in (50, 1):
            rewrite(vessels, 0, "plain", times)
            for _ in range(times):
                vessels.acknowledge(0, alarm)
            vessels.meet(0, 1)
        current = vessels.stores[0].get("plain")
        vessels.restore(1)
        if edits:
            vessels.acknowledge(1, alarm)
        if cut:
            for frames in range(1, 12):
                vessels.meet(0, 1, cut_after=frames)
        vessels.meet(0, 1)
        vessels.assert_converged()
        assert vessels.stores[1].get("plain").rev == current.rev  # type: ignore[union-attr]
        assert vessels.converge() == 0


def test_document_purged_and_created_again_converges_with_the_one_that_others_still_have(
    tmp_path: Path,
) -> None:
    with fleet(tmp_path) as vessels:
        vessels.write(0, "plain")
        vessels.write(0, "plain")
        vessels.meet(0, 1)
        vessels.meet(0, 1)
        vessels.stores[0].purge(["plain"])
        vessels.write(0, "plain")
        vessels.meet(0, 1)
        vessels.assert_converged()
        assert vessels.converge() == 0


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Return a random number generator seeded with the session's seed and the test's node id."""
    seed = os.environ["LOGBOAT_SEED"]
    print(f"LOGBOAT_SEED={seed}")
    return random.Random(f"{seed} {request.node.nodeid}")
