"""Revisions from other stores are inserted, and conflicts between them are resolved."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.documents import POLICY
from sync.store import ConflictError, Database, DocumentError, InsertOutcome
from sync.store.edits import BASE_LIMIT
from sync.store.revisions import HORIZON

from .builders import everything, history, note, rev

NOTE = "note:argo:1"
EQUIPMENT = "equipment:argo:bilge"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "fleet.db", policy=POLICY) as database:
        yield database


def current(store: Database, document_id: str) -> tuple[str, bytes]:
    document = store.get(document_id)
    assert document is not None
    return document.rev, document.raw


def test_received_revision_is_stored_unchanged(store: Database) -> None:
    raw = b'{ "b": 1.0, "a": "\\u0041" }'
    assert store.insert("x", "3-abc", ["2-b", "1-a"], raw) is InsertOutcome.NEW
    assert current(store, "x") == ("3-abc", raw)
    assert store.revision("x", "3-abc") is not None


def test_inserting_again_changes_nothing(store: Database) -> None:
    for _ in range(2):
        outcome = store.insert("x", "3-c", ["2-b", "1-a"], b"{}")
    assert outcome is InsertOutcome.KNOWN
    assert store.insert("x", "2-b", ["1-a"], b"{}") is InsertOutcome.KNOWN
    assert store.insert("x", "1-a", [], b"{}") is InsertOutcome.KNOWN
    assert store.last_sequence == 1


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (["2-b"], InsertOutcome.NEW),
        (["2-b", "1-a"], InsertOutcome.NEW),
        (["1-a"], InsertOutcome.CONFLICT),
        ([], InsertOutcome.CONFLICT),
    ],
)
def test_revision_is_new_if_it_follows_and_otherwise_a_conflict(
    store: Database, line: list[str], outcome: InsertOutcome
) -> None:
    store.insert("x", "2-b", ["1-a"], b'{"n":1}')
    assert store.insert("x", "3-c", line, b'{"n":2}') is outcome


def test_branch_is_a_conflict_and_both_bodies_are_kept(store: Database) -> None:
    first = store.put(NOTE, note(1))
    ours = store.put(NOTE, note(2), parent=first)
    assert store.insert(NOTE, "2-00", [first], b'{"n":3}') is InsertOutcome.CONFLICT
    document = store.get(NOTE)
    assert document is not None
    assert document.conflicted
    assert document.rev == ours
    assert {(leaf.rev, leaf.raw) for leaf in store.leaves(NOTE)} == {
        (ours, b'{"n":2,"type":"note"}'),
        ("2-00", b'{"n":3}'),
    }
    assert store.leaves(NOTE)[0].rev == ours
    assert store.conflicts() == [NOTE]
    assert store.changes()[-1].conflicted
    loser = store.get(NOTE, rev="2-00")
    assert loser is not None
    assert loser.raw == b'{"n":3}'


def test_received_winning_branch_becomes_current(store: Database) -> None:
    first = store.put(NOTE, note(1))
    ours = store.put(NOTE, note(2), parent=first)
    assert store.insert(NOTE, "3-00", ["2-zz", first], b'{"n":3}') is InsertOutcome.CONFLICT
    assert current(store, NOTE) == ("3-00", b'{"n":3}')
    with pytest.raises(ConflictError):
        store.put(NOTE, note(4), parent=ours)


def test_passive_side_refuses_a_second_live_branch_and_names_its_own(store: Database) -> None:
    first = store.put(NOTE, note(1))
    ours = store.put(NOTE, note(2), parent=first)
    for revision, line in (("2-zz", [first]), ("7-zz", []), ("3-zz", ["2-yy"])):
        for deleted in (False, True):
            with pytest.raises(ConflictError) as caught:
                store.insert(NOTE, revision, line, b"{}", deleted=deleted, allow_conflict=False)
            assert caught.value.current == ours
    assert store.last_sequence == 2
    assert store.insert(NOTE, "3-zz", [ours], b"{}", allow_conflict=False) is InsertOutcome.NEW


def test_passive_side_accepts_a_tombstone_that_closes_a_losing_branch(store: Database) -> None:
    first = store.put(NOTE, note(1))
    store.put(NOTE, note(2), parent=first)
    store.insert(NOTE, "2-00", [first], b"{}")
    assert (
        store.insert(NOTE, "3-00", ["2-00", first], None, deleted=True, allow_conflict=False)
        is InsertOutcome.NEW
    )
    assert store.conflicts() == []


def test_passive_side_refuses_to_reopen_a_closed_branch_beside_a_live_one(store: Database) -> None:
    winning, _ = conflict(store)
    store.resolve(NOTE, winning, {"acks": ["ann", "bob"]})
    [closed] = [leaf.rev for leaf in store.leaves(NOTE) if leaf.deleted]
    with pytest.raises(ConflictError):
        store.insert(NOTE, "4-zz", [closed], b"{}", allow_conflict=False)
    assert store.insert(NOTE, "4-zz", [closed], b"{}") is InsertOutcome.CONFLICT


def test_passive_side_accepts_a_document_again_after_its_deletion(store: Database) -> None:
    store.delete(NOTE, parent=store.put(NOTE, note(1)))
    assert store.insert(NOTE, "1-zz", [], b"{}", allow_conflict=False) is InsertOutcome.BRANCHED
    assert current(store, NOTE)[0] == "1-zz"
    assert store.conflicts() == []


def test_deletion_on_a_branch_loses_to_a_live_revision_and_is_not_an_open_conflict(store: Database) -> None:
    first = store.put(NOTE, note(1))
    ours = store.put(NOTE, note(2), parent=first)
    assert (
        store.insert(NOTE, "5-zz", ["4-y", "3-y", "2-y", first], None, deleted=True) is InsertOutcome.BRANCHED
    )
    assert current(store, NOTE)[0] == ours
    assert not store.leaves(NOTE)[0].conflicted
    assert {leaf.deleted for leaf in store.leaves(NOTE)} == {True, False}


@pytest.mark.parametrize(
    ("revision", "line"),
    [("x", []), ("2-b", ["2-a"]), ("2-b", ["x"]), ("2-b", ["1-a", "1-a"]), ("1-a b", [])],
)
def test_nonsense_from_a_peer_is_refused(store: Database, revision: str, line: list[str]) -> None:
    with pytest.raises(DocumentError):
        store.insert("x", revision, line, b"{}")
    for body in (b"[]", b'{"_id":1}', b'{"a":'):
        with pytest.raises(DocumentError):
            store.insert("x", "1-a", [], body)
    assert store.last_sequence == 0


# --- resolution


def conflict(store: Database) -> tuple[str, str]:
    """Store a document with two conflicting revisions, and return the winning and the losing one."""
    first = store.put(NOTE, {"acks": []})
    store.insert(NOTE, "2-aa", [first], b'{"acks":["ann"]}')
    store.insert(NOTE, "2-bb", [first], b'{"acks":["bob"]}')
    return "2-bb", "2-aa"


def test_resolution_follows_the_winning_branch_and_closes_the_others(store: Database) -> None:
    winning, losing = conflict(store)
    merged = store.resolve(NOTE, winning, {"acks": ["ann", "bob"]})
    assert current(store, NOTE) == (merged, b'{"acks":["ann","bob"]}')
    assert store.conflicts() == []
    leaves = store.leaves(NOTE)
    assert [leaf.deleted for leaf in leaves] == [False, True]
    closing = store.revision(NOTE, leaves[1].rev)
    assert closing is not None
    assert closing.history[0] == losing
    found = store.revision(NOTE, merged)
    assert found is not None
    assert found.history[0] == winning


def test_same_resolution_on_two_peers_makes_the_same_revisions(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a.db") as a, Database.open(tmp_path / "b.db") as b:
        for store, order in ((a, 1), (b, -1)):
            first = store.put(NOTE, {"acks": []})
            branches = [("2-aa", b'{"acks":["ann"]}'), ("2-bb", b'{"acks": ["bob"]}')][::order]
            for revision, raw in branches:
                store.insert(NOTE, revision, [first], raw)
            store.resolve(NOTE, "2-bb", {"acks": ["ann", "bob"]})
        assert everything(a) == everything(b)
        assert {leaf.rev for leaf in a.leaves(NOTE)} == {leaf.rev for leaf in b.leaves(NOTE)}


def test_resolution_equal_to_the_winner_adds_no_revision(store: Database) -> None:
    winning, losing = conflict(store)
    assert store.resolve(NOTE, winning, {"acks": ["bob"]}) == winning
    assert current(store, NOTE)[0] == winning
    assert store.conflicts() == []
    assert losing not in {leaf.rev for leaf in store.leaves(NOTE)}


def test_resolution_may_take_the_other_branch_as_its_base(store: Database) -> None:
    _, losing = conflict(store)
    merged = store.resolve(NOTE, losing, {"acks": ["bob"]})
    assert current(store, NOTE) == (merged, b'{"acks":["bob"]}')
    assert store.conflicts() == []


def test_resolution_may_be_a_deletion(store: Database) -> None:
    winning, _ = conflict(store)
    store.resolve(NOTE, winning, deleted=True)
    document = store.get(NOTE)
    assert document is not None
    assert document.deleted
    assert store.conflicts() == []


def test_resolution_on_a_branch_with_a_newer_revision_is_refused(store: Database) -> None:
    winning, _ = conflict(store)
    store.put(NOTE, {}, parent=winning)
    with pytest.raises(ConflictError, match="not a leaf revision"):
        store.resolve(NOTE, winning, {})
    with pytest.raises(ConflictError, match="does not exist"):
        store.resolve("nothing", winning, {})


def test_resolution_on_a_branch_too_old_to_win_is_refused(store: Database) -> None:
    store.insert(NOTE, "1-a", [], b"{}")
    store.insert(NOTE, "40-b", history(40, "b"), b"{}")
    with pytest.raises(DocumentError, match="generation is too far below"):
        store.resolve(NOTE, "1-a", {"x": 1})
    assert store.conflicts() == [NOTE]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.lists(st.booleans(), min_size=1, max_size=6))
def test_stores_that_exchange_everything_agree_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, random: Random, deletions: list[bool]
) -> None:
    """Several vessels edit the same note separately, some of them many times.

    Two stores then receive all edits, in different orders.
    """
    folder = tmp_path_factory.mktemp("s")
    told: list[tuple[str, list[str], bytes, bool]] = []
    for branch, deleted in enumerate(deletions):
        length = random.choice([1, 2, 5, 20, 25, 45])
        line = [rev(1, "root")] + [rev(number, f"{branch:x}") for number in range(2, length + 2)]
        for number, revision in enumerate(line):
            gone = deleted and number == len(line) - 1 > 0
            told.append(
                (revision, line[max(0, number - HORIZON) : number][::-1], f'{{"n":{number}}}'.encode(), gone)
            )
    ends = []
    for name in "ab":
        random.shuffle(told)
        with Database.open(folder / name) as store:
            for revision, line, raw, gone in told:
                store.insert(NOTE, revision, line, raw, deleted=gone)
            assert store.check() == []
            ends.append(current(store, NOTE))
    assert ends[0] == ends[1]


# --- documents with a single writer


def test_newer_revision_of_a_single_writer_never_conflicts(fleet: Database) -> None:
    fleet.insert(EQUIPMENT, "5-a", history(5), b'{"n":5}')
    assert fleet.insert(EQUIPMENT, "200-b", history(200, "b", down_to=180), b'{"n":200}') is InsertOutcome.NEW
    assert (
        fleet.insert(EQUIPMENT, "90-b", history(90, "b", down_to=70), b'{"n":90}') is InsertOutcome.SUPERSEDED
    )
    assert fleet.insert(EQUIPMENT, "199-b", history(199, "b", down_to=180), b"{}") is InsertOutcome.KNOWN
    assert current(fleet, EQUIPMENT) == ("200-b", b'{"n":200}')
    assert len(fleet.leaves(EQUIPMENT)) == 1
    assert fleet.insert(EQUIPMENT, "201-c", [], b"{}", allow_conflict=False) is InsertOutcome.NEW


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from("abc"), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_single_writers_document_ends_the_same_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[int, str, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("s")
    unique = {rev(generation, digest): (generation, digest, deleted) for generation, digest, deleted in told}
    ends = set()
    for number, order in enumerate(itertools.islice(itertools.permutations(unique.items()), 6)):
        with Database.open(folder / str(number), policy=POLICY) as store:
            for revision, (generation, digest, deleted) in order:
                store.insert(EQUIPMENT, revision, history(generation, digest), b"{}", deleted=deleted)
            ends.add(current(store, EQUIPMENT))
            assert store.conflicts() == []
            assert store.check() == []
    assert ends == {(max(unique, key=lambda r: (int(r.split("-")[0]), r.split("-")[1])), b"{}")}


def test_two_hundred_edits_while_disconnected_end_without_a_conflict(tmp_path: Path) -> None:
    with (
        Database.open(tmp_path / "a.db", policy=POLICY) as a,
        Database.open(tmp_path / "b.db", policy=POLICY) as b,
    ):
        parent = a.put(EQUIPMENT, note(0))
        b.insert(EQUIPMENT, parent, [], note(0))
        for number in range(1, 201):
            parent = a.put(EQUIPMENT, note(number), parent=parent)
        sent = a.revision(EQUIPMENT, parent)
        assert sent is not None
        assert len(sent.history) == HORIZON - 1
        assert (
            b.insert(EQUIPMENT, sent.rev, sent.history, sent.raw, allow_conflict=False) is InsertOutcome.NEW
        )
        assert everything(a) == everything(b)
        assert b.check() == []


# --- revisions of remotes


def test_revision_that_a_remote_has_is_neither_pruned_nor_stripped_of_its_body(store: Database) -> None:
    first = parent = store.put(NOTE, note(0))
    store.set_remote_revision(NOTE, "brigid", first)
    for number in range(1, 100):
        parent = store.put(NOTE, note(number), parent=parent)
    sent = store.revision(NOTE, parent, ancestors=[first])
    assert sent is not None
    assert sent.history[-1] == first
    assert len(sent.history) <= HORIZON
    base = store.get(NOTE, rev=first)
    assert base is not None
    assert base.body == note(0)
    other = store.get(NOTE, rev=sent.history[0])
    assert other is None
    store.set_remote_revision(NOTE, "brigid", parent)
    store.put(NOTE, note(100), parent=parent)
    assert store.get(NOTE, rev=first) is None
    assert store.check() == []


def test_long_separated_stores_replicate_without_a_conflict_because_remote_revisions_are_kept(
    tmp_path: Path,
) -> None:
    with Database.open(tmp_path / "a.db") as a, Database.open(tmp_path / "b.db") as b:
        first = parent = a.put(NOTE, note(0))
        b.insert(NOTE, first, [], note(0))
        a.set_remote_revision(NOTE, "b", first)
        for number in range(1, 201):
            parent = a.put(NOTE, note(number), parent=parent)
        [ancestors] = b.missing([(NOTE, parent)])
        assert ancestors == [first]
        sent = a.revision(NOTE, parent, ancestors=ancestors)
        assert sent is not None
        assert b.insert(NOTE, sent.rev, sent.history, sent.raw, allow_conflict=False) is InsertOutcome.NEW
        assert b.conflicts() == []


def test_large_superseded_body_is_not_kept_for_deltas(store: Database) -> None:
    first = store.put(NOTE, {"text": "x" * BASE_LIMIT})
    store.set_remote_revision(NOTE, "brigid", first)
    second = store.put(NOTE, note(1), parent=first)
    assert store.get(NOTE, rev=first) is None
    found = store.revision(NOTE, second)
    assert found is not None
    assert found.history == [first]


def test_revisions_of_each_remote_are_recorded_separately_until_forgotten(store: Database) -> None:
    store.set_remote_revision("x", "brigid", "1-a")
    store.set_remote_revision("x", "office", "2-b")
    store.set_remote_revision("x", "brigid", "3-c")
    assert store.remote_revisions("x") == {"brigid": "3-c", "office": "2-b"}
    assert store.remote_revision("x", "brigid") == "3-c"
    store.forget_remote("brigid")
    assert store.remote_revision("x", "brigid") is None
    assert store.remote_revisions("x") == {"office": "2-b"}


# --- wanted revisions


def test_missing_returns_wanted_revisions_and_known_ancestors(fleet: Database) -> None:
    fleet.insert(NOTE, "3-c", ["2-b", "1-a"], b"{}")
    fleet.insert(EQUIPMENT, "50-a", history(50), b"{}")
    fleet.set_floor("reading:argo:rpm:abcdef:", "reading:argo:rpm:abcdef:000000000100")
    assert fleet.missing(
        [
            (NOTE, "3-c"),
            (NOTE, "2-b"),
            (NOTE, "4-d"),
            (NOTE, "3-x"),
            (NOTE, "1-x"),
            ("note:argo:2", "1-a"),
            (EQUIPMENT, "49-z"),
            (EQUIPMENT, "51-z"),
            ("reading:argo:rpm:abcdef:000000000099", "1-a"),
            ("reading:argo:rpm:abcdef:000000000100", "1-a"),
        ]
    ) == [
        None,
        None,
        ["3-c", "2-b", "1-a"],
        ["2-b", "1-a"],
        [],
        [],
        None,
        ["50-a", *history(50)[:19]],
        None,
        [],
    ]


def test_documents_below_a_floor_are_not_inserted(store: Database) -> None:
    store.set_floor("r:a:", "r:a:5")
    assert store.insert("r:a:4", "1-a", [], b"{}") is InsertOutcome.UNWANTED
    assert store.insert("r:a:5", "1-a", [], b"{}") is InsertOutcome.NEW
    assert store.insert("r:b:4", "1-a", [], b"{}") is InsertOutcome.NEW
    assert store.count() == 2
    assert store.floor("r:a:4")
    assert not store.floor("r:a:5")
    assert not store.floor("r:a")


def test_floor_only_rises_and_survives_a_restart(path: Path) -> None:
    with Database.open(path) as store, Database.open(path) as other:
        store.set_floor("r:", "r:5")
        assert other.floor("r:4")
        other.set_floor("r:", "r:3")
        assert store.floor("r:4")
        other.set_floor("r:", "r:7")
        other.set_floor("r:x:", "r:x:2")
        assert store.floor("r:6")
        assert store.floor("r:x:1")
        assert store.floors() == {"r:": "r:7", "r:x:": "r:x:2"}
        with pytest.raises(DocumentError, match="does not begin"):
            store.set_floor("r:", "s:1")
    with Database.open(path) as store:
        assert store.floor("r:6")
