import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.blip.codec import TRAILER, Decoder, Encoder
from sync.blip.errors import (
    ChecksumMismatchError,
    DeflateInvalidError,
    FrameInvalidError,
    FrameTruncatedError,
    InflatedTooLargeError,
    VarintInvalidError,
)
from sync.blip.frames import COMPRESSED, FrameKind, decode_header, encode_header
from tests.blip.wire import noise, text

contents = st.lists(
    st.tuples(st.binary(max_size=200) | st.integers(0, 3000).map(text), st.booleans()), max_size=12
)


def unseal(decoder: Decoder, frame: bytes) -> bytes:
    _, flags, start = decode_header(frame)
    return decoder.open(frame, start, flags)


def sealed_by_hand(plain: bytes, deflated: bytes) -> bytes:
    """Return the first frame of a connection, with the given compressed content and a valid checksum."""
    return encode_header(1, COMPRESSED) + deflated + zlib.crc32(plain).to_bytes(4, "big")


@given(contents)
def test_frames_opened_in_the_order_of_sealing_contain_what_was_sealed(
    items: list[tuple[bytes, bool]],
) -> None:
    encoder, decoder = Encoder(), Decoder(10_000)
    for content, compressed in items:
        assert unseal(decoder, encoder.seal(5, COMPRESSED if compressed else 0, content)) == content


@given(contents)
def test_checksum_runs_over_all_contents_before_compression(items: list[tuple[bytes, bool]]) -> None:
    encoder = Encoder()
    sent = b""
    for content, compressed in items:
        frame = encoder.seal(1, COMPRESSED if compressed else 0, content)
        sent += content
        assert frame[-4:] == zlib.crc32(sent).to_bytes(4, "big")


def test_compressed_frames_are_one_raw_deflate_stream_without_its_flush_trailers() -> None:
    encoder = Encoder()
    texts = [text(500), text(700), noise(300)]
    stream = b""
    for content in texts:
        encoder.seal(1, 0, b"not compressed, so not in the stream")
        stream += encoder.seal(1, COMPRESSED, content)[2:-4] + TRAILER
    assert zlib.decompressobj(-15).decompress(stream) == b"".join(texts)


def test_earlier_contents_make_later_frames_smaller() -> None:
    encoder = Encoder()
    first, second = (len(encoder.seal(1, COMPRESSED, noise(1000))) for _ in range(2))
    assert first > 1000
    assert second < 60


def test_tiny_contents_are_marked_as_not_compressed() -> None:
    frame = Encoder().seal(1, FrameKind.RESPONSE | COMPRESSED, b"\0")
    assert decode_header(frame) == (1, FrameKind.RESPONSE, 2)
    assert len(frame) == 2 + 1 + 4


@pytest.mark.parametrize("compressed", [0, COMPRESSED])
def test_changed_byte_is_detected(compressed: int) -> None:
    frame = Encoder().seal(1, compressed, text(100))
    for place in range(2, len(frame)):
        changed = bytearray(frame)
        changed[place] ^= 0x10
        with pytest.raises(FrameInvalidError):
            unseal(Decoder(1000), bytes(changed))


def test_lost_and_reordered_frames_are_detected() -> None:
    encoder = Encoder()
    frames = [encoder.seal(1, 0, text(size)) for size in (50, 60)]
    with pytest.raises(ChecksumMismatchError, match="checksum"):
        unseal(Decoder(1000), frames[1])


def test_content_that_inflates_beyond_the_limit_by_one_byte_is_refused() -> None:
    for size in (1000, 70_000):
        frame = Encoder().seal(1, COMPRESSED, bytes(size))
        assert unseal(Decoder(size), frame) == bytes(size)
        with pytest.raises(InflatedTooLargeError, match=str(size - 1)):
            unseal(Decoder(size - 1), frame)


def test_ended_deflate_stream_is_refused() -> None:
    deflate = zlib.compressobj(wbits=-15)
    ended = deflate.compress(b"the end") + deflate.flush()
    with pytest.raises(DeflateInvalidError, match="ends"):
        unseal(Decoder(1000), sealed_by_hand(b"the end", ended))


def test_data_that_is_not_deflate_is_refused() -> None:
    with pytest.raises(DeflateInvalidError, match="inflated"):
        unseal(Decoder(1000), sealed_by_hand(b"", b"\xff\xff\xff"))


def test_a_frame_too_short_for_its_checksum_is_refused() -> None:
    for size in range(4):
        with pytest.raises(FrameTruncatedError):
            Decoder(1000).open(b"\1\0" + bytes(size), 2, 0)


@given(st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=8))
def test_any_bytes_are_opened_or_refused(items: list[tuple[bytes, bool]]) -> None:
    decoder = Decoder(1000)
    checksum = 0
    for data, compressed in items:
        try:
            content = decoder.open(data + checksum.to_bytes(4, "big"), 0, COMPRESSED if compressed else 0)
        except FrameInvalidError:
            return
        assert len(content) <= 1000
        checksum = zlib.crc32(content, checksum)


@given(
    st.integers(1, 2**64 - 1) | st.integers(1, 3 * 10**6),
    st.sampled_from(list(FrameKind)),
    st.integers(0, 0x7F).map(lambda flags: flags & ~7),
)
def test_a_header_is_read_as_written(number: int, kind: FrameKind, flags: int) -> None:
    header = encode_header(number, kind | flags)
    assert decode_header(header + b"....") == (number, kind | flags, len(header))


def test_undefined_flags_are_accepted() -> None:
    assert decode_header(b"\x05\x88\x03....") == (5, 0x188, 3)


@pytest.mark.parametrize("frame", [b"", b"\1", b"\1\0", b"\x80\x80\x80", b"\1\x80\x80"])
def test_a_header_that_is_cut_off_is_refused(frame: bytes) -> None:
    with pytest.raises((FrameTruncatedError, VarintInvalidError)):
        decode_header(frame)
