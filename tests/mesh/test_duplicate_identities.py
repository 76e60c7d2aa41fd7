"""A vessel identity that two boards use at the same time is detected and reported.

It is distinguished from a card that was moved to another board, and from one board that is seen twice.
"""

from sync.fleet.rights import Claim
from sync.mesh.duplicate_identities import WITHIN, DuplicateIdentities


def test_own_identity_on_another_board_is_a_clone_at_once() -> None:
    clones = DuplicateIdentities("argo", "b1")
    clone = clones.board_proved("argo", "b2", 5.0)
    assert clone is not None
    assert clone.is_ours
    assert "argo" in str(clone)
    assert clones.found == [clone]


def test_own_board_is_not_a_clone() -> None:
    assert DuplicateIdentities("argo", "b1").board_proved("argo", "b1", 0.0) is None


def test_alternating_boards_of_another_vessel_are_a_clone_and_reported_once() -> None:
    clones = DuplicateIdentities("argo", "x")
    assert clones.board_proved("brigid", "b1", 0.0) is None
    assert clones.board_proved("brigid", "b2", 10.0) is None
    clone = clones.board_proved("brigid", "b1", 20.0)
    assert clone is not None
    assert not clone.is_ours
    assert set(clone.boards) == {"b1", "b2"}
    assert clones.board_proved("brigid", "b2", 30.0) is None
    assert len(clones.found) == 1


def test_card_that_moved_to_another_board_is_no_clone() -> None:
    clones = DuplicateIdentities("argo", "x")
    for second in range(0, 60, 10):
        assert clones.board_proved("brigid", "b1", second) is None
    for second in range(60, 7200, 10):
        assert clones.board_proved("brigid", "b2", second) is None
    assert clones.found == []


def test_card_that_moved_back_after_a_while_is_no_clone() -> None:
    clones = DuplicateIdentities("argo", "x")
    clones.board_proved("brigid", "b1", 0.0)
    clones.board_proved("brigid", "b2", WITHIN)
    assert clones.board_proved("brigid", "b1", 2 * WITHIN + 1) is None


def test_clone_that_no_longer_appears_is_forgotten() -> None:
    clones = DuplicateIdentities("argo", "b1")
    clones.board_proved("argo", "b2", 0.0)
    clones.forget(100.0, after=60.0)
    assert clones.found == []
    assert clones.board_proved("argo", "b2", 100.0) is not None


def test_vessel_with_more_of_our_log_is_reported_once_with_the_highest_number() -> None:
    clones = DuplicateIdentities("argo", "b1")
    ahead = clones.offered("brigid", Claim(log="abcdef", sensor="rpm", number=4_001), 5.0)
    assert ahead is not None
    assert clones.offered("brigid", Claim(log="abcdef", sensor="rpm", number=4_565), 6.0) is None
    assert [found.number for found in clones.ahead] == [4_565]
    assert clones.offered("carina", Claim(log="abcdef", sensor="rpm", number=4_001), 7.0) is not None
    assert "brigid has readings of this vessel's log abcdef that are missing here" in str(ahead)


def test_signed_boot_is_reported_after_readings_but_readings_are_not_after_a_boot() -> None:
    clones = DuplicateIdentities("argo", "b1")
    reading = Claim(log="abcdef", sensor="rpm", number=4_001)
    signed = Claim(log="abcdef", number=9, is_signed=True)
    assert clones.offered("brigid", reading, 5.0) is not None
    ahead = clones.offered("brigid", signed, 6.0)
    assert ahead is not None
    assert ahead.is_signed
    assert "brigid has signed boots of this vessel's log abcdef that are missing here (boot 9)" in str(ahead)
    assert clones.offered("brigid", reading, 7.0) is None
    assert clones.offered("brigid", signed, 8.0) is None
    assert clones.ahead == [ahead]
