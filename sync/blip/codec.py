"""The two codecs of a connection: what `Encoder` seals into frames, `Decoder` of the other side opens.

Each direction has one raw deflate stream and one running CRC-32 for the whole connection, so frames must be
opened in the order in which they were sealed. The checksum runs over all content before compression; a frame
that is not compressed leaves the deflate stream alone. The streams (about 256 kB to deflate, 40 kB to
inflate) are made when the first compressed frame needs them.
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
"""What a sync flush always ends with (RFC 1951, an empty stored block); BLIP leaves it out of the frame."""
DEFAULT_LEVEL: Final = 3
"""zlib's level. Measured on revisions of 460 bytes, one frame each, on 2 cores of a laptop's class: level 1
takes 7.5 µs and leaves 147 bytes, 3 8.3 µs and 140, 4 10 µs and 132, 6 19 µs and 128."""
PIECE: Final = 64 * 1024
"""Bytes that are inflated at once: 0.1 ms of a laptop's time, and 3 ms of the slowest appliance's."""
WORTHWHILE: Final = 24
"""Bytes below which content is not deflated: an empty or tiny reply costs more than it can save."""
_RAW: Final = -zlib.MAX_WBITS
_INFLATE_BYTES: Final = 40 * 1024
"""What zlib takes to inflate with that window (zconf.h)."""


class Encoder:
    """Seals contents into frames, in order."""

    __slots__ = ("_checksum", "_deflate", "_level", "_memory_level", "_window_bits")

    def __init__(
        self, level: int = DEFAULT_LEVEL, *, window_bits: int = zlib.MAX_WBITS, memory_level: int = 8
    ) -> None:
        """`level`, `window_bits`, `memory_level`: as zlib has them; the window without its sign."""
        self._level, self._window_bits, self._memory_level = level, window_bits, memory_level
        self._checksum = 0
        self._deflate: zlib._Compress | None = None

    @property
    def held(self) -> int:
        """Bytes that the deflate stream takes (zconf.h)."""
        return 0 if self._deflate is None else (1 << self._window_bits + 2) + (1 << self._memory_level + 9)

    def seal(self, number: int, flags: int, content: bytes) -> bytes:
        """The frame, compressed if `flags` ask for it and it is worthwhile, as its own flags then say."""
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
    """Opens the frames that an `Encoder` sealed, in the same order.

    `open` gives a frame's content as a whole. `begin` gives its first piece; while `is_amid`, `go_on` gives
    the next one.
    """

    __slots__ = ("_checksum", "_expected", "_inflate", "_most", "_rest", "_so_far", "inflated", "is_amid")

    def __init__(self, inflated_bytes: int) -> None:
        self._most = inflated_bytes
        self._checksum = 0
        self._inflate: zlib._Decompress | None = None
        self._rest = b""
        """What of the present frame is not inflated yet."""
        self._so_far = 0
        """Bytes that the present frame has inflated to."""
        self._expected = b""
        """The present frame's checksum."""
        self.is_amid = False
        """Whether more of the present frame is to come."""
        self.inflated = 0
        """Bytes that all compressed frames have inflated to."""

    @property
    def held(self) -> int:
        """Bytes that the inflate stream takes."""
        return 0 if self._inflate is None else _INFLATE_BYTES

    def open(self, frame: bytes, start: int, flags: int) -> bytes:
        """The content of a frame whose header ends at `start`. Raises as `begin`."""
        pieces = [self.begin(frame, start, flags)]
        while self.is_amid:
            pieces.append(self.go_on())
        return b"".join(pieces)

    def begin(self, frame: bytes, start: int, flags: int) -> bytes:
        """The first piece of the content of a frame whose header ends at `start`, mostly all of it.

        The checksum is judged with the last piece. Raises FrameTruncatedError, DeflateInvalidError,
        InflatedTooLargeError or ChecksumMismatchError; after any of them the decoder is of no use.
        """
        end = len(frame) - CHECKSUM_BYTES
        if end < start:
            raise FrameTruncatedError("a frame ends within its checksum")
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
        """The next piece of the present frame, which `is_amid`. Raises as `begin`."""
        return self._inflated(self._rest)

    def _inflated(self, content: bytes) -> bytes:
        inflate = self._inflate
        if inflate is None:
            inflate = self._inflate = zlib.decompressobj(_RAW)
        try:
            # One byte more than allowed: enough to see that there is more, never to hold it.
            plain = inflate.decompress(content, min(PIECE, self._most + 1 - self._so_far))
        except zlib.error as error:
            msg = f"a compressed frame cannot be inflated: {error}"
            raise DeflateInvalidError(msg) from error
        size = len(plain)
        self._so_far += size
        self.inflated += size
        if self._so_far > self._most:
            msg = f"a compressed frame inflates to more than {self._most} bytes"
            raise InflatedTooLargeError(msg)
        if inflate.eof:
            raise DeflateInvalidError("a compressed frame ends the stream that all frames share")
        self._checksum = checksum = zlib.crc32(plain, self._checksum)
        # A piece that is full may be followed by what zlib holds back, even if all input is used up.
        self.is_amid = size == PIECE
        if self.is_amid:
            self._rest = inflate.unconsumed_tail
        elif checksum != int.from_bytes(self._expected, "big"):
            raise _mismatch(checksum, self._expected)
        return plain


def _mismatch(checksum: int, told: bytes) -> ChecksumMismatchError:
    return ChecksumMismatchError(f"the checksum should be {checksum:08x} and is {told.hex()}")
