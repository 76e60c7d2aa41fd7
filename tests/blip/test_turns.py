"""Tests of the order in which concurrent messages send their frames."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from sync.blip import BlipConnection
from sync.blip.frames import FrameKind
from sync.blip.limits import BIG_FRAME, SMALL_FRAME
from tests.blip.wire import Wire, feed, look, noise, pull


def turns(connection: BlipConnection, most: int | None = None) -> list[int]:
    """Return the message numbers of the next frames that a connection sends, in order."""
    return [look(frame).number for frame in pull(connection, most)]


def test_large_messages_take_turns() -> None:
    connection = BlipConnection()
    for _ in range(3):
        connection.send_request({}, noise(40_000))
    assert turns(connection) == [1, 2, 3] * 3


def test_a_small_message_does_not_wait_for_the_end_of_a_large_one() -> None:
    connection = BlipConnection()
    connection.send_request({}, noise(100_000))
    turns(connection, 1)
    connection.send_request({}, b"small")
    assert turns(connection)[:3] == [1, 2, 1]


def test_large_message_does_not_wait_for_all_later_small_ones() -> None:
    connection = BlipConnection()
    connection.send_request({}, noise(60_000))
    connection.send_request()
    seen = []
    for _ in range(6):
        connection.send_request()
        seen += turns(connection, 2)
    assert seen == [1, 2, 3, 1, 4, 1, 5, 1, 6, 7, 8]


def test_urgent_message_overtakes_messages_in_progress() -> None:
    connection = BlipConnection()
    for _ in range(4):
        connection.send_request({}, noise(40_000))
    assert turns(connection, 4) == [1, 2, 3, 4]
    connection.send_request({}, b"fire", urgent=True)
    assert turns(connection, 2) == [5, 1]


def test_an_urgent_message_does_not_begin_before_one_queued_earlier() -> None:
    connection = BlipConnection()
    for _ in range(2):
        connection.send_request({}, noise(40_000))
    assert turns(connection, 2) == [1, 2]
    for number in range(3, 6):
        assert connection.send_request() == number
    connection.send_request({}, b"fire", urgent=True)
    sent = turns(connection)
    assert sent == [1, 2, 3, 4, 5, 6, 1, 2]


def test_urgent_and_ordinary_frames_alternate() -> None:
    connection = BlipConnection()
    connection.send_request({}, noise(60_000))
    turns(connection, 1)
    connection.send_request({}, noise(60_000), urgent=True)
    connection.send_request({}, noise(60_000), urgent=True)
    assert turns(connection, 8) == [2, 1, 3, 1, 2, 1, 3, 1]


def test_urgent_messages_take_turns_with_each_other() -> None:
    connection = BlipConnection()
    connection.send_request({}, noise(60_000), urgent=True)
    turns(connection, 1)
    connection.send_request({}, noise(40_000), urgent=True)
    assert turns(connection) == [1, 2, 1, 2, 1, 2]


def test_endless_urgent_messages_do_not_starve_an_ordinary_one() -> None:
    connection = BlipConnection()
    connection.send_request({}, noise(40_000))
    turns(connection, 1)
    seen = []
    for _ in range(6):
        connection.send_request({}, b"", urgent=True)
        seen += turns(connection, 1)
    assert seen.count(1) >= 2


def test_frames_are_small_while_an_urgent_message_waits() -> None:
    connection = BlipConnection()
    connection.send_request({}, noise(100_000))
    (first,) = pull(connection, 1)
    assert SMALL_FRAME < len(first) <= BIG_FRAME
    connection.send_request({}, noise(100_000), urgent=True)
    urgent, ordinary = pull(connection, 2)
    assert (look(urgent).number, look(ordinary).number) == (2, 1)
    assert SMALL_FRAME < len(urgent) <= BIG_FRAME
    assert len(ordinary) <= SMALL_FRAME


def test_no_frame_exceeds_its_size_even_if_deflate_cannot_shrink_it() -> None:
    connection = BlipConnection()
    connection.send_request({}, noise(120_000), compressed=True)
    assert max(map(len, pull(connection))) <= BIG_FRAME


def test_acknowledgements_are_sent_first() -> None:
    wire = Wire()
    wire.left.send_request({}, noise(60_000))
    wire.right.send_request({}, noise(60_000))
    feed(wire.right, pull(wire.left))
    assert [look(frame).kind for frame in pull(wire.right, 2)] == [FrameKind.REQUEST, FrameKind.REQUEST]
    wire.left.send_request({}, noise(100_000))
    feed(wire.right, pull(wire.left, 4))
    assert look(pull(wire.right, 1)[0]).kind is FrameKind.ACK_REQUEST


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 70_000), st.booleans(), st.integers(0, 4)), min_size=1, max_size=12),
)
def test_messages_begin_in_order_and_all_of_them_end(plan: list[tuple[int, bool, int]]) -> None:
    wire = Wire()
    frames = []
    for size, urgent, pulled in plan:
        wire.left.send_request({}, noise(size), urgent=urgent, no_reply=True)
        frames += pull(wire.left, pulled)
    frames += pull(wire.left)
    seen = [look(frame) for frame in frames]
    begun = list(dict.fromkeys(frame.number for frame in seen))
    assert begun == list(range(1, len(plan) + 1))
    assert sorted(frame.number for frame in seen if not frame.more) == begun
    assert len(feed(wire.right, frames)) == len(plan)
    assert wire.left.queued == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100_000), st.booleans()), min_size=2, max_size=10))
def test_no_message_waits_longer_than_one_round_with_urgent_frames(plan: list[tuple[int, bool]]) -> None:
    connection = BlipConnection()
    for size, urgent in plan:
        connection.send_request({}, noise(size), urgent=urgent)
    seen = [look(frame) for frame in pull(connection)]
    for number in range(1, len(plan) + 1):
        places = [place for place, frame in enumerate(seen) if frame.number == number]
        gaps = [after - before for before, after in pairwise(places)]
        assert max(gaps, default=0) <= 2 * len(plan)
