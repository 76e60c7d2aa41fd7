"""Input at each limit is accepted, and input just above the limit is rejected.

Frames that the state of a message does not allow are rejected, too.
"""

import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sync.blip import BlipConnection, ConnectionLimits, RequestReceived
from sync.blip.errors import (
    ArrivingTooLargeError,
    BlipError,
    ChecksumMismatchError,
    DeflateInvalidError,
    FrameKindUnknownError,
    FrameTooLargeError,
    FrameTruncatedError,
    InflatedTooLargeError,
    MessageTooLargeError,
    PropertiesInvalidError,
    PropertiesTooLargeError,
    ReplyUnexpectedError,
    RequestOutOfOrderError,
    RequestRepeatedError,
    TooManyArrivingError,
    TooManyPropertiesError,
    TooManyRequestsError,
    VarintInvalidError,
    ViolationError,
)
from sync.blip.frames import COMPRESSED, MORE_COMING, FrameKind, encode_header
from sync.blip.states import REPLY_FRAMES, REQUEST_FRAMES, MessagePhase, Step
from sync.blip.varint import encode as varint
from tests.blip.wire import Maker, assert_ends, content, feed, noise, pull

Frames = Callable[[Maker], list[bytes]]


@dataclass(frozen=True, slots=True)
class Case:
    """Sequence of frames of which only the last is rejected, and the error that is raised."""

    name: str
    limits: ConnectionLimits
    frames: Frames
    error: type[ViolationError]


def many(count: int) -> Frames:
    return lambda maker: [maker.frame(number, content()) for number in range(1, count + 1)]


def begun(count: int, size: int) -> Frames:
    return lambda maker: [
        maker.frame(number, content(bytes(size - 1)), flags=MORE_COMING) for number in range(1, count + 1)
    ]


def pieces(*sizes: int) -> Frames:
    return lambda maker: [
        maker.frame(1, content(bytes(size - 1)) if place == 0 else bytes(size), flags=MORE_COMING)
        for place, size in enumerate(sizes)
    ]


def one(data: bytes, flags: int = 0) -> Frames:
    return lambda maker: [maker.frame(1, content()), maker.frame(2, data, flags=flags)]


def raw(*frames: bytes) -> Frames:
    return lambda maker: list(frames)


def ended_stream() -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    data = deflate.compress(b"\0the end") + deflate.flush()
    return encode_header(1, COMPRESSED) + data + zlib.crc32(b"\0the end").to_bytes(4, "big")


CASES = [
    Case("frame", ConnectionLimits(frame_bytes=100), lambda m: [
        m.frame(1, content(bytes(93))), m.frame(2, content(bytes(94)))], FrameTooLargeError),
    Case("inflated", ConnectionLimits(inflated_bytes=5000), lambda m: [
        m.frame(1, content(bytes(4999)), flags=COMPRESSED),
        m.frame(2, content(bytes(5000)), flags=COMPRESSED)], InflatedTooLargeError),
    Case("bomb", ConnectionLimits(), lambda m: [
        m.frame(1, content(bytes(20_000_000)), flags=COMPRESSED)], InflatedTooLargeError),
    Case("message in one frame", ConnectionLimits(message_bytes=1000), lambda m: [
        m.frame(1, content(bytes(999))), m.frame(2, content(bytes(1000)))], MessageTooLargeError),
    Case("message in several", ConnectionLimits(message_bytes=1000), pieces(500, 500, 1),
         MessageTooLargeError),
    Case("properties", ConnectionLimits(properties_bytes=100), one(varint(101) + bytes(101)),
         PropertiesTooLargeError),
    Case("properties announced", ConnectionLimits(properties_bytes=100), one(varint(101), MORE_COMING),
         PropertiesTooLargeError),
    Case("properties' number", ConnectionLimits(properties=3),
         one(content(b"", {"a": "", "b": "", "c": "", "d": ""})),
         TooManyPropertiesError),
    Case("properties' form", ConnectionLimits(), one(b"\x02a\0"), PropertiesInvalidError),
    Case("no content", ConnectionLimits(), one(b""), VarintInvalidError),
    Case("unanswered", ConnectionLimits(unanswered_requests=3), many(4), TooManyRequestsError),
    Case("arriving", ConnectionLimits(arriving_messages=3), begun(4, 10), TooManyArrivingError),
    Case("arriving together", ConnectionLimits(arriving_bytes=4000), begun(5, 1000), ArrivingTooLargeError),
    Case("checksum", ConnectionLimits(), lambda m: [
        m.frame(1, content()), m.frame(2, content())[:-1] + b"?"], ChecksumMismatchError),
    Case("frame lost", ConnectionLimits(), lambda m: [
        m.frame(1, content()), (m.frame(2, content(b"lost")), m.frame(2, content()))[1]],
        ChecksumMismatchError),
    Case("frame twice", ConnectionLimits(), lambda m: [m.frame(1, content())] * 2, ChecksumMismatchError),
    Case("not deflate", ConnectionLimits(), raw(b"\1\x08\xff\xff\xff\0\0\0\0"), DeflateInvalidError),
    Case("deflate ended", ConnectionLimits(), raw(ended_stream()), DeflateInvalidError),
    Case("empty", ConnectionLimits(), raw(b""), FrameTruncatedError),
    Case("no checksum", ConnectionLimits(), raw(b"\1\0abc"), FrameTruncatedError),
    Case("no flags", ConnectionLimits(), raw(b"\x80\x80\x80"), VarintInvalidError),
    Case("number too wide", ConnectionLimits(), raw(b"\xff" * 10 + b"\1\0\0\0\0\0"), VarintInvalidError),
    Case("acknowledges nothing", ConnectionLimits(), raw(b"\1\4\x80"), VarintInvalidError),
    *(Case(f"kind {kind}", ConnectionLimits(), raw(encode_header(1, kind) + bytes(9)), FrameKindUnknownError)
      for kind in (3, 6, 7)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exceeding_a_limit_ends_the_connection_with_its_own_error(case: Case) -> None:
    connection = BlipConnection(case.limits)
    *allowed, refused = case.frames(Maker())
    feed(connection, allowed)
    assert_ends(connection, refused, case.error)


def test_every_violation_is_tested_and_has_a_close_code() -> None:
    def leaves(error: type[BlipError]) -> set[type[BlipError]]:
        below = error.__subclasses__()
        return set().union(*map(leaves, below)) if below else {error}

    elsewhere = {"AcknowledgementInvalidError", "FlowControlIgnoredError"}  # test_flow
    in_rules = {*REQUEST_FRAMES.values(), *REPLY_FRAMES.values()}
    tried = {case.error for case in CASES} | in_rules
    assert {error for error in leaves(ViolationError) if error.__name__ not in elsewhere} <= tried
    for error in leaves(ViolationError):
        assert getattr(error, "close_code", 0) in (1002, 1007, 1008, 1009)


def test_sent_replies_allow_more_requests() -> None:
    maker, connection = Maker(), BlipConnection(ConnectionLimits(unanswered_requests=2))
    for number in range(1, 20):
        connection.receive(maker.frame(number, content()))
        if number > 1:
            connection.send_response(number - 1)
            pull(connection)


def test_request_counts_as_unanswered_until_its_reply_is_pulled() -> None:
    maker, connection = Maker(), BlipConnection(ConnectionLimits(unanswered_requests=2))
    for number in (1, 2):
        connection.receive(maker.frame(number, content()))
        connection.send_response(number)
    assert_ends(connection, maker.frame(3, content()), TooManyRequestsError)


def test_ended_messages_allow_more_messages() -> None:
    maker, connection = Maker(), BlipConnection(ConnectionLimits(arriving_messages=1, arriving_bytes=1000))
    for number in range(1, 20):
        connection.receive(maker.frame(number, content(bytes(500)), flags=MORE_COMING))
        (event,) = connection.receive(maker.frame(number, bytes(499)))
        assert isinstance(event, RequestReceived)


def test_message_in_parts_may_exceed_the_size_limit() -> None:
    limits = ConnectionLimits(message_bytes=1000, arriving_bytes=1000)
    maker, connection = Maker(), BlipConnection(limits)
    connection.send_request(in_parts=True)
    pull(connection)
    total = 0
    for place in range(50):
        data = content(bytes(500)) if place == 0 else bytes(500)
        more = MORE_COMING if place < 49 else 0
        total += len(connection.receive(maker.frame(1, data, kind=FrameKind.RESPONSE, flags=more)))
    assert total == 51


# Frames that are allowed or rejected in each state of a message, as in the tables of `sync.blip.states`


def request_standing(standing: MessagePhase) -> tuple[Maker, BlipConnection, int]:
    maker, connection = Maker(), BlipConnection()
    connection.receive(maker.frame(1, content()))
    connection.receive(maker.frame(2, content(), flags=MORE_COMING))
    number = {
        MessagePhase.COMPLETE: 1,
        MessagePhase.ARRIVING: 2,
        MessagePhase.EXPECTED: 3,
        MessagePhase.IMPOSSIBLE: 4,
    }[standing]
    return maker, connection, number


def reply_standing(standing: MessagePhase) -> tuple[Maker, BlipConnection, int]:
    maker, connection = Maker(), BlipConnection()
    for _ in range(3):
        connection.send_request()
    pull(connection)
    connection.receive(maker.frame(1, content(), kind=FrameKind.RESPONSE))
    connection.receive(maker.frame(2, content(), kind=FrameKind.RESPONSE, flags=MORE_COMING))
    connection.send_request()  # not sent, because no frame is pulled
    number = {
        MessagePhase.COMPLETE: 1,
        MessagePhase.ARRIVING: 2,
        MessagePhase.EXPECTED: 3,
        MessagePhase.IMPOSSIBLE: 4,
    }[standing]
    return maker, connection, number


@pytest.mark.parametrize("more", [0, MORE_COMING])
@pytest.mark.parametrize("kind", [FrameKind.REQUEST, FrameKind.RESPONSE, FrameKind.ERROR])
@pytest.mark.parametrize("standing", list(MessagePhase))
def test_frame_is_accepted_or_refused_according_to_the_tables(
    standing: MessagePhase, kind: FrameKind, more: int
) -> None:
    if kind is FrameKind.REQUEST:
        maker, connection, number = request_standing(standing)
        outcome = REQUEST_FRAMES[standing]
    else:
        maker, connection, number = reply_standing(standing)
        outcome = REPLY_FRAMES[standing]
    frame = maker.frame(number, content(), kind=kind, flags=more)
    if isinstance(outcome, Step):
        assert len(connection.receive(frame)) == (0 if more else 1)
    else:
        assert_ends(connection, frame, outcome)


@pytest.mark.parametrize("number", [0, 3, 2**64 - 1])
def test_a_request_out_of_order_ends_the_connection(number: int) -> None:
    maker, connection = Maker(), BlipConnection()
    connection.receive(maker.frame(1, content()))
    assert_ends(connection, maker.frame(number, content()), RequestOutOfOrderError)


def test_repeated_request_ends_the_connection() -> None:
    maker, connection = Maker(), BlipConnection()
    connection.receive(maker.frame(1, content()))
    assert_ends(connection, maker.frame(1, content()), RequestRepeatedError)


@pytest.mark.parametrize("number", [0, 1, 2, 2**64 - 1])
def test_reply_without_a_request_ends_the_connection(number: int) -> None:
    connection = BlipConnection()
    connection.send_request({}, b"", no_reply=True)
    pull(connection)
    connection.send_request()
    assert_ends(connection, Maker().frame(number, content(), kind=FrameKind.RESPONSE), ReplyUnexpectedError)


def test_violation_does_not_affect_other_connections() -> None:
    limits = ConnectionLimits()
    one, other = BlipConnection(limits), BlipConnection(limits)
    assert_ends(one, b"", FrameTruncatedError)
    assert len(other.receive(Maker().frame(1, content()))) == 1


# Memory that a peer can make a connection use


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_decompression_bomb_uses_no_memory_beyond_the_limit() -> None:
    frame = Maker().frame(1, content(bytes(16_000_000)), flags=COMPRESSED)
    connection = BlipConnection(ConnectionLimits(inflated_bytes=100_000))
    assert peak(lambda: assert_ends(connection, frame, InflatedTooLargeError)) < 500_000


def test_message_in_single_bytes_uses_no_more_memory_than_in_one_piece() -> None:
    maker, connection = Maker(), BlipConnection()
    frames = [maker.frame(1, b"\0", flags=MORE_COMING) for _ in range(20_000)]
    assert peak(lambda: feed(connection, frames)) < 100_000


def test_endless_empty_frames_use_no_memory() -> None:
    maker, connection = Maker(), BlipConnection()
    frames = [maker.frame(1, b"", flags=MORE_COMING) for _ in range(20_000)]
    assert peak(lambda: feed(connection, frames)) < 20_000


def test_acknowledgements_do_not_accumulate_for_a_peer_that_never_reads() -> None:
    maker, connection = Maker(), BlipConnection(ConnectionLimits(unacknowledged_bytes=10**9))
    connection.send_request(in_parts=True)
    pull(connection)
    for place in range(500):
        connection.receive(maker.frame(1, noise(9000) if place else content(), kind=1, flags=MORE_COMING))
    assert len(pull(connection)) == 1
