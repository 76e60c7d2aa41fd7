"""For any input, Logboat's framing returns the same messages and close codes as the `websockets` package."""

import importlib
import itertools
import os

from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side

from sync.net import framing as framing_module
from sync.net.framing import Framing

LIMIT = 300


def a_framing(side: Side) -> Framing:
    return Framing(Protocol(side, max_size=LIMIT))


def other(side: Side) -> Side:
    return Side.CLIENT if side is Side.SERVER else Side.SERVER


sides = st.sampled_from([Side.SERVER, Side.CLIENT])
sizes = st.sampled_from([0, 1, 5, 125, 126, 127, LIMIT - 1, LIMIT])
good_frames = st.one_of(
    st.builds(lambda size: [Frame(Opcode.BINARY, os.urandom(size))], sizes),
    st.builds(lambda size: [Frame(Opcode.PING, os.urandom(size))], st.integers(0, 125)),
    st.just([Frame(Opcode.PONG, b"")]),
    st.just([Frame(Opcode.BINARY, b"a", fin=False), Frame(Opcode.PING, b"!"), Frame(Opcode.CONT, b"b")]),
    st.just(
        [Frame(Opcode.BINARY, b"", fin=False), Frame(Opcode.CONT, b"", fin=False), Frame(Opcode.CONT, b"")]
    ),
)
bad_frames = st.sampled_from(
    [
        [Frame(Opcode.BINARY, b"x" * (LIMIT + 1))],
        [Frame(Opcode.BINARY, b"x" * 70000)],
        [Frame(Opcode.BINARY, b"x" * 200, fin=False), Frame(Opcode.CONT, b"x" * 200)],
        [Frame(Opcode.CONT, b"x")],
        [Frame(Opcode.BINARY, b"x", fin=False), Frame(Opcode.BINARY, b"y")],
        [Frame(Opcode.CLOSE, b"")],
        [Frame(Opcode.CLOSE, b"\x03\xe8well")],
        [Frame(Opcode.CLOSE, b"\x03\xe8\xff")],
        [Frame(Opcode.CLOSE, b"\x00\x01")],
        [Frame(Opcode.CLOSE, b"\x03")],
    ]
)
# Frames that the package itself would not write: reserved bits, unknown opcodes, bad control frames.
odd_bytes = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.builds(
        lambda first, second: bytes((first, second)) + bytes(140), st.integers(0, 255), st.integers(0, 255)
    ),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[Side, bytes, list[int]]:
    """Draw the receiving side, the data that it receives, and the offsets at which the data is split."""
    side = draw(sides)
    masks = side is Side.SERVER
    frames = [f for group in draw(st.lists(good_frames, max_size=8)) for f in group]
    if draw(st.booleans()):
        frames += draw(bad_frames)
    if draw(st.booleans()):
        frames += draw(good_frames)
    data = b"".join(frame.serialize(mask=masks) for frame in frames) + draw(
        st.one_of(st.just(b""), odd_bytes)
    )
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return side, data, cuts


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *cuts, len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def by_package(side: Side, parts: list[bytes]) -> tuple[list[bytes], object]:
    """Return the messages and the close code with which the `websockets` package reacts to received data.

    For a text message, return close code 1003, because BLIP uses only binary messages.
    """
    protocol = Protocol(side, max_size=LIMIT)
    messages: list[bytes] = []
    current = bytearray()
    for part in parts:
        protocol.receive_data(part)
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode is Opcode.TEXT:
                return messages, ("failed", 1003)
            if event.opcode in (Opcode.BINARY, Opcode.CONT):
                current += event.data
                if event.fin:
                    messages.append(bytes(current))
                    current.clear()
        if protocol.parser_exc is not None:
            assert protocol.close_sent is not None
            return messages, ("failed", int(protocol.close_sent.code))
        if protocol.close_rcvd is not None:
            return messages, ("closed", int(protocol.close_rcvd.code), protocol.close_rcvd.reason)
    return messages, None


def by_us(side: Side, parts: list[bytes]) -> tuple[list[bytes], object]:
    framing = a_framing(side)
    messages: list[bytes] = []
    for part in parts:
        messages += framing.receive(part)
        if framing.failure is not None:
            return messages, ("failed", framing.failure.code)
        if framing.peer_goodbye is not None:
            return messages, ("closed", framing.peer_goodbye.code, framing.peer_goodbye.reason)
    return messages, None


@given(streams())
@example((Side.SERVER, b"\x82\x85abcd", [2, 4]))
@example((Side.CLIENT, b"\x82\x7f" + b"\xff" * 8, [9]))
def test_any_input_is_parsed_as_by_the_package(
    case: tuple[Side, bytes, list[int]],
) -> None:
    side, data, cuts = case
    assert by_us(side, pieces(data, cuts)) == by_package(side, pieces(data, cuts))


@given(streams())
def test_split_positions_make_no_difference(case: tuple[Side, bytes, list[int]]) -> None:
    side, data, cuts = case
    assert by_us(side, pieces(data, cuts)) == by_us(side, [data[at : at + 1] for at in range(len(data))])


@given(side=sides, size=st.one_of(st.integers(0, 70000), sizes, st.sampled_from([65535, 65536])))
def test_package_reads_our_frames(side: Side, size: int) -> None:
    framing = Framing(Protocol(side, max_size=LIMIT))
    messages = [os.urandom(size), b"", b"end"]
    for message in messages:
        framing.send(message)
    protocol = Protocol(other(side), max_size=None)
    protocol.receive_data(framing.take())
    assert protocol.parser_exc is None
    events = protocol.events_received()
    assert [bytes(e.data) for e in events if isinstance(e, Frame)] == messages


def test_client_masks_each_frame_with_a_new_key() -> None:
    framing = a_framing(Side.CLIENT)
    for _ in range(1000):
        framing.send(b"")
    data = framing.take()
    keys = {data[at + 2 : at + 6] for at in range(0, len(data), 6)}
    assert len(data) == 6000
    assert len(keys) > 990


def test_masking_is_done_by_the_package_in_c() -> None:
    speedups = importlib.import_module("websockets.speedups")
    assert vars(framing_module)["apply_mask"] is speedups.apply_mask


def test_only_the_last_of_many_pings_is_answered() -> None:
    framing = a_framing(Side.CLIENT)
    for number in range(10_000):
        framing.receive(Frame(Opcode.PING, b"%d" % number).serialize(mask=False))
    protocol = Protocol(Side.SERVER)
    protocol.receive_data(framing.take())
    assert [(e.opcode, bytes(e.data)) for e in protocol.events_received() if isinstance(e, Frame)] == [
        (Opcode.PONG, b"9999")
    ]


def test_an_endless_fragmented_message_is_refused_at_the_limit() -> None:
    framing = a_framing(Side.CLIENT)
    framing.receive(Frame(Opcode.BINARY, b"x", fin=False).serialize(mask=False))
    more = Frame(Opcode.CONT, b"x" * 10, fin=False).serialize(mask=False)
    fed = 0
    while framing.failure is None:
        framing.receive(more)
        fed += 10
    assert fed <= LIMIT + 10
    assert framing.failure.code == CloseCode.MESSAGE_TOO_BIG


def test_close_reason_that_is_too_long_is_cut_between_characters() -> None:
    framing = a_framing(Side.SERVER)
    framing.close(1008, "ß" * 200)
    protocol = Protocol(Side.CLIENT)
    protocol.receive_data(framing.take())
    assert protocol.close_rcvd is not None
    assert protocol.close_rcvd.reason == "ß" * 61
