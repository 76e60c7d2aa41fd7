"""The record of attempted pushes permits each attempt only once, and its size is limited."""

from sync.peer.attempts import Attempts


def test_each_attempt_is_permitted_once_for_a_revision() -> None:
    attempts = Attempts(revisions=10, ways=10)
    assert attempts.is_first("d", "1-a", "onto")
    assert not attempts.is_first("d", "1-a", "onto")
    assert attempts.was_tried("d", "1-a", "onto")
    assert attempts.is_first("d", "1-a", "alone")
    assert attempts.is_first("d", "2-a", "onto")
    assert attempts.is_first("e", "1-a", "onto")


def test_settled_revision_leaves_no_record() -> None:
    attempts = Attempts(revisions=10, ways=10)
    attempts.is_first("d", "1-a", "onto")
    attempts.forget("d", "1-a")
    attempts.forget("e", "1-a")
    assert len(attempts) == 0
    assert not attempts.was_tried("d", "1-a", "onto")


def test_attempts_for_one_revision_are_bounded_and_none_is_forgotten() -> None:
    attempts = Attempts(revisions=10, ways=3)
    tried = [attempts.is_first("d", "9-a", f"{number}-b") for number in range(8)]
    assert tried == [True] * 3 + [False] * 5
    assert not attempts.is_first("d", "9-a", "0-b")


def test_with_too_many_revisions_the_oldest_record_is_dropped() -> None:
    attempts = Attempts(revisions=3, ways=3)
    for name in "abcd":
        attempts.is_first(name, "1-a", "onto")
    assert len(attempts) == 3
    assert [attempts.was_tried(name, "1-a", "onto") for name in "abcd"] == [False, True, True, True]
