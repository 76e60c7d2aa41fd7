import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.blip.errors import (
    MessageInvalidError,
    PropertiesInvalidError,
    PropertiesTooLargeError,
    TooManyPropertiesError,
    UnsendableMessageError,
    VarintInvalidError,
)
from sync.blip.limits import ConnectionLimits
from sync.blip.properties import announced_end, decode, encode
from sync.blip.varint import encode as varint
from tests.blip.wire import property_maps

LIMITS = ConnectionLimits(properties_bytes=1000, properties=10)


@given(property_maps, st.binary(max_size=20))
def test_encoded_properties_are_decoded_and_the_body_is_left(properties: dict[str, str], body: bytes) -> None:
    message = encode(properties, LIMITS) + body
    decoded, start = decode(message, LIMITS)
    assert decoded == properties
    assert message[start:] == body
    assert decode(bytearray(message), LIMITS) == (properties, start)


def test_encoding_is_a_byte_count_and_strings_that_end_with_nul() -> None:
    assert encode({"Profile": "rev", "id": "ä"}, LIMITS) == b"\x12Profile\0rev\0id\0\xc3\xa4\0"


def test_no_properties_still_have_a_count() -> None:
    assert encode({}, LIMITS) == b"\0"
    assert decode(b"\0body", LIMITS) == ({}, 1)
    assert decode(b"\x80\0body", LIMITS) == ({}, 2)


@given(property_maps, st.binary(max_size=20))
def test_end_of_properties_is_known_once_their_count_is_complete(
    properties: dict[str, str], body: bytes
) -> None:
    message = encode(properties, LIMITS) + body
    end = decode(message, LIMITS)[1]
    known = [announced_end(message[:size], LIMITS) for size in range(len(message) + 1)]
    count_bytes = len(varint(end - 1 if end <= 128 else end - 2))
    assert known == [None] * count_bytes + [end] * (len(message) + 1 - count_bytes)


def framed(data: bytes) -> bytes:
    return varint(len(data)) + data


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"", VarintInvalidError),
        (b"\x80", VarintInvalidError),
        (b"\x80" * 10 + b"\x01", VarintInvalidError),
        (b"\x05a\0b\0", PropertiesInvalidError),
        (framed(b"a\0b"), PropertiesInvalidError),
        (framed(b"a\0b\0c"), PropertiesInvalidError),
        (framed(b"a\0"), PropertiesInvalidError),
        (framed(b"a\0b\0c\0"), PropertiesInvalidError),
        (framed(b"\0"), PropertiesInvalidError),
        (framed(b"a\0b\0a\0c\0"), PropertiesInvalidError),
        (framed(b"a\0\xff\0"), PropertiesInvalidError),
        (framed(b"\xed\xa0\x80\0b\0"), PropertiesInvalidError),
        (framed(b"a\0" + b"b" * 998 + b"\0"), PropertiesTooLargeError),
        (varint(2**40), PropertiesTooLargeError),
        (framed(b"".join(b"%d\0\0" % i for i in range(11))), TooManyPropertiesError),
        (framed(b"\0" * 1000), TooManyPropertiesError),
    ],
)
def test_malformed_properties_are_refused(message: bytes, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        decode(message, LIMITS)
    assert raised.type is error


def test_properties_just_within_the_limits_are_read() -> None:
    properties = {str(i): "b" * 96 for i in range(10)}
    assert decode(encode(properties, LIMITS), LIMITS)[0] == properties
    longest = {"a": "b" * 997}
    assert len(encode(longest, LIMITS)) == 1002
    assert decode(encode(longest, LIMITS), LIMITS)[0] == longest


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda data: framed(data + b"\0")))
def test_any_bytes_are_decoded_or_refused(message: bytes) -> None:
    try:
        properties, end = decode(message, LIMITS)
    except (MessageInvalidError, VarintInvalidError):
        return
    assert end <= len(message)
    assert decode(encode(properties, LIMITS), LIMITS)[0] == properties


@pytest.mark.parametrize(
    "properties",
    [
        {"a\0": "b"},
        {"a": "\0"},
        {"a": "\ud800"},
        {"a": "b" * 1000},
        {str(i): "" for i in range(11)},
    ],
)
def test_properties_that_cannot_be_sent_are_refused(properties: dict[str, str]) -> None:
    with pytest.raises(UnsendableMessageError):
        encode(properties, LIMITS)
