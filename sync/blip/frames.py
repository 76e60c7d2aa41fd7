"""The header of a frame: the message's number, and the flags, which contain the kind of the frame."""

from enum import IntEnum
from typing import Final

from sync.blip import varint
from sync.blip.errors import FrameTruncatedError


class FrameKind(IntEnum):
    """The kinds of frames, as encoded in the low three bits of the flags."""

    REQUEST = 0
    RESPONSE = 1
    ERROR = 2
    ACK_REQUEST = 4
    ACK_REPLY = 5


KIND_MASK: Final = 0x07
COMPRESSED: Final = 0x08
URGENT: Final = 0x10
NO_REPLY: Final = 0x20
MORE_COMING: Final = 0x40

_FLAGS: Final = tuple(bytes([flags]) for flags in range(128))


def encode_header(number: int, flags: int) -> bytes:
    """Encode the header of a frame of message `number`; `flags` must be below 128."""
    return varint.encode(number) + _FLAGS[flags]


def decode_header(frame: bytes) -> tuple[int, int, int]:
    """Return the message's number, the flags, and the offset of the content in a frame.

    Bits that BLIP does not define may be set in the flags. Raises FrameTruncatedError or VarintInvalidError.
    """
    if len(frame) < 3:
        msg = f"the frame is too short: {len(frame)} bytes"
        raise FrameTruncatedError(msg)
    first, second, third = frame[0], frame[1], frame[2]
    if first < 128:
        if second < 128:
            return first, second, 2
    elif second < 128 and third < 128:
        return second << 7 | first & 127, third, 3
    number, offset = varint.decode(frame)
    flags, offset = varint.decode(frame, offset)
    return number, flags, offset
