import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync.blip.errors import VarintInvalidError
from sync.blip.varint import MAXIMUM, decode, encode

numbers = st.integers(0, MAXIMUM) | st.integers(0, 70).map(lambda bits: min(1 << bits, MAXIMUM))


@given(numbers, st.binary(max_size=3), st.binary(max_size=3))
@example(MAXIMUM, b"", b"")
def test_encoded_number_is_decoded_at_any_offset(number: int, before: bytes, after: bytes) -> None:
    encoded = encode(number)
    assert decode(before + encoded + after, len(before)) == (number, len(before) + len(encoded))


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (16384, "808001"), (MAXIMUM, "ff" * 9 + "01")],
)
def test_encoding_has_seven_bits_per_byte_lowest_first(number: int, encoded: str) -> None:
    assert encode(number).hex() == encoded


@given(numbers.filter(lambda number: number > 127))
def test_truncated_varint_is_refused(number: int) -> None:
    with pytest.raises(VarintInvalidError, match="truncated"):
        decode(encode(number)[:-1])


def test_empty_input_is_a_truncated_varint() -> None:
    with pytest.raises(VarintInvalidError, match="truncated"):
        decode(b"abc", 3)


@pytest.mark.parametrize("encoded", [b"\xff" * 9 + b"\x02", b"\xff" * 10 + b"\x01", b"\x80" * 50])
def test_varint_of_more_than_64_bits_is_refused(encoded: bytes) -> None:
    with pytest.raises(VarintInvalidError, match="64 bits"):
        decode(encoded)


@pytest.mark.parametrize("number", [-1, MAXIMUM + 1])
def test_number_beyond_64_bits_is_not_encoded(number: int) -> None:
    with pytest.raises(ValueError, match="64-bit"):
        encode(number)


@given(st.binary(max_size=12))
def test_any_bytes_are_an_integer_or_refused(data: bytes) -> None:
    try:
        number, end = decode(data)
    except VarintInvalidError:
        return
    assert 0 <= number <= MAXIMUM
    assert 0 < end <= len(data)
