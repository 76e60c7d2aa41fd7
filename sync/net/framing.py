"""WebSocket framing (RFC 6455) without I/O: converts bytes to complete binary messages, and vice versa.

Nearly all traffic consists of unfragmented binary frames within the size limit. This module parses and builds
such frames itself, because replication sends very many frames of 300 bytes. For each frame, the
generator-based parser of the `websockets` package takes 5 µs, and the parser in this module takes 0.7 µs.

All other frames are passed to the package's protocol as their bytes arrive, but without any bytes of the next
frame. So when the parser in this module continues, the package's parser is always at the beginning of a
frame. Both parsers produce the same messages and the same close codes.
"""

import logging
import secrets
import struct
from dataclasses import dataclass
from typing import Final

from websockets.frames import BINARY, CONT, PING, Frame
from websockets.protocol import OPEN, SEND_EOF, Protocol, Side

from sync.blip.close_codes import CloseCode

try:
    from websockets.speedups import apply_mask
except ImportError:  # `websockets` was built without a compiler; this function is twenty times slower
    from websockets.utils import apply_mask

DEFAULT_FRAME_BYTES: Final = 64 * 1024

package_log: Final = logging.getLogger(f"{__name__}.websockets")
"""Logger for the `websockets` package's protocols, whose messages are less specific than our own."""
package_log.setLevel(logging.WARNING)

# RFC 6455, 5.2. The first byte contains FIN and the opcode. The second contains MASK and the length. The
# values 126 and 127 mean that the length follows, in two or eight bytes.
_WHOLE_BINARY: Final = 0x82
_KNOWN: Final = frozenset(fin | opcode for fin in (0, 0x80) for opcode in (0, 1, 2, 8, 9, 10))
_MASK: Final = 0x80
_HEADER_16: Final = struct.Struct("!BBH").pack
_HEADER_64: Final = struct.Struct("!BBQ").pack
_KEY_BYTES: Final = 4
_KEYS_AT_ONCE: Final = 256  # One system call provides many masking keys. A call for each key would take 1 µs.
_REASON_BYTES: Final = 123  # RFC 6455, 5.5: a control frame carries 125 bytes, of which the code takes two.


@dataclass(frozen=True, slots=True)
class CloseReason:
    """A WebSocket close code and the reason sent with it."""

    code: int
    reason: str


class Framing:
    """The WebSocket framing of one connection after its handshake.

    `protocol` must be open, with a limit on the size of messages and without extensions.
    """

    def __init__(self, protocol: Protocol) -> None:
        if protocol.max_message_size is None or protocol.extensions:
            msg = "framing needs a message size limit, and does not support extensions"
            raise ValueError(msg)
        self._protocol = protocol
        self._max_size = protocol.max_message_size
        self._out: list[bytes] = []
        self._pong: list[bytes] = []
        """The queued pong for the last ping; empty if there is none.

        Earlier pings need no pong (RFC 6455, 5.5.3), so a flood of pings cannot fill the memory.
        """
        self._masks_in = _MASK if protocol.side is Side.SERVER else 0
        self._masks_out = _MASK if protocol.side is Side.CLIENT else 0
        self._keys = b""
        self._key_at = 0
        self._tail = bytearray()
        """The beginning of a frame that is still incomplete."""
        self._needed = 0
        """Number of bytes that `_tail` must contain before parsing can continue."""
        self._lent = 0
        """Number of bytes still missing from the frame that is being passed to the `websockets` package."""
        self._message: bytearray | None = None
        """The part of a fragmented message's payload that has been received."""
        self.is_open = protocol.state is OPEN
        """True until either side has sent a close frame."""
        self.failure: CloseReason | None = None
        """The peer's protocol violation; None if there was none.

        A close frame that reports the violation to the peer is queued, and all further data is ignored.
        """
        self.peer_goodbye: CloseReason | None = None
        """The peer's close frame; None if none has arrived.

        When it arrives, our close frame is queued as the last frame.
        """

    @property
    def has_output(self) -> bool:
        """True if `take` would return bytes to write."""
        return bool(self._out or self._pong)

    # Sending

    def send(self, frame: bytes) -> None:
        """Queue one binary message. Call this only while the connection is open."""
        length, masks = len(frame), self._masks_out
        if length < 126:
            header = bytes((_WHOLE_BINARY, masks | length))
        elif length < 65536:
            header = _HEADER_16(_WHOLE_BINARY, masks | 126, length)
        else:
            header = _HEADER_64(_WHOLE_BINARY, masks | 127, length)
        out = self._out
        if not masks:
            out.append(header)
            out.append(frame)
            return
        at = self._key_at
        if at == len(self._keys):
            self._keys, at = secrets.token_bytes(_KEY_BYTES * _KEYS_AT_ONCE), 0
        self._key_at = stop = at + _KEY_BYTES
        key = self._keys[at:stop]
        out.append(header + key)
        out.append(apply_mask(frame, key))

    def ping(self) -> None:
        """Queue a ping. Call this only while the connection is open."""
        self._protocol.send_ping(b"")
        self._collect(self._out)

    def close(self, code: int, reason: str) -> None:
        """Queue a close frame. Nothing can be sent after a close frame.

        Call this only while the connection is open.
        """
        short = reason.encode(errors="replace")[:_REASON_BYTES].decode(errors="ignore")
        self._protocol.send_close(code, short)
        self.is_open = False
        self._collect(self._out)

    def take(self) -> bytes:
        """Return all queued bytes, and empty the queue."""
        out = self._out
        if self._pong:
            # A close frame must come last, after a pong.
            out = self._pong + out
            self._pong = []
        self._out = []
        return b"".join(out)

    # Receiving

    def receive(self, data: bytes) -> list[bytes]:
        """Process received bytes, and return the binary messages that they complete.

        After each call, the caller must check `failure`, `peer_goodbye` and `has_output`.
        """
        frames: list[bytes] = []
        if self._tail:
            self._tail += data
            if len(self._tail) < self._needed:
                return frames
            data = bytes(self._tail)
            self._tail.clear()
        position, end = 0, len(data)
        if self._lent:
            position = self._lend(data, 0, frames)
        while position < end and not self._is_deaf:
            position = self._take_apart(data, position, frames)
            if self._needed:
                self._tail += data[position:]
                return frames
            if position < end and not self._is_deaf:
                position = self._lend(data, position, frames)
        return frames

    @property
    def _is_deaf(self) -> bool:
        return self.failure is not None or self.peer_goodbye is not None

    def _take_apart(self, data: bytes, position: int, frames: list[bytes]) -> int:
        """Append the payload of each complete, unfragmented binary frame to `frames`.

        Return the position after these frames. If a different kind of frame follows, `_lent` is set to the
        length of that frame. If an incomplete frame follows, `_needed` is set to the number of bytes that are
        required to continue.
        """
        end, masks, max_size = len(data), self._masks_in, self._max_size
        key_bytes = _KEY_BYTES if masks else 0
        is_between = self._message is None
        needed = lent = 0
        while position < end:
            start = position + 2
            if start > end:
                needed = 2
                break
            first, length = data[position], data[position + 1] ^ masks
            if length >= _MASK or first not in _KNOWN:
                lent = end - position  # the frame is invalid, and the `websockets` package will report that
                break
            if length >= 126:
                is_short = length == 126
                start += 2 if is_short else 8
                if start > end:
                    needed = start - position
                    break
                length = (
                    data[start - 2] << 8 | data[start - 1]
                    if is_short
                    else int.from_bytes(data[position + 2 : start], "big")
                )
                if length > max_size:
                    lent = end - position
                    break
            body = start + key_bytes
            stop = body + length
            if first != _WHOLE_BINARY or not is_between:
                lent = stop - position
                break
            if stop > end:
                needed = stop - position
                break
            frames.append(apply_mask(data[body:stop], data[start:body]) if masks else data[body:stop])
            position = stop
        self._needed, self._lent = needed, lent
        return position

    def _lend(self, data: bytes, position: int, frames: list[bytes]) -> int:
        """Pass the received part of a frame to the `websockets` package.

        Return the position after that part.
        """
        piece = data[position : position + self._lent]
        self._lent -= len(piece)
        protocol = self._protocol
        was_open = protocol.state is OPEN
        protocol.receive_data(piece)
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            self._happened(event, frames)
        if protocol.parser_exc is not None and self.failure is None:
            close = protocol.close_sent if was_open else None
            code = close.code if close else CloseCode.PROTOCOL_ERROR
            self.failure = CloseReason(int(code), close.reason if close else str(protocol.parser_exc))
        elif protocol.close_rcvd is not None and self.failure is None:
            self.peer_goodbye = CloseReason(int(protocol.close_rcvd.code), protocol.close_rcvd.reason)
        self.is_open = protocol.state is OPEN
        self._collect(self._out)
        return position + len(piece)

    def _happened(self, event: Frame, frames: list[bytes]) -> None:
        opcode = event.opcode
        if opcode is BINARY or (opcode is CONT and self._message is not None):
            message = self._message = self._message if self._message is not None else bytearray()
            message += event.data
            if event.fin:
                frames.append(bytes(message))
                self._message = None
        elif opcode is PING:
            self._pong = []
            self._collect(self._pong)
        elif opcode in (CONT, 1):
            self.failure = CloseReason(
                CloseCode.UNSUPPORTED_DATA, "received a text message; only binary messages are accepted"
            )
            self._protocol.fail(CloseCode.UNSUPPORTED_DATA, "only binary messages are accepted")

    def _collect(self, into: list[bytes]) -> None:
        into += [piece for piece in self._protocol.data_to_send() if piece is not SEND_EOF and piece]
