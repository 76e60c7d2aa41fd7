"""Any input from a peer is either accepted or rejected with a specific error, and memory stays bounded."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sync.blip import BlipConnection, ConnectionLimits, ConnectionState, Event, RequestReceived
from sync.blip.errors import ViolationError
from sync.blip.frames import COMPRESSED, MORE_COMING, NO_REPLY, URGENT
from tests.blip.wire import Maker, content, property_maps, pull, text

LIMITS = ConnectionLimits(
    frame_bytes=2000,
    inflated_bytes=5000,
    message_bytes=8000,
    properties_bytes=300,
    properties=5,
    unanswered_requests=4,
    arriving_messages=4,
    arriving_bytes=20_000,
    unacknowledged_bytes=10_000,
)


def in_conversation() -> BlipConnection:
    """Return a connection with several kinds of unanswered requests."""
    connection = BlipConnection(LIMITS)
    connection.send_request({}, text(5000))
    connection.send_request(in_parts=True)
    connection.send_request(urgent=True)
    connection.send_request({}, bytes(1_000_000))
    pull(connection)
    return connection


def take(connection: BlipConnection, frame: bytes) -> bool:
    """Let a connection receive a frame and answer urgent requests. Return False if the frame is rejected."""
    try:
        events: list[Event] = connection.receive(frame)
    except ViolationError:
        assert connection.state is ConnectionState.FAILED
        return False
    for event in events:
        if isinstance(event, RequestReceived):
            assert len(event.body) <= LIMITS.message_bytes
            if not event.no_reply and event.urgent:
                connection.send_response(event.number, {}, event.body)
    assert connection.unanswered <= LIMITS.unanswered_requests
    pull(connection, 3)
    return True


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_bytes_are_accepted_or_refused(frames: list[bytes]) -> None:
    connection = in_conversation()
    for frame in frames:
        if not take(connection, frame):
            return


flags = st.integers(0, 2).flatmap(
    lambda kind: st.sets(st.sampled_from([COMPRESSED, URGENT, NO_REPLY, MORE_COMING])).map(
        lambda chosen: kind | sum(chosen)
    )
)
pieces = (
    st.builds(content, st.binary(max_size=100) | st.integers(0, 3000).map(bytes), property_maps)
    | st.binary(max_size=40)
    | st.integers(0, 9000).map(bytes)
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), flags, pieces), max_size=25))
def test_any_frames_with_a_correct_checksum_are_accepted_or_refused(
    frames: list[tuple[int, int, bytes]],
) -> None:
    maker, connection = Maker(), in_conversation()
    for number, flag, piece in frames:
        if not take(connection, maker.frame(number, piece, flags=flag)):
            return


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**64 - 1) | st.integers(0, 5), st.sampled_from([4, 5]), st.integers(0, 2**64 - 1))
def test_any_acknowledgement_is_accepted_or_refused(number: int, kind: int, frame_bytes: int) -> None:
    take(in_conversation(), Maker().acknowledgement(number, frame_bytes, kind=kind))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_traffic_with_one_changed_byte_is_accepted_or_refused(data: st.DataObject) -> None:
    sender = BlipConnection(LIMITS)
    for size in data.draw(st.lists(st.integers(0, 4000), min_size=1, max_size=4)):
        sender.send_request({"Profile": "rev"}, text(size), compressed=size % 2 == 0, no_reply=size % 3 == 0)
    frames = pull(sender)
    victim = data.draw(st.integers(0, len(frames) - 1))
    place = data.draw(st.integers(0, len(frames[victim]) - 1))
    changed = bytearray(frames[victim])
    changed[place] ^= data.draw(st.integers(1, 255))
    frames[victim] = bytes(changed)
    connection = BlipConnection(LIMITS)
    for frame in frames:
        if not take(connection, frame):
            return
