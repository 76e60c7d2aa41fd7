import io
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.blip import (
    BlipConnection,
    BodyUnavailableError,
    ConnectionOverError,
    ConnectionState,
    ErrorReceived,
    Event,
    RequestReceived,
    ResponsePart,
    ResponseReceived,
)
from sync.blip.errors import NotAwaitingReplyError, UnsendableMessageError
from sync.blip.frames import COMPRESSED, MORE_COMING, NO_REPLY, URGENT, FrameKind
from tests.blip.wire import Maker, Wire, content, feed, noise, property_maps, pull, text


@dataclass(frozen=True, slots=True)
class Sent:
    """Request that a test sends, with its options."""

    properties: dict[str, str]
    body: bytes
    urgent: bool
    compressed: bool
    no_reply: bool


bodies = (
    st.binary(max_size=50)
    | st.integers(0, 40_000).map(text)
    | st.integers(0, 300_000).map(bytes)
    | st.integers(0, 200_000).map(noise)
)
requests = st.lists(
    st.builds(Sent, property_maps, bodies, st.booleans(), st.booleans(), st.booleans()), max_size=6
)


def send(connection: BlipConnection, message: Sent) -> int:
    return connection.send_request(
        message.properties,
        message.body,
        urgent=message.urgent,
        compressed=message.compressed,
        no_reply=message.no_reply,
    )


def arrived(events: list[Event]) -> dict[int, Sent]:
    return {
        event.number: Sent(event.properties, event.body, event.urgent, False, event.no_reply)
        for event in events
        if isinstance(event, RequestReceived)
    }


def expected(messages: list[Sent]) -> dict[int, Sent]:
    return {
        number: Sent(message.properties, message.body, message.urgent, False, message.no_reply)
        for number, message in enumerate(messages, 1)
    }


@settings(max_examples=40, deadline=None)
@given(requests, requests, st.data())
def test_requests_and_responses_arrive_as_sent_in_both_directions_at_once(
    from_left: list[Sent], from_right: list[Sent], data: st.DataObject
) -> None:
    wire = Wire()
    for message in from_left:
        send(wire.left, message)
    for message in from_right:
        send(wire.right, message)
    at_left, at_right = wire.carry()
    assert arrived(at_right) == expected(from_left)
    assert arrived(at_left) == expected(from_right)

    order = data.draw(st.permutations([event for event in at_right if isinstance(event, RequestReceived)]))
    for request in order:
        if not request.no_reply:
            wire.right.send_response(request.number, request.properties, request.body, compressed=True)
    at_left, _ = wire.carry()
    assert {event.number: event for event in at_left if isinstance(event, ResponseReceived)} == {
        number: ResponseReceived(number, message.properties, message.body)
        for number, message in enumerate(from_left, 1)
        if not message.no_reply
    }
    assert (wire.left.queued, wire.right.queued) == (0, 0)
    assert wire.right.unanswered == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(property_maps, st.binary(max_size=300), st.booleans()), max_size=6),
    st.randoms(use_true_random=False),
)
def test_messages_arrive_whole_however_their_frames_are_split_and_interleaved(
    messages: list[tuple[dict[str, str], bytes, bool]], choice: random.Random
) -> None:
    maker, connection = Maker(), BlipConnection()
    rest = {number: content(body, properties) for number, (properties, body, _) in enumerate(messages, 1)}
    begun = 0
    events: list[Event] = []
    while rest:
        number = choice.choice([number for number in rest if number <= begun + 1])
        begun = max(begun, number)
        size = choice.choice([0, 1, 2, 10, 50, len(rest[number])])
        piece, rest[number] = rest[number][:size], rest[number][size:]
        more = bool(rest[number]) or choice.random() < 0.3
        flags = (MORE_COMING if more else 0) | choice.choice([0, COMPRESSED])
        if messages[number - 1][2]:
            flags |= NO_REPLY
        events += connection.receive(maker.frame(number, piece, flags=flags))
        if not more:
            del rest[number]
    assert arrived(events) == {
        number: Sent(properties, body, False, False, no_reply)
        for number, (properties, body, no_reply) in enumerate(messages, 1)
    }
    assert connection.unanswered == sum(not no_reply for _, _, no_reply in messages)


def test_flags_of_the_first_frame_apply_to_the_message() -> None:
    maker, connection = Maker(), BlipConnection()
    first = maker.frame(1, content(text(100)), flags=URGENT | COMPRESSED | NO_REPLY | MORE_COMING)
    last = maker.frame(1, b"the end")
    assert feed(connection, [first, last]) == [
        RequestReceived(1, {}, text(100) + b"the end", urgent=True, compressed=True, no_reply=True)
    ]
    assert connection.unanswered == 0


def test_a_reply_is_as_urgent_as_its_request() -> None:
    wire = Wire()
    for urgent in (False, True):
        number = wire.left.send_request({}, b"", urgent=urgent)
        wire.carry()
        wire.right.send_response(number)
        wire.carry()
        assert wire.from_right[-1].urgent is urgent


def test_both_sides_number_their_own_requests_from_one() -> None:
    wire = Wire()
    assert [wire.left.send_request(), wire.left.send_request()] == [1, 2]
    assert wire.right.send_request() == 1


def test_a_body_is_read_from_its_source_only_as_it_is_sent() -> None:
    wire = Wire()
    source = io.BytesIO(noise(1_000_000))
    wire.left.send_request({"a": "b"}, source)
    assert source.tell() == 0
    pull(wire.left)
    assert source.tell() < 200_000


@pytest.mark.parametrize("size", [0, 1, 16_000, 16_352, 16_384, 16_385, 50_000, 1_000_000])
def test_body_from_a_source_arrives_like_a_body_of_bytes(size: int) -> None:
    wire = Wire()
    wire.left.send_request({"a": "b"}, io.BytesIO(noise(size)))
    wire.left.send_request({"a": "b"}, noise(size))
    _, at_right = wire.carry()
    bodies = [event.body for event in at_right if isinstance(event, RequestReceived)]
    assert bodies == [noise(size)] * 2


def test_failing_body_source_ends_the_connection() -> None:
    class Broken:
        def read(self, size: int, /) -> bytes:
            raise OSError(5, "the card is gone")

    connection = BlipConnection()
    connection.send_request({}, Broken())
    with pytest.raises(BodyUnavailableError, match="the card is gone"):
        connection.next_frame()
    assert connection.state is ConnectionState.FAILED
    assert connection.next_frame() is None


@pytest.mark.parametrize("size", [0, 10, 20_000, 1_000_000])
def test_parts_of_a_response_are_events_as_soon_as_they_arrive(size: int) -> None:
    wire = Wire()
    number = wire.left.send_request({"Profile": "getAttachment"}, in_parts=True)
    wire.carry()
    wire.right.send_response(number, {"a": "b"}, noise(size))
    at_left, _ = wire.carry()
    parts = [event for event in at_left if isinstance(event, ResponsePart)]
    assert b"".join(part.data for part in parts) == noise(size)
    assert all(0 < len(part.data) <= 16_384 for part in parts)
    assert at_left[-1] == ResponseReceived(number, {"a": "b"}, b"")


def test_properties_split_across_frames_are_not_in_the_parts() -> None:
    maker, connection = Maker(), BlipConnection()
    connection.send_request(in_parts=True)
    pull(connection)
    whole = content(b"the body", {"name": "value"})
    frames = [
        maker.frame(1, whole[at : at + 1], kind=FrameKind.RESPONSE, flags=MORE_COMING)
        for at in range(len(whole))
    ]
    frames.append(maker.frame(1, b"", kind=FrameKind.RESPONSE))
    events = feed(connection, frames)
    assert [event.data for event in events if isinstance(event, ResponsePart)] == [
        bytes([c]) for c in b"the body"
    ]
    assert events[-1] == ResponseReceived(1, {"name": "value"}, b"")


def test_error_is_one_event_even_if_parts_were_requested() -> None:
    wire = Wire()
    number = wire.left.send_request(in_parts=True)
    wire.carry()
    wire.right.send_error(number, 404, "x" * 40_000)
    (error,) = wire.carry()[0]
    assert isinstance(error, ErrorReceived)
    assert len(error.message) == 40_000


def test_only_an_unanswered_request_can_be_replied_to() -> None:
    wire = Wire()
    wire.left.send_request()
    wire.left.send_request(no_reply=True)
    wire.carry()
    for number in (2, 3):
        with pytest.raises(NotAwaitingReplyError, match=str(number)):
            wire.right.send_response(number)
    wire.right.send_response(1)
    for _ in range(2):
        with pytest.raises(NotAwaitingReplyError):
            wire.right.send_error(1, 500)
        wire.carry()
    assert wire.right.state is ConnectionState.OPEN


def test_unsendable_message_uses_no_number() -> None:
    wire = Wire()
    with pytest.raises(UnsendableMessageError):
        wire.left.send_request({"a": "\0"})
    wire.left.send_request()
    _, (request,) = wire.carry()
    assert isinstance(request, RequestReceived)
    with pytest.raises(UnsendableMessageError):
        wire.right.send_response(request.number, {"a": "\0"})
    wire.right.send_response(request.number)
    assert wire.carry()[0] == [ResponseReceived(1, {}, b"")]


def test_closed_connection_sends_and_receives_nothing() -> None:
    wire = Wire()
    wire.left.send_request({}, noise(200_000))
    frame = wire.left.next_frame()
    assert frame is not None
    wire.right.receive(frame)
    for connection in (wire.left, wire.right):
        connection.close()
        connection.close()
        assert connection.state is ConnectionState.CLOSED
        assert connection.next_frame() is None
        assert connection.queued == 0
        with pytest.raises(ConnectionOverError, match="closed"):
            connection.send_request()
        with pytest.raises(ConnectionOverError, match="closed"):
            connection.receive(frame)
