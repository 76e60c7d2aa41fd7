"""Received frames are acknowledged, and sending pauses while too many acknowledgements are missing."""

import pytest

from sync.blip import Acknowledged, BlipConnection, ConnectionLimits, Event, ResponseReceived
from sync.blip.errors import AcknowledgementInvalidError, FlowControlIgnoredError
from sync.blip.frames import MORE_COMING, FrameKind
from sync.blip.limits import ACKNOWLEDGE_EVERY, BIG_FRAME, WINDOW
from tests.blip.wire import Maker, Wire, assert_ends, feed, look, noise, pull, text


def test_a_long_message_pauses_when_a_window_of_it_is_unacknowledged() -> None:
    connection = BlipConnection()
    connection.send_request({}, noise(1_000_000))
    sent = sum(len(frame) - 2 for frame in pull(connection))
    assert WINDOW <= sent < WINDOW + BIG_FRAME
    assert connection.queued == 1
    assert connection.next_frame() is None


def test_paused_message_continues_as_far_as_it_is_acknowledged() -> None:
    maker, connection = Maker(), BlipConnection()
    connection.send_request({}, noise(1_000_000))
    sent = sum(len(frame) - 2 for frame in pull(connection))
    for acknowledged in (10_000, 50_000, 120_000):
        assert connection.receive(maker.acknowledgement(1, acknowledged)) == [
            Acknowledged(1, is_reply=False, frame_bytes=acknowledged)
        ]
        sent += sum(len(frame) - 2 for frame in pull(connection))
        assert WINDOW <= sent - acknowledged < WINDOW + BIG_FRAME


def test_acknowledgement_of_fewer_bytes_than_before_changes_nothing() -> None:
    maker, connection = Maker(), BlipConnection()
    connection.send_request({}, noise(1_000_000))
    sent = sum(len(frame) - 2 for frame in pull(connection))
    connection.receive(maker.acknowledgement(1, 100_000))
    connection.receive(maker.acknowledgement(1, 20_000))
    sent += sum(len(frame) - 2 for frame in pull(connection))
    assert sent >= 100_000 + WINDOW


def test_other_messages_overtake_a_paused_one() -> None:
    connection = BlipConnection()
    connection.send_request({}, noise(1_000_000))
    pull(connection)
    connection.send_request({}, b"small")
    assert [look(frame).number for frame in pull(connection)] == [2]


def test_window_counts_the_compressed_bytes() -> None:
    connection = BlipConnection()
    connection.send_request({}, bytes(1_000_000), compressed=True)
    pull(connection)
    assert connection.queued == 0


def test_receiver_acknowledges_about_every_50000_bytes() -> None:
    wire = Wire()
    wire.left.send_request({}, noise(500_000))
    received, told = 0, []
    while wire.left.queued:
        for frame in pull(wire.left, 1):
            received += len(frame) - 2
            wire.right.receive(frame)
        for frame in pull(wire.right):
            (event,) = wire.left.receive(frame)
            assert event == Acknowledged(1, is_reply=False, frame_bytes=received)
            told.append(received)
    gaps = [after - before for before, after in zip([0, *told], told, strict=False)]
    assert ACKNOWLEDGE_EVERY == 50_000
    assert len(told) == 500_000 // (ACKNOWLEDGE_EVERY + BIG_FRAME)
    assert all(ACKNOWLEDGE_EVERY <= gap < ACKNOWLEDGE_EVERY + BIG_FRAME for gap in gaps)


@pytest.mark.parametrize("error", [False, True])
def test_replies_are_acknowledged_as_replies(error: bool) -> None:
    wire = Wire()
    wire.left.send_request()
    wire.carry()
    if error:
        wire.right.send_error(1, 500, "x" * 400_000)
    else:
        wire.right.send_response(1, {}, noise(400_000))
    at_left, at_right = wire.carry()
    assert len(at_left) == 1
    assert {frame.kind for frame in wire.from_left[1:]} == {FrameKind.ACK_REPLY}
    assert all(isinstance(event, Acknowledged) and event.is_reply for event in at_right)
    assert len(at_right) >= 5


def test_pending_acknowledgements_are_combined() -> None:
    wire = Wire()
    wire.left.send_request({}, noise(1_000_000))
    frames = pull(wire.left)
    feed(wire.right, frames)
    (one,) = pull(wire.right)
    assert wire.left.receive(one) == [
        Acknowledged(1, is_reply=False, frame_bytes=sum(len(frame) - 2 for frame in frames))
    ]


def test_ended_message_is_not_acknowledged() -> None:
    wire = Wire()
    wire.left.send_request({}, noise(100_000))
    feed(wire.right, pull(wire.left))
    assert pull(wire.right) == []


def test_late_acknowledgement_is_ignored() -> None:
    maker, connection = Maker(), BlipConnection()
    connection.send_request({}, b"", no_reply=True)
    pull(connection)
    assert connection.receive(maker.acknowledgement(1, 50_000)) == []


@pytest.mark.parametrize("kind", [FrameKind.ACK_REQUEST, FrameKind.ACK_REPLY])
@pytest.mark.parametrize("number", [0, 1, 2**40])
def test_acknowledgement_of_an_unsent_message_ends_the_connection(number: int, kind: FrameKind) -> None:
    connection = BlipConnection()
    connection.send_request()  # the request has not been sent yet
    assert_ends(connection, Maker().acknowledgement(number, 5, kind=kind), AcknowledgementInvalidError)


def test_an_acknowledgement_of_more_than_was_sent_ends_the_connection() -> None:
    connection = BlipConnection()
    connection.send_request({}, noise(100_000))
    sent = sum(len(frame) - 2 for frame in pull(connection, 2))
    connection.receive(Maker().acknowledgement(1, sent))
    assert_ends(connection, Maker().acknowledgement(1, sent + 1), AcknowledgementInvalidError)


def test_peer_that_ignores_flow_control_ends_the_connection() -> None:
    maker, connection = Maker(), BlipConnection(ConnectionLimits(unacknowledged_bytes=200_000))
    frames = [maker.frame(1, bytes(9_996), flags=MORE_COMING) for _ in range(21)]
    assert feed(connection, frames[:20]) == []
    assert_ends(connection, frames[20], FlowControlIgnoredError)


def test_peer_that_waits_for_acknowledgements_can_continue() -> None:
    maker, connection = Maker(), BlipConnection(ConnectionLimits(unacknowledged_bytes=200_000))
    for _ in range(100):
        connection.receive(maker.frame(1, bytes(9_996), flags=MORE_COMING))
        pull(connection)
    assert len(connection.receive(maker.frame(1, b""))) == 1


def test_many_large_messages_at_once_arrive() -> None:
    wire = Wire()
    for size in range(200_000, 230_000, 1000):
        wire.left.send_request({}, text(size), compressed=bool(size % 2000))
    _, at_right = wire.carry()
    for event in at_right:
        if not isinstance(event, Acknowledged):
            wire.right.send_response(event.number, {}, noise(150_000))
    at_left: list[Event] = wire.carry()[0]
    assert sum(isinstance(event, ResponseReceived) for event in at_left) == 30
