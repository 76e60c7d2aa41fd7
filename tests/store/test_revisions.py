"""Revision ids are reproducible, and every store selects the same winning revision."""

import hashlib
import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.store import DocumentError, revisions

from .builders import digests, rev

leaves = st.lists(
    st.tuples(st.builds(rev, st.integers(1, 60), digests), st.booleans()),
    min_size=1,
    max_size=8,
    unique_by=lambda x: x[0],
)


def test_id_consists_of_generation_and_digest_of_parent_deletion_and_body() -> None:
    first = revisions.make(None, deleted=False, body=b'{"a":1}')
    assert first == "1-" + hashlib.sha256(b'\0l\0{"a":1}').hexdigest()[:32]
    second = revisions.make(first, deleted=True, body=b"{}")
    assert second == "2-" + hashlib.sha256(first.encode() + b"\0d\0{}").hexdigest()[:32]


def test_id_is_the_same_in_every_release() -> None:
    assert revisions.make(None, deleted=False, body=b"{}") == "1-949273ccee018f11c9a7123646fd9d47"


@given(st.binary(), st.binary())
def test_tombstone_of_a_losing_branch_ranks_below_a_deletion_of_the_winner(one: bytes, two: bytes) -> None:
    lost, won = sorted(
        (revisions.make("1-first", deleted=False, body=body) for body in (one + b"1", two + b"2")),
        key=revisions.split,
    )
    closing = revisions.make(lost, deleted=True, body=b"{}", closing=True)
    assert re.fullmatch("3-0{8}[0-9a-f]{24}", closing)
    deletion = revisions.make(won, deleted=True, body=b"{}")
    assert revisions.winner([(closing, True), (deletion, True)]) == deletion


def test_id_of_a_closing_tombstone_is_the_same_in_every_release() -> None:
    digest = hashlib.sha256(b"2-lost\0c\0{}").hexdigest()
    assert revisions.make("2-lost", deleted=True, body=b"{}", closing=True) == f"3-{'0' * 8}{digest[8:32]}"


def test_edit_that_must_outrank_another_skips_generations() -> None:
    made = [revisions.make("2-a", deleted=False, body=b"{}", above=above) for above in (0, 2, 7)]
    assert [revisions.generation(each) for each in made] == [3, 3, 8]


@given(st.binary(), st.booleans(), st.none() | st.builds(rev, st.integers(1, 99), digests))
def test_same_edit_has_the_same_id_and_a_different_edit_another(
    body: bytes, deleted: bool, parent: str | None
) -> None:
    made = revisions.make(parent, deleted=deleted, body=body)
    assert made == revisions.make(parent, deleted=deleted, body=body)
    assert made != revisions.make(parent, deleted=not deleted, body=body)
    assert made != revisions.make(parent, deleted=deleted, body=body + b" ")
    assert made != revisions.make("7-other", deleted=deleted, body=body)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "-abc",
        "1-",
        "0-abc",
        "01-abc",
        "x-abc",
        "1-a b",
        "1-a\n",
        "-1-abc",
        "2147483648-a",
        "2147483649-a",
        "9999999999-a",
        "1-" + "a" * 129,
    ],
)
def test_invalid_revision_id_is_refused(text: str) -> None:
    assert not revisions.valid(text)
    with pytest.raises(DocumentError, match="not a revision id"):
        revisions.generation(text)


@pytest.mark.parametrize("text", ["1-a", "12-9f8e", "2147483647-a", "3-ABC+/=", "4-" + "f" * 40])
def test_digests_of_other_implementations_are_accepted(text: str) -> None:
    assert revisions.valid(text)
    assert revisions.join(*revisions.split(text)) == text


@given(leaves, st.randoms(use_true_random=False))
def test_winner_depends_only_on_the_set_of_leaves(found: list[tuple[str, bool]], random: Random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert revisions.winner(found) == revisions.winner(shuffled)


@given(leaves)
def test_leaf_beyond_the_horizon_changes_nothing(found: list[tuple[str, bool]]) -> None:
    highest = max(revisions.generation(leaf) for leaf, _ in found)
    if highest > revisions.HORIZON:
        old = (rev(highest - revisions.HORIZON, "zzzz"), False)
        assert revisions.winner([*found, old]) == revisions.winner(found)


@pytest.mark.parametrize(
    ("found", "wins"),
    [
        ([("3-a", True), ("2-a", False)], "2-a"),
        ([("3-a", False), ("2-f", False)], "3-a"),
        ([("10-a", False), ("9-a", False)], "10-a"),
        ([("3-a", False), ("3-b", False)], "3-b"),
        ([("3-a", True), ("2-b", True)], "3-a"),
        ([("21-a", True), ("1-b", False)], "21-a"),
        ([("21-a", True), ("2-b", False)], "2-b"),
        ([("60-a", True), ("2-b", False)], "60-a"),
    ],
)
def test_live_wins_before_generation_before_digest_within_the_horizon(
    found: list[tuple[str, bool]], wins: str
) -> None:
    assert revisions.winner(found) == wins


def test_the_newer_of_two_has_the_higher_generation_or_else_digest() -> None:
    assert revisions.newer("10-a", "9-f")
    assert not revisions.newer("9-f", "10-a")
    assert revisions.newer("3-b", "3-a")
    assert not revisions.newer("3-a", "3-a")


def test_no_generation_beyond_the_limit_is_created() -> None:
    with pytest.raises(DocumentError, match="there is no higher generation"):
        revisions.make(f"{revisions.GENERATION_LIMIT - 1}-a", deleted=False, body=b"{}")


@pytest.mark.parametrize("line", [["3-a"], ["2-b", "2-a"], ["1-a", "2-a"], ["2-a", "nonsense"], ["4-a"]])
def test_history_whose_generations_do_not_decrease_is_refused(line: list[str]) -> None:
    with pytest.raises(DocumentError):
        revisions.check_history("3-x", line)


def test_history_may_skip_generations() -> None:
    revisions.check_history("30-x", ["29-a", "12-b", "1-c"])
