"""A checkpoint never covers documents that are still in transit.

If the two copies of a checkpoint differ, no document is skipped.
"""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.replication.checkpoint import Checkpoint, PullProgress, PushProgress, reconcile
from sync.replication.checkpoint_id import Peer, Replication, checkpoint_id
from sync.replication.messages import MessageError
from sync.replication.sequences import SequenceSet
from tests.replication.builders import sequences

TOP = 60
numbers = st.sets(st.integers(0, TOP))


def made(members: set[int]) -> SequenceSet:
    return SequenceSet((number, number + 1) for number in members)


def members(of: SequenceSet) -> set[int]:
    return {number for start, end in of for number in range(start, end)}


def checkpoint(members: set[int], remote: str | None = None) -> Checkpoint:
    return Checkpoint(made({0, *members}), remote)


checkpoints = st.builds(checkpoint, numbers, st.none() | sequences)


# Sets of sequences


@given(st.lists(st.tuples(st.booleans(), st.integers(0, TOP), st.integers(1, 9))))
def test_sequence_set_behaves_like_a_set(steps: list[tuple[bool, int, int]]) -> None:
    ranges, model = SequenceSet(), set[int]()
    for add, start, length in steps:
        if add:
            ranges.add(start, start + length)
            model |= set(range(start, start + length))
        else:
            ranges.remove(start)
            model.discard(start)
        assert members(ranges) == model
    assert all((number in ranges) == (number in model) for number in range(-1, TOP + 10))
    gaps = [start - end for (_, end), (start, _) in zip(list(ranges), list(ranges)[1:], strict=False)]
    assert all(gap > 0 for gap in gaps)
    assert SequenceSet.from_flat(ranges.flat()) == ranges == made(model)


@given(numbers, numbers)
def test_intersection_contains_what_both_sets_contain(first: set[int], second: set[int]) -> None:
    assert made(first).intersection(made(second)) == made(first & second)


@pytest.mark.parametrize("flat", [[1], [5, 0], [-1, 3], [2**63, 1], [0, 2**64]])
def test_invalid_list_of_ranges_is_refused(flat: list[int]) -> None:
    with pytest.raises(ValueError, match=r"range|length"):
        SequenceSet.from_flat(flat)


# The stored form


@given(checkpoints)
def test_checkpoint_survives_encoding(stored: Checkpoint) -> None:
    assert Checkpoint.decode(stored.encode(time=1_700_000_000)) == stored


@pytest.mark.parametrize(
    ("stored", "body"),
    [
        (checkpoint(set()), {}),
        (checkpoint({1, 2, 3}), {"local": 3}),
        (checkpoint({1, 2, 5, 6, 9}, "7"), {"local": 2, "localCompleted": [0, 3, 5, 2, 9, 1], "remote": 7}),
        (checkpoint({4}, '"5::7"'), {"localCompleted": [0, 1, 4, 1], "remote": "5::7"}),
        (checkpoint(set(), "[1,2]"), {"remote": [1, 2]}),
    ],
)
def test_stored_form_is_that_of_couchbase_lite(stored: Checkpoint, body: dict[str, object]) -> None:
    assert json.loads(stored.encode()) == body
    assert Checkpoint.decode(json.dumps(body).encode()) == stored


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"local":"7"}', b'{"local":-5}', b'{"localCompleted":[1]}', b'{"localCompleted":7}'],
)
def test_a_malformed_checkpoint_is_refused(body: bytes) -> None:
    with pytest.raises(MessageError):
        Checkpoint.decode(body)


def test_null_remote_sequence_means_the_beginning() -> None:
    assert Checkpoint.decode(b'{"local":1,"remote":null}') == checkpoint({1})


# Two copies


@given(checkpoints, checkpoints)
def test_differing_copies_skip_nothing(ours: Checkpoint, theirs: Checkpoint) -> None:
    result = reconcile(ours, theirs)
    agreed = result.checkpoint
    assert members(agreed.completed) == members(ours.completed) & members(theirs.completed)
    assert agreed.local == min(ours.local, theirs.local)
    assert result.agreed == (ours == theirs)
    if ours.remote == theirs.remote:
        assert agreed.remote == ours.remote
    elif agreed.remote is not None:
        assert {ours.remote, theirs.remote} >= {agreed.remote}
        assert int(agreed.remote) == min(int(ours.remote or "0"), int(theirs.remote or "0"))


@given(checkpoints, checkpoints)
def test_reconciliation_is_symmetric(first: Checkpoint, second: Checkpoint) -> None:
    assert reconcile(first, second) == reconcile(second, first)


@given(checkpoints)
def test_missing_copy_means_from_the_beginning(copy: Checkpoint) -> None:
    for result in (reconcile(copy, None), reconcile(None, copy)):
        assert result.checkpoint == Checkpoint()
        assert not result.agreed
    assert reconcile(None, None).agreed


@pytest.mark.parametrize(
    ("ours", "theirs", "from_where"),
    [
        ("9", "10", "9"),
        ("10", "9", "9"),
        ('"5::7"', '"5::8"', None),
        ('"5::7"', '"5::7"', '"5::7"'),
        ("9", None, None),
        ("9", '"9"', None),
        ("1e3", "9", None),
    ],
)
def test_differing_remote_sequences_count_at_most_as_the_lower(
    ours: str | None, theirs: str | None, from_where: str | None
) -> None:
    assert reconcile(checkpoint(set(), ours), checkpoint(set(), theirs)).checkpoint.remote == from_where


# Pushing


@given(numbers, st.lists(st.tuples(st.integers(1, 12), st.sets(st.integers(0, 11)))), st.randoms())
def test_push_checkpoint_is_never_ahead_of_completed_sequences(
    before: set[int], batches: list[tuple[int, set[int]]], chance: Random
) -> None:
    push = PushProgress(made(before))
    through, waiting = push.local, set[int]()
    known = members(push.completed)
    for length, offsets in batches:
        new = {through + 1 + offset for offset in offsets if offset < length}
        push.scanned(through + length, new)
        known = (known | set(range(through + 1, through + length + 1))) - new
        waiting |= new
        through += length
        for sequence in [each for each in sorted(waiting) if chance.random() < 0.5]:
            push.complete(sequence)
            waiting.remove(sequence)
            known.add(sequence)
        assert members(push.completed) == known
        assert all(push.local < sequence for sequence in waiting)
        assert push.pending == len(waiting)
        assert not any(push.is_complete(sequence) for sequence in waiting)


@given(st.permutations(range(1, 9)))
def test_push_checkpoint_is_independent_of_the_order_of_completion(order: list[int]) -> None:
    push = PushProgress()
    push.scanned(10, range(1, 9))
    for sequence in order:
        push.complete(sequence)
    assert push.completed == SequenceSet([(0, 11)])


def test_push_resumed_from_a_sparse_checkpoint_skips_completed_sequences() -> None:
    push = PushProgress(checkpoint({1, 2, 5}).completed)
    assert push.local == 2
    push.scanned(6, [each for each in range(3, 7) if not push.is_complete(each)])
    assert push.pending == 3
    for sequence in (3, 4, 6):
        push.complete(sequence)
    assert push.local == 6


def test_push_does_not_change_the_checkpoint_it_started_from() -> None:
    start = checkpoint({1, 2})
    push = PushProgress(start.completed)
    push.scanned(3, [])
    push.completed.add(50, 60)
    assert (start.local, push.local) == (2, 3)


def test_reopened_sequence_keeps_the_checkpoint_before_it() -> None:
    push = PushProgress()
    push.scanned(5, [])
    push.reopen(3)
    assert (push.local, push.pending, push.is_complete(3)) == (2, 1, False)
    push.complete(3)
    assert (push.local, push.pending) == (5, 0)


def test_push_refuses_sequences_that_were_never_pending() -> None:
    push = PushProgress()
    push.scanned(5, [4])
    push.complete(4)
    for sequence in (3, 4, 6):
        with pytest.raises(ValueError, match="not being pushed"):
            push.complete(sequence)
    for through, pending in ((8, [5]), (8, [9])):
        with pytest.raises(ValueError, match="are not within 6 to 8"):
            push.scanned(through, pending)


# Pulling


@given(st.lists(sequences, min_size=1), st.data())
def test_pull_checkpoint_is_never_ahead_of_completed_changes(
    arriving: list[str], data: st.DataObject
) -> None:
    pull = PullProgress('"start"')
    tickets = [pull.arrived(sequence) for sequence in arriving]
    done = set[int]()
    for ticket in data.draw(st.permutations(tickets)):
        pull.complete(ticket)
        done.add(ticket)
        first = next((index for index, each in enumerate(tickets) if each not in done), len(tickets))
        assert pull.position == (arriving[first - 1] if first else '"start"')
        assert pull.pending == len(tickets) - len(done)
    assert pull.position == arriving[-1]


def test_pull_accepts_each_ticket_once() -> None:
    pull = PullProgress()
    first, second = pull.arrived("1"), pull.arrived("1")
    pull.complete(second)
    assert (pull.position, pull.pending) == (None, 1)
    for ticket in (second, -1, 2):
        with pytest.raises(ValueError, match="does not exist, or was already used"):
            pull.complete(ticket)
    pull.complete(first)
    assert (pull.position, pull.pending) == ("1", 0)


# Checkpoint ids

OURS = "0F9A6A0C-5C0B-4D5C-9F2D-0A4E4C2E7B11"
THEIRS = "7b1e3a52-9a35-4d1c-8f0e-2b0d8c1f6a90"


def replication(**changes: object) -> Replication:
    parts: dict[str, object] = {"peer": Peer.member("vessel", "brigid", THEIRS), "push": True, "pull": True}
    return Replication(database=OURS, **{**parts, **changes})  # type: ignore[arg-type]


def test_a_checkpoint_id_is_a_digest_in_couchbase_lites_form() -> None:
    assert checkpoint_id(replication()) == "cp-XaJL65l25zeWWL6v8eGfGj91rhI="


def test_checkpoint_id_is_stable_for_the_same_replication() -> None:
    first = replication(channels=frozenset(["notes", "alarms"]), document_ids=frozenset(["b", "a"]))
    second = replication(
        peer=Peer.member("vessel", "brigid", THEIRS.upper()),
        channels=frozenset(["alarms", "notes"]),
        document_ids=frozenset(["a", "b"]),
    )
    assert checkpoint_id(first) == checkpoint_id(second)


def test_checkpoint_id_changes_with_any_property_of_the_replication() -> None:
    variants = [
        replication(),
        replication(push=False),
        replication(pull=False),
        replication(peer=Peer.member("vessel", "argo", THEIRS)),
        replication(peer=Peer.member("vessel", "brigid", OURS)),
        replication(peer=Peer("gateway", "brigid")),
        replication(peer=Peer.address("brigid")),
        replication(channels=frozenset(["a"])),
        replication(document_ids=frozenset(["a"])),
        replication(filter="a"),
        replication(filter="a", parameters={"b": "c"}),
        replication(collection="sea.logs"),
        Replication(database=THEIRS, peer=Peer.member("vessel", "brigid", THEIRS), push=True, pull=True),
    ]
    assert len({checkpoint_id(variant) for variant in variants}) == len(variants)


@given(st.lists(st.integers(1, 9), max_size=200), st.integers(60, 400))
def test_checkpoint_cut_to_a_size_never_covers_more(steps: list[int], most: int) -> None:
    completed, at = SequenceSet([(0, 1)]), 10**9
    for step in steps:
        completed.add(at, at + step)
        at += 2 * step
    whole = Checkpoint(completed, "17")
    cut = whole.within(most)
    assert len(cut.encode()) <= most
    assert cut.completed.intersection(whole.completed) == cut.completed
    assert (cut.local, cut.remote) == (whole.local, whole.remote)
    assert Checkpoint.decode(cut.encode()) == cut
