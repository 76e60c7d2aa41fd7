"""Builders for BLIP tests, such as two connections linked in memory and a peer that makes single frames."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st

from sync.blip import BlipConnection, ConnectionLimits, ConnectionState, Event
from sync.blip import properties as properties_form
from sync.blip.codec import Encoder
from sync.blip.errors import ConnectionOverError, ViolationError
from sync.blip.frames import (
    COMPRESSED,
    KIND_MASK,
    MORE_COMING,
    URGENT,
    FrameKind,
    decode_header,
    encode_header,
)
from sync.blip.varint import encode


def noise(size: int, seed: int = 1) -> bytes:
    """Return pseudorandom bytes, which deflate cannot compress. The same seed produces the same bytes."""
    return random.Random(seed).randbytes(size)


def text(size: int) -> bytes:
    """Return text that deflate compresses well, but less than constant bytes."""
    return b"".join(b"%d litres of fuel\n" % line for line in range(size // 10 + 1))[:size]


@dataclass(frozen=True, slots=True)
class Seen:
    """Header fields and size of a frame, for comparisons."""

    kind: FrameKind
    number: int
    more: bool
    compressed: bool
    urgent: bool
    size: int


def look(frame: bytes) -> Seen:
    """Return the header fields and the size of a frame."""
    number, flags, _ = decode_header(frame)
    return Seen(
        FrameKind(flags & KIND_MASK),
        number,
        bool(flags & MORE_COMING),
        bool(flags & COMPRESSED),
        bool(flags & URGENT),
        len(frame),
    )


def pull(connection: BlipConnection, most: int | None = None) -> list[bytes]:
    """Return the next frames that a connection is ready to send, at most `most` of them."""
    frames: list[bytes] = []
    while most is None or len(frames) < most:
        frame = connection.next_frame()
        if frame is None:
            break
        frames.append(frame)
    return frames


def feed(connection: BlipConnection, frames: Iterable[bytes]) -> list[Event]:
    """Let a connection receive frames, and return all resulting events."""
    return [event for frame in frames for event in connection.receive(frame)]


class Wire:
    """Two BLIP connections linked in memory, with a record of every frame that each of them sent."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self.left = BlipConnection(limits)
        self.right = BlipConnection(limits)
        self.from_left: list[Seen] = []
        self.from_right: list[Seen] = []

    def carry(self) -> tuple[list[Event], list[Event]]:
        """Deliver frames in both directions until none are left. Return the events of both connections."""
        at_left: list[Event] = []
        at_right: list[Event] = []
        moved = True
        while moved:
            moved = False
            if (frame := self.left.next_frame()) is not None:
                self.from_left.append(look(frame))
                at_right += self.right.receive(frame)
                moved = True
            if (frame := self.right.next_frame()) is not None:
                self.from_right.append(look(frame))
                at_left += self.left.receive(frame)
                moved = True
        return at_left, at_right


def content(body: bytes = b"", properties: Mapping[str, str] | None = None) -> bytes:
    """Return the encoded content of a message, which consists of the properties and the body."""
    return properties_form.encode(properties or {}, ConnectionLimits()) + body


class Maker:
    """Peer that makes single frames, valid or invalid, with correct running checksums."""

    def __init__(self) -> None:
        self._encoder = Encoder(level=9)

    def frame(self, number: int, content: bytes, *, kind: int = FrameKind.REQUEST, flags: int = 0) -> bytes:
        """Return a frame with this content, followed by the running checksum."""
        return self._encoder.seal(number, kind | flags, content)

    def acknowledgement(self, number: int, frame_bytes: int, *, kind: int = FrameKind.ACK_REQUEST) -> bytes:
        """Return a frame that acknowledges `frame_bytes` received bytes of a message."""
        return encode_header(number, kind) + encode(frame_bytes)


def assert_ends(connection: BlipConnection, frame: bytes, error: type[ViolationError]) -> None:
    """Assert that receiving a frame ends the connection with exactly this error, and sends nothing."""
    with pytest.raises(ViolationError) as raised:
        connection.receive(frame)
    assert raised.type is error
    assert str(raised.value)
    assert connection.state is ConnectionState.FAILED
    assert connection.next_frame() is None
    assert (connection.queued, connection.unanswered) == (0, 0)
    with pytest.raises(ConnectionOverError, match="failed"):
        connection.receive(frame)


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
"""Strings that are valid as the name or value of a message property."""
property_maps = st.dictionaries(names, names, max_size=6)
