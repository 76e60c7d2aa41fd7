"""Every peer resolves a conflict to the same revision, in any order of replications."""

import itertools
import json
from collections.abc import Iterator
from functools import reduce
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.documents import RADIO_KEY, REVOCATIONS, DocumentType
from sync.fleet.conflict_resolvers import Resolvers, merge_alarms, resolve_silence
from sync.peer.conflicts import (
    Conflict,
    Delete,
    Keep,
    Merge,
    Resolution,
    Resolved,
    default_resolver,
    deletion_in,
    resolve,
)
from sync.peer.problems import Domain, Problem
from sync.store import ConflictError, Database, Document, bodies, revisions
from tests.store.builders import history, json_values, note, rev

ALARM = "alarm:argo:bilge:abcdef:000000000007"
NOTE = "note:argo:01ARZ3NDEKTSV4RRFFQ69G5FAV"

acks = st.fixed_dictionaries({"who": st.sampled_from("abc"), "when": st.sampled_from(["1", "2"])})
alarms = st.fixed_dictionaries(
    {},
    optional={
        "acks": st.lists(acks, max_size=3) | st.lists(json_values, max_size=3) | json_values,
        "cleared": st.none()
        | st.fixed_dictionaries({"boot": st.integers(1, 2), "clock": st.integers(0, 3)})
        | json_values,
        "severity": st.sampled_from(["nominal", "warn", "alarm", "emergency", "loud"]) | json_values,
        "history": st.lists(st.integers(0, 1), max_size=2) | json_values,
        "text": st.sampled_from("xy"),
    },
)


@pytest.fixture
def store(tmp_path: Any) -> Iterator[Database]:
    with Database.open(tmp_path / "log.db") as database:
        yield database


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Database]]:
    folder = tmp_path_factory.mktemp("fleet")
    stores = [Database.open(folder / f"{number}.db") for number in range(4)]
    yield stores
    for database in stores:
        database.close()


def conflict(store: Database, document_id: str, *branches: dict[str, Any]) -> list[str]:
    """Store a document with one branch for each body, and return the leaf revisions.

    The generations of the leaves increase from branch to branch.
    """
    made = []
    for number, body in enumerate(branches, 2):
        digest = chr(ord("a") + number)
        store.insert(document_id, rev(number, digest), history(number, digest), body)
        made.append(rev(number, digest))
    return made


def canonical(body: dict[str, Any]) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(bodies.canonical("x", body))
    return decoded


def concatenate(conflict: Conflict) -> Resolution:
    """Resolve a conflict by merging the lists `n` of both bodies, as an application could."""
    return Merge({"n": sorted({*conflict.winning.body.get("n", ()), *conflict.losing.body.get("n", ())})})


# --- the default resolver


def test_the_higher_generation_wins_and_stays_as_it_is(store: Database) -> None:
    _, high = conflict(store, NOTE, note(1), note(2))
    assert resolve(store, NOTE) == Resolved(NOTE, high, deleted=False, is_new=False)
    assert store.conflicts() == []
    assert resolve(store, NOTE) is None


def test_in_one_generation_the_higher_digest_wins(store: Database) -> None:
    store.insert(NOTE, rev(1, "a"), (), note(1))
    store.insert(NOTE, rev(1, "b"), (), note(2))
    assert resolve(store, NOTE) == Resolved(NOTE, rev(1, "b"), deleted=False, is_new=False)


def test_document_without_a_conflict_and_missing_document_are_left_unchanged(store: Database) -> None:
    store.put(NOTE, note(1))
    before = store.last_sequence
    assert resolve(store, NOTE) is None
    assert resolve(store, "note:none") is None
    assert store.last_sequence == before


@pytest.mark.parametrize("deletion_first", [False, True])
def test_deletion_wins_over_an_edit_in_either_order(store: Database, deletion_first: bool) -> None:
    edits = [
        (rev(5, "e"), [rev(1)], note(2), False),
        (rev(2, "d"), [rev(1)], {"reason": "double"}, True),
    ]
    store.insert(NOTE, rev(1), (), note(1))
    named = None
    for made, line, body, deleted in reversed(edits) if deletion_first else edits:
        before = store.get(NOTE)
        outcome = store.insert(NOTE, made, line, body, deleted=deleted)
        named = deletion_in(before, made, deleted=deleted, outcome=outcome)
    assert named == rev(2, "d")
    resolved = resolve(store, NOTE, deletion=named)
    assert isinstance(resolved, Resolved)
    assert resolved.deleted
    current = store.get(NOTE)
    assert current is not None
    assert (current.rev, current.deleted, current.body) == (resolved.rev, True, {"reason": "double"})
    expected = revisions.make(rev(5, "e"), deleted=True, body=b'{"reason":"double"}')
    assert resolved.rev == expected


def test_tombstone_of_a_losing_branch_is_not_a_deletion(store: Database) -> None:
    low, high = conflict(store, NOTE, note(1), note(2))
    closing = revisions.make(low, deleted=True, body=b"{}", closing=True)
    store.insert(NOTE, closing, [low, *history(2, "c")], None, deleted=True)
    assert resolve(store, NOTE, deletion=closing) is None
    current = store.get(NOTE)
    assert current is not None
    assert current.rev == high


def test_an_empty_deletion_whose_parent_is_unknown_deletes_nothing(store: Database) -> None:
    store.insert(NOTE, rev(4), (), note(1))
    store.insert(NOTE, rev(7, "d"), [rev(3, "d")], None, deleted=True)
    assert resolve(store, NOTE, deletion=rev(7, "d")) is None


def test_empty_deletion_by_other_software_wins(store: Database) -> None:
    store.insert(NOTE, rev(4), history(4), note(1))
    store.insert(NOTE, rev(3, "d"), history(3), None, deleted=True)
    resolved = resolve(store, NOTE, deletion=rev(3, "d"))
    assert isinstance(resolved, Resolved)
    assert resolved.deleted


def test_old_branches_received_after_a_far_newer_deletion_are_closed(store: Database) -> None:
    store.insert(NOTE, rev(60, "z"), [rev(59, "z")], {"reason": "old"}, deleted=True)
    conflict(store, NOTE, note(1), note(2))
    assert store.conflicts() == [NOTE]
    resolved = resolve(store, NOTE)
    assert isinstance(resolved, Resolved)
    assert resolved.deleted
    assert store.conflicts() == []


# --- Logboat's own resolvers


def test_acknowledgements_are_merged_and_a_clear_removes_none(store: Database) -> None:
    first, second = {"who": "a", "when": "1"}, {"who": "b", "when": "0"}
    raised = {"text": "x", "severity": "warn", "cleared": None, "history": [1]}
    cleared = {"boot": 1, "clock": 5, "utc": "…"}
    *_, top = conflict(
        store,
        ALARM,
        raised | {"acks": [first]},
        raised | {"acks": [], "cleared": cleared, "history": [1, 2]},
        raised | {"acks": [second, first], "severity": "alarm"},
    )
    resolved = resolve(store, ALARM, Resolvers())
    assert isinstance(resolved, Resolved)
    assert resolved.is_new
    current = store.get(ALARM)
    assert current is not None
    assert current.body == {
        "text": "x",
        "severity": "alarm",
        "cleared": cleared,
        "history": [1, 2],
        "acks": [second, first],
    }
    assert current.rev == revisions.make(top, deleted=False, body=current.raw)


def test_alarm_that_contains_all_acknowledgements_is_not_rewritten(store: Database) -> None:
    ack = {"who": "a", "when": "1"}
    _, high = conflict(store, ALARM, {"acks": []}, {"acks": [ack]})
    assert resolve(store, ALARM, Resolvers()) == Resolved(ALARM, high, deleted=False, is_new=False)


SILENCE = "silence:argo:bilge:qwerty:000000000001"
silences = st.fixed_dictionaries(
    {"who": st.sampled_from(["anna", "ben"])},
    optional={
        "begins": st.sampled_from(["2026-05-15T01:20:00.000Z", "2026-05-15T01:21:00Z", "soon", 7, None]),
        "ends": st.sampled_from(["2026-05-15T01:30:00.000Z", "2026-05-15T01:25:00+00:00", "never", True]),
        "for": st.sampled_from([60, 600, "10 min"]),
    },
)


def kept_silence(winning: Document, losing: Document) -> Document:
    decision = resolve_silence(Conflict(SILENCE, winning, losing))
    assert isinstance(decision, Keep)
    return decision.document


@given(st.lists(silences, min_size=1, max_size=4), st.data())
def test_vessels_keep_the_same_silence_in_whatever_order_they_receive_them(
    found: list[dict[str, Any]], data: st.DataObject
) -> None:
    every = [Document(SILENCE, rev(1), 0, False, False, bodies.canonical(SILENCE, each)) for each in found]
    late = data.draw(st.lists(st.sampled_from(every), max_size=3))
    shuffled = data.draw(st.permutations([*every, *late]))
    assert reduce(kept_silence, every).raw == reduce(kept_silence, shuffled).raw


def test_the_silence_that_begins_last_is_kept(store: Database) -> None:
    long = {"begins": "2026-05-15T01:20:00.000Z", "ends": "2026-05-15T01:50:00.000Z"}
    short = {"begins": "2026-05-15T01:21:00.000Z", "ends": "2026-05-15T01:22:00.000Z"}
    conflict(store, SILENCE, short, long)
    resolve(store, SILENCE, Resolvers())
    current = store.get(SILENCE)
    assert current is not None
    assert current.body == short


@given(alarms, alarms, alarms)
def test_merging_alarms_is_commutative_associative_and_idempotent(
    a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]
) -> None:
    a, b, c = map(canonical, (a, b, c))
    both = merge_alarms(a, b)
    assert both == merge_alarms(b, a)
    assert merge_alarms(both, c) == merge_alarms(a, merge_alarms(b, c))
    assert merge_alarms(both, a) == both
    assert merge_alarms(both, both) == both


@given(st.lists(acks, max_size=4), st.lists(acks, max_size=4))
def test_no_acknowledgement_is_lost_or_duplicated(a: list[Any], b: list[Any]) -> None:
    merged = merge_alarms({"acks": a}, {"acks": b, "cleared": {"boot": 1, "clock": 1}})["acks"]
    assert all(ack in merged for ack in a + b)
    assert len({json.dumps(ack, sort_keys=True) for ack in merged}) == len(merged)


@pytest.mark.parametrize(
    ("low", "high", "wins"),
    [
        (9, 5, 9),
        (5, 9, 9),
        (5, None, 5),
        (5, "900", 5),
        (3, True, 3),
        (5, [9], 5),
        (-7, 0, 0),
        (2, 10**15, 10**15),
    ],
)
@pytest.mark.parametrize("document", [REVOCATIONS, RADIO_KEY])
def test_between_ca_statements_the_higher_number_wins(
    store: Database, document: str, low: Any, high: Any, wins: Any
) -> None:
    _, last = conflict(store, document, {"number": low, "list": ["a"]}, {"number": high, "list": ["b"]})
    resolved = resolve(store, document, Resolvers())
    current = store.get(document)
    assert current is not None
    assert isinstance(resolved, Resolved)
    assert current.rev == resolved.rev
    assert current.body["number"] == wins
    assert revisions.generation(current.rev) == revisions.generation(last) + (wins != high)


@pytest.mark.parametrize("document", [REVOCATIONS, RADIO_KEY])
def test_ca_statements_survive_deletion(store: Database, document: str) -> None:
    store.insert(document, rev(1), (), {"number": 1})
    store.insert(document, rev(2, "b"), [rev(1)], {"number": 2})
    store.insert(document, rev(3, "d"), [rev(2, "d"), rev(1)], {"why": "!"}, deleted=True)
    before = store.last_sequence
    assert resolve(store, document, Resolvers(), deletion=rev(3, "d")) == Resolved(
        document, rev(2, "b"), deleted=False, is_new=False
    )
    assert store.last_sequence == before


# --- resolvers of applications


def test_a_resolver_is_chosen_by_the_type_of_the_document(store: Database) -> None:
    mine = Resolvers({DocumentType.NOTE: concatenate}, default=lambda conflict: Keep(conflict.losing))
    assert mine.resolver_for(NOTE) is concatenate
    assert mine.resolver_for("app:1") is mine.default
    assert mine.resolver_for("note:malformed") is mine.default
    assert mine.resolver_for(ALARM) is Resolvers().resolver_for(ALARM) is not mine.default
    assert Resolvers().resolver_for(NOTE) is default_resolver


def test_merged_body_is_added_to_the_winning_branch(store: Database) -> None:
    _, high = conflict(store, NOTE, {"n": [1]}, {"n": [2]})
    resolved = resolve(store, NOTE, Resolvers({DocumentType.NOTE: concatenate}))
    made = revisions.make(high, deleted=False, body=b'{"n":[1,2]}')
    assert resolved == Resolved(NOTE, made, deleted=False, is_new=True)


def test_merged_body_without_attachments_keeps_those_of_both(store: Database) -> None:
    def attached(letter: str) -> dict[str, Any]:
        return {"digest": f"sha1-{letter * 27}=", "stub": True}

    of_both = {"low": attached("A"), "both": attached("B")}, {"high": attached("C"), "both": attached("D")}
    conflict(store, NOTE, *({"n": [n], "_attachments": found} for n, found in enumerate(of_both)))
    resolve(store, NOTE, Resolvers({DocumentType.NOTE: concatenate}))
    current = store.get(NOTE)
    assert current is not None
    assert current.body == {"n": [0, 1], "_attachments": of_both[0] | of_both[1]}


def test_keeping_the_losing_revision_adds_its_body_to_the_winning_branch(store: Database) -> None:
    _, high = conflict(store, NOTE, note(1), note(2))
    resolved = resolve(store, NOTE, Resolvers({DocumentType.NOTE: lambda c: Keep(c.losing)}))
    current = store.get(NOTE)
    assert current is not None
    assert current.body == note(1)
    assert resolved == Resolved(NOTE, current.rev, deleted=False, is_new=True)
    assert revisions.generation(current.rev) == revisions.generation(high) + 1


def test_a_resolver_can_delete(store: Database) -> None:
    conflict(store, NOTE, note(1), note(2))
    resolved = resolve(store, NOTE, Resolvers(default=lambda _: Delete()))
    assert isinstance(resolved, Resolved)
    assert resolved.deleted
    assert store.conflicts() == []


def test_resolver_is_not_called_for_branches_with_equal_bodies(store: Database) -> None:
    store.insert(NOTE, rev(1, "a"), (), b'{"n":1,"type":"note"}')
    store.insert(NOTE, rev(1, "b"), (), b'{ "type":"note", "n":1.0 }')
    asked: list[Conflict] = []

    def asking(found: Conflict) -> Resolution:
        asked.append(found)
        return Delete()

    resolved = resolve(store, NOTE, Resolvers(default=asking))
    assert resolved == Resolved(NOTE, rev(1, "b"), deleted=False, is_new=False)
    assert asked == []


class UnshowableError(Exception):
    def __str__(self) -> str:
        raise ValueError


def failing(error: Exception) -> Any:
    def resolver(conflict: Conflict) -> Resolution:
        raise error

    return resolver


nonsense: list[Any] = [None, 5, [1], "gone"]


@pytest.mark.parametrize(
    "resolver",
    [
        failing(KeyError("title")),
        failing(UnshowableError()),
        failing(RecursionError()),
        lambda conflict: None,
        lambda conflict: conflict.winning,
        lambda conflict: {"a": 1},
        lambda conflict: Keep(nonsense[0]),
        lambda conflict: Merge({"_id": 1}),
        lambda conflict: Merge({"a": object()}),
        lambda conflict: Merge({"a": float("nan")}),
        lambda conflict: Merge({nonsense[1]: 2}),
        lambda conflict: Merge(b"no json"),
        lambda conflict: Merge(nonsense[0]),
        lambda conflict: Merge(nonsense[2]),
        lambda conflict: Delete(nonsense[3]),
    ],
)
def test_failing_resolver_leaves_the_conflict_open_and_is_named(store: Database, resolver: Any) -> None:
    conflict(store, NOTE, note(1), note(2))
    conflict(store, ALARM, note(1), note(2))
    before, sequence = store.leaves(NOTE), store.last_sequence
    problem = resolve(store, NOTE, Resolvers({DocumentType.NOTE: resolver}))
    assert isinstance(problem, Problem)
    assert (problem.domain, problem.code) == (Domain.LITECORE, 8)
    assert problem.text.startswith(NOTE)
    assert "remains unresolved" in problem.text
    assert (store.leaves(NOTE), store.last_sequence) == (before, sequence)
    assert isinstance(resolve(store, ALARM, Resolvers()), Resolved)


def test_resolver_that_keeps_a_revision_of_another_document_is_refused(store: Database) -> None:
    store.put("other", note(3))
    stranger = store.get("other")
    assert stranger is not None
    conflict(store, NOTE, note(1), note(2))
    assert isinstance(resolve(store, NOTE, Resolvers(default=lambda _: Keep(stranger))), Problem)


def test_branch_received_while_the_resolver_runs_is_not_lost(store: Database) -> None:
    conflict(store, NOTE, {"n": [1]}, {"n": [2]})

    def slow(found: Conflict) -> Resolution:
        store.insert(NOTE, rev(2, "late"), (), {"n": [3]})
        return concatenate(found)

    assert isinstance(resolve(store, NOTE, Resolvers(default=slow)), Resolved)
    current = store.get(NOTE)
    assert current is not None
    assert current.body == {"n": [1, 2, 3]}


def test_document_that_changes_during_every_attempt_stays_in_conflict_for_now(store: Database) -> None:
    conflict(store, NOTE, {"n": [1]}, {"n": [2]})
    count = itertools.count()

    def restless(found: Conflict) -> Resolution:
        store.insert(NOTE, rev(2, f"late{next(count)}"), (), {"n": [3]})
        return concatenate(found)

    assert isinstance(resolve(store, NOTE, Resolvers(default=restless)), Problem)
    assert store.conflicts() == [NOTE]


@given(
    document=st.sampled_from([ALARM, REVOCATIONS, RADIO_KEY]),
    branches=st.lists(alarms, min_size=2, max_size=4),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_hostile_bodies_are_resolved_like_any_other(
    store: Database, document: str, branches: list[dict[str, Any]]
) -> None:
    store.purge([document])
    conflict(store, document, *(body | {"number": body.get("acks")} for body in branches))
    assert isinstance(resolve(store, document, Resolvers()), Resolved)
    assert store.conflicts() == []


# --- a fleet

_documents = itertools.count()


def pull(here: Database, there: Database, document_id: str, resolvers: Resolvers) -> None:
    """Insert the current revision from `there` into `here`, and resolve any conflict, as a pull does."""
    current = there.get(document_id)
    if current is None or here.missing([(document_id, current.rev)]) == [None]:
        return
    sent = there.revision(document_id, current.rev)
    assert sent is not None
    before = here.get(document_id)
    outcome = here.insert(document_id, sent.rev, sent.history, sent.raw, deleted=sent.deleted)
    deletion = deletion_in(before, sent.rev, deleted=sent.deleted, outcome=outcome)
    ended = resolve(here, document_id, resolvers, deletion=deletion)
    assert not isinstance(ended, Problem)


def push(here: Database, there: Database, document_id: str, resolvers: Resolvers) -> None:
    """Insert the current revision from `here` into `there`, and resolve any conflict, as a push does.

    `there` rejects a conflicting revision until its own branch is closed. The tombstone that resolved the
    conflict in `here` is therefore inserted first, and closes that branch.
    """
    current, other = here.get(document_id), there.get(document_id)
    if current is None or there.missing([(document_id, current.rev)]) == [None]:
        return
    revision = here.revision(document_id, current.rev)
    assert revision is not None
    ends = [revision]
    if other is not None and not other.deleted and other.rev not in revision.history:
        closed = [
            here.revision(document_id, leaf.rev) for leaf in here.leaves(document_id)[1:] if leaf.deleted
        ]
        ends = [end for end in closed if end is not None and other.rev in end.history][:1] + ends
    for sent in ends:
        before = there.get(document_id)
        try:
            outcome = there.insert(
                document_id, sent.rev, sent.history, sent.raw, deleted=sent.deleted, allow_conflict=False
            )
        except ConflictError:
            return
        deletion = deletion_in(before, sent.rev, deleted=sent.deleted, outcome=outcome)
        assert not isinstance(resolve(there, document_id, resolvers, deletion=deletion), Problem)


def edit(here: Database, document_id: str, what: int | str) -> None:
    current = here.get(document_id)
    live = current is not None and not current.deleted
    if what in ("delete", "explain"):
        if current is not None and live:
            reason = {"reason": "x"} if what == "explain" else None
            here.delete(document_id, parent=current.rev, body=reason)
    else:
        body = dict(current.body) if current is not None and live else {}
        body["n"] = sorted({*body.get("n", ()), what})
        body["acks"] = [*body.get("acks", ()), {"who": "a", "when": str(what)}]
        body["number"] = what
        here.put(document_id, body, parent=current.rev if current is not None and live else None)


peers = st.integers(0, 3)
steps = st.lists(
    st.tuples(peers, st.integers(0, 5) | st.sampled_from(["delete", "explain"]))
    | st.tuples(peers, st.tuples(st.sampled_from([pull, push]), peers)),
    min_size=2,
    max_size=24,
)


@given(
    kind=st.sampled_from(["note", "alarm", "merged"]),
    steps=steps,
    orders=st.lists(st.permutations(list(itertools.permutations(range(4), 2))), min_size=1, max_size=3),
)
@settings(max_examples=150, deadline=None)
def test_fleet_that_resolves_everywhere_converges_and_stops_writing(
    fleet: list[Database], kind: str, steps: list[tuple[int, Any]], orders: list[list[tuple[int, int]]]
) -> None:
    number = next(_documents)
    document_id = {"alarm": f"alarm:argo:bilge:abcdef:{number:012d}", "note": f"note:{number}"}.get(
        kind, f"merged:{number}"
    )
    resolvers = Resolvers(default=concatenate_or_delete) if kind == "merged" else Resolvers()
    for at, what in steps:
        if isinstance(what, tuple):
            exchange, peer = what
            exchange(fleet[at], fleet[peer], document_id, resolvers)
        else:
            edit(fleet[at], document_id, what)
    rounds = 0
    while True:
        before = [store.last_sequence for store in fleet]
        for here, there in orders[rounds % len(orders)]:
            pull(fleet[here], fleet[there], document_id, resolvers)
        if [store.last_sequence for store in fleet] == before:
            break
        rounds += 1
        assert rounds <= 8
    ends = {
        None if found is None else (found.rev, found.deleted, found.raw)
        for store in fleet
        for found in [store.get(document_id)]
    }
    assert len(ends) == 1
    for store in fleet:
        assert sum(not leaf.deleted for leaf in store.leaves(document_id)) <= 1


def concatenate_or_delete(found: Conflict) -> Resolution:
    return default_resolver(found) if found.losing.deleted else concatenate(found)


@given(st.permutations(list(itertools.permutations(range(3), 2))), st.permutations([0, 1, 2]))
@settings(max_examples=30, deadline=None)
def test_three_concurrent_acknowledgements_end_as_one_set_in_any_order_of_replication(
    fleet: list[Database], order: list[tuple[int, int]], heights: list[int]
) -> None:
    document_id = f"alarm:argo:bilge:ghijkl:{next(_documents):012d}"
    for peer, height in enumerate(heights):
        for step in range(height + 1):
            edit(fleet[peer], document_id, 10 * peer + step)
    for here, there in order * 4:
        pull(fleet[here], fleet[there], document_id, Resolvers())
    wanted = {str(10 * peer + step) for peer, height in enumerate(heights) for step in range(height + 1)}
    found = [store.get(document_id) for store in fleet[:3]]
    assert {ack["when"] for end in found if end is not None for ack in end.body["acks"]} == wanted
    assert len({end.rev for end in found if end is not None}) == 1
