"""The properties of a message: a byte count, then alternating names and values, as NUL-terminated UTF-8."""

from collections.abc import Mapping
from typing import Final

from sync.blip import varint
from sync.blip.errors import (
    PropertiesInvalidError,
    PropertiesTooLargeError,
    TooManyPropertiesError,
    UnsendableMessageError,
)
from sync.blip.limits import ConnectionLimits

NONE: Final[Mapping[str, str]] = {}
ENCODED_NONE: Final = b"\0"


def encode(properties: Mapping[str, str], limits: ConnectionLimits) -> bytes:
    """Encode the beginning of a message: the byte count and the properties.

    Raises UnsendableMessageError if a property cannot be encoded, or if the properties exceed a limit.
    """
    if not properties:
        return ENCODED_NONE
    strings = [string for pair in properties.items() for string in pair]
    try:
        data = ("\0".join(strings) + "\0").encode()
    except UnicodeEncodeError as error:
        msg = f"the properties are not valid Unicode: {error}"
        raise UnsendableMessageError(msg) from error
    if data.count(0) != len(strings):
        name = next(name for name, value in properties.items() if "\0" in name + value)
        msg = f"property {name!r} contains a NUL, which BLIP does not allow"
        raise UnsendableMessageError(msg)
    if len(data) > limits.properties_bytes or len(properties) > limits.properties:
        msg = (
            f"the message has {len(properties)} properties of {len(data)} bytes in total, which exceeds a"
            " limit"
        )
        raise UnsendableMessageError(msg)
    return varint.encode(len(data)) + data


def announced_end(message: bytes | bytearray, limits: ConnectionLimits) -> int | None:
    """Return the offset where an incomplete message's properties end; None until the count has arrived.

    Raises PropertiesTooLargeError as soon as the count is known to be too large.
    """
    if len(message) < varint.LONGEST and (not message or min(message) >= 128):
        return None
    size, start = varint.decode(message)
    if size > limits.properties_bytes:
        msg = f"the properties have {size} bytes; the limit is {limits.properties_bytes}"
        raise PropertiesTooLargeError(msg)
    return start + size


def decode(message: bytes | bytearray, limits: ConnectionLimits) -> tuple[dict[str, str], int]:
    """Decode the properties of a complete message. Return them and the offset of the body.

    Raises PropertiesInvalidError, PropertiesTooLargeError, TooManyPropertiesError or VarintInvalidError.
    """
    if message and not message[0]:
        return {}, 1
    size, start = varint.decode(message)
    if size > limits.properties_bytes:
        msg = f"the properties have {size} bytes; the limit is {limits.properties_bytes}"
        raise PropertiesTooLargeError(msg)
    if not size:
        return {}, start
    end = start + size
    if end > len(message):
        msg = f"the properties have {size} bytes, but the message has only {len(message)}"
        raise PropertiesInvalidError(msg)
    if message[end - 1]:
        raise PropertiesInvalidError("the properties do not end with a NUL")
    data = message[start:end]
    count = data.count(0)
    if count > 2 * limits.properties:
        msg = f"the message has {count // 2} properties; the limit is {limits.properties}"
        raise TooManyPropertiesError(msg)
    try:
        strings = data.decode().split("\0")
    except UnicodeDecodeError as error:
        msg = f"the properties are not UTF-8: {error}"
        raise PropertiesInvalidError(msg) from error
    properties = dict(zip(strings[:-1:2], strings[1::2], strict=False))
    if 2 * len(properties) != count:
        raise PropertiesInvalidError("a property has no value, or its name is repeated")
    return properties, end
