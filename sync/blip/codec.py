"""The two halves of a connection's codec: `Encoder` encodes frames, and the peer's `Decoder` decodes them.

Each direction has one raw deflate stream and one running CRC-32 for the whole connection, so frames must be
decoded in the order in which they were encoded. The checksum covers all content before compression. An
uncompressed frame leaves the deflate stream unchanged. The streams (about 256 kB to deflate, 40 kB to
inflate) are created when the first compressed frame needs them.
"""

import zlib
from typing import Final

from sync.blip.errors import (
    ChecksumMismatchError,
    DeflateInvalidError,
    FrameTruncatedError,
    InflatedTooLargeError,
)
from sync.blip.frames import COMPRESSED, encode_header

CHECKSUM_BYTES: Final = 4
TRAILER: Final = b"\0\0\xff\xff"
"""Bytes at the end of each sync flush (an empty stored block, RFC 1951). BLIP omits them from frames."""
DEFAULT_LEVEL: Final = 3
"""Default zlib compression level.

Measured with revisions of 460 bytes, one frame each, on a laptop: level 1 takes 7.5 µs and produces 147
bytes, level 3 takes 8.3 µs (140 bytes), level 4 takes 10 µs (132 bytes), and level 6 takes 19 µs (128 bytes).
"""
PIECE: Final = 64 * 1024
"""Maximum number of bytes to inflate at once.

Inflating this many bytes takes 0.1 ms on a laptop, and 3 ms on the slowest appliance.
"""
WORTHWHILE: Final = 24
"""Minimum size, in bytes, of content to compress. Compressing less would cost more than it saves."""
_RAW: Final = -zlib.MAX_WBITS
_INFLATE_BYTES: Final = 40 * 1024
"""Memory, in bytes, that zlib uses to inflate data with the largest window (zconf.h)."""


class Encoder:
    """Converts the content of messages to frames, in order."""

    __slots__ = ("_checksum", "_deflate", "_level", "_memory_level", "_window_bits")

    def __init__(
        self, level: int = DEFAULT_LEVEL, *, window_bits: int = zlib.MAX_WBITS, memory_level: int = 8
    ) -> None:
        """Create an encoder with zlib's parameters.

        `window_bits` is positive. The encoder negates it, as zlib requires for a raw deflate stream.
        """
        self._level, self._window_bits, self._memory_level = level, window_bits, memory_level
        self._checksum = 0
        self._deflate: zlib._Compress | None = None

    @property
    def bytes_held(self) -> int:
        """Memory used by the deflate stream, in bytes (zconf.h)."""
        return 0 if self._deflate is None else (1 << self._window_bits + 2) + (1 << self._memory_level + 9)

    def close(self) -> None:
        """Free the deflate stream, because no more frames will be sent."""
        self._deflate = None

    def seal(self, number: int, flags: int, content: bytes) -> bytes:
        """Return an encoded frame.

        The content is compressed if `flags` request compression and the content is long enough. The flags in
        the frame's header show whether it is compressed.
        """
        self._checksum = checksum = zlib.crc32(content, self._checksum)
        if flags & COMPRESSED:
            if len(content) < WORTHWHILE:
                flags ^= COMPRESSED
            else:
                deflate = self._deflate
                if deflate is None:
                    deflate = self._deflate = zlib.compressobj(
                        self._level, zlib.DEFLATED, -self._window_bits, self._memory_level
                    )
                head = deflate.compress(content)
                content = (head + deflate.flush(zlib.Z_SYNC_FLUSH))[: -len(TRAILER)]
        return encode_header(number, flags) + content + checksum.to_bytes(CHECKSUM_BYTES, "big")


class Decoder:
    """Decodes frames, which must be passed in the order in which an `Encoder` created them.

    `open` returns a frame's content as a whole. `begin` returns the first piece of the content. While
    `is_amid` is True, `go_on` returns the next piece.
    """

    __slots__ = ("_checksum", "_expected", "_inflate", "_most", "_rest", "_so_far", "inflated", "is_amid")

    def __init__(self, inflated_bytes: int) -> None:
        self._most = inflated_bytes
        self._checksum = 0
        self._inflate: zlib._Decompress | None = None
        self._rest = b""
        """The part of the current frame that has not been inflated yet."""
        self._so_far = 0
        """Size, in bytes, of the part of the current frame that has been inflated."""
        self._expected = b""
        """Checksum read from the current frame."""
        self.is_amid = False
        """True if part of the current frame has not been inflated yet."""
        self.inflated = 0
        """Total inflated size, in bytes, of all compressed frames."""

    @property
    def bytes_held(self) -> int:
        """Memory used by the inflate stream, in bytes."""
        return 0 if self._inflate is None else _INFLATE_BYTES

    def close(self) -> None:
        """Free the inflate stream, because no more frames will be received."""
        self._inflate, self._rest = None, b""

    def open(self, frame: bytes, start: int, flags: int) -> bytes:
        """Return the content of a frame whose header ends at `start`. Raises the same errors as `begin`."""
        pieces = [self.begin(frame, start, flags)]
        while self.is_amid:
            pieces.append(self.go_on())
        return b"".join(pieces)

    def begin(self, frame: bytes, start: int, flags: int) -> bytes:
        """Return the first piece of a frame's content, usually the whole content. The header ends at `start`.

        The checksum is checked with the last piece. Raises FrameTruncatedError, DeflateInvalidError,
        InflatedTooLargeError or ChecksumMismatchError. After any of these errors, the decoder is unusable.
        """
        end = len(frame) - CHECKSUM_BYTES
        if end < start:
            raise FrameTruncatedError("the frame is shorter than its checksum")
        content = frame[start:end]
        if flags & COMPRESSED:
            self._so_far = 0
            self._expected = frame[end:]
            return self._inflated(content + TRAILER)
        self._checksum = checksum = zlib.crc32(content, self._checksum)
        if checksum != int.from_bytes(frame[end:], "big"):
            raise _mismatch(checksum, frame[end:])
        return content

    def go_on(self) -> bytes:
        """Return the next piece of the current frame, while `is_amid`. Raises the same errors as `begin`."""
        return self._inflated(self._rest)

    def _inflated(self, content: bytes) -> bytes:
        inflate = self._inflate
        if inflate is None:
            inflate = self._inflate = zlib.decompressobj(_RAW)
        try:
            # Inflating one byte more than allowed shows that the frame is too large. The bytes after that
            # byte are never in memory.
            plain = inflate.decompress(content, min(PIECE, self._most + 1 - self._so_far))
        except zlib.error as error:
            msg = f"the compressed frame cannot be inflated: {error}"
            raise DeflateInvalidError(msg) from error
        size = len(plain)
        self._so_far += size
        self.inflated += size
        if self._so_far > self._most:
            msg = f"the compressed frame inflates to more than {self._most} bytes"
            raise InflatedTooLargeError(msg)
        if inflate.eof:
            raise DeflateInvalidError("the compressed frame ends the deflate stream that all frames share")
        self._checksum = checksum = zlib.crc32(plain, self._checksum)
        # After a full piece, zlib may still have data to return, even if all input is used up.
        self.is_amid = size == PIECE
        if self.is_amid:
            self._rest = inflate.unconsumed_tail
        elif checksum != int.from_bytes(self._expected, "big"):
            raise _mismatch(checksum, self._expected)
        return plain


def _mismatch(checksum: int, received: bytes) -> ChecksumMismatchError:
    return ChecksumMismatchError(f"the checksum is {received.hex()}, but should be {checksum:08x}")
