"""Variable-length unsigned integers: seven bits per byte, the lowest first.

A set high bit means that more bytes follow.
"""

from typing import Final

from sync.blip.errors import VarintInvalidError

MAXIMUM: Final = 2**64 - 1
LONGEST: Final = 10
"""Maximum number of bytes of an encoded integer: 64 bits at seven bits per byte."""

_LAST: Final = tuple(bytes([value]) for value in range(128))
_MORE: Final = tuple(bytes([value | 128]) for value in range(128))


def encode(value: int) -> bytes:
    """Encode a value from 0 to 2^64 - 1. Raises ValueError for any other value."""
    if 0 <= value < 128:
        return _LAST[value]
    if 0 <= value < 16384:
        return _MORE[value & 127] + _LAST[value >> 7]
    if not 0 <= value <= MAXIMUM:
        msg = f"{value} is not an unsigned 64-bit integer"
        raise ValueError(msg)
    head = b""
    while value >= 128:
        head += _MORE[value & 127]
        value >>= 7
    return head + _LAST[value]


def decode(data: bytes | bytearray, offset: int = 0) -> tuple[int, int]:
    """Return the integer at `offset`, and the offset after it.

    Raises VarintInvalidError if the integer is truncated or exceeds 64 bits.
    """
    if offset < len(data) and data[offset] < 128:
        return data[offset], offset + 1
    value = shift = 0
    for byte in data[offset : offset + LONGEST]:
        offset += 1
        if byte < 128:
            value |= byte << shift
            if value > MAXIMUM:
                break
            return value, offset
        value |= (byte & 127) << shift
        shift += 7
    if shift < 7 * LONGEST and value <= MAXIMUM:
        msg = "the integer is truncated"
    else:
        msg = "the integer does not fit in 64 bits"
    raise VarintInvalidError(msg)
