"""WebSocket framing (RFC 6455) without I/O: bytes in, whole binary messages out, and the other way round.

The `websockets` package's own protocol decides everything but the one thing that nearly all traffic is: a
whole binary frame within the limit. Those are taken apart and put together here, because replication sends
very many of 300 bytes, and the package's parser of generators takes 5 µs for each, this one 0.7. What is no
such frame goes to the package byte by byte as it arrives, so that it always stands at the beginning of a
frame when we take over again. Both give the same messages and the same close codes.
"""

import logging
import secrets
import struct
from dataclasses import dataclass
from typing import Final

from websockets.frames import BINARY, CONT, PING, CloseCode, Frame
from websockets.protocol import OPEN, SEND_EOF, Protocol, Side

try:
    from websockets.speedups import apply_mask
except ImportError:  # A build of the package without a compiler: right, and twenty times slower.
    from websockets.utils import apply_mask

DEFAULT_FRAME_BYTES: Final = 64 * 1024

package_log: Final = logging.getLogger(f"{__name__}.websockets")
"""Given to the package's protocols: what they say about each connection, our own log says better."""
package_log.setLevel(logging.WARNING)

# RFC 6455, 5.2: FIN and an opcode; MASK and a length, 126 or 127 standing for one of two or eight bytes.
_WHOLE_BINARY: Final = 0x82
_KNOWN: Final = frozenset(fin | opcode for fin in (0, 0x80) for opcode in (0, 1, 2, 8, 9, 10))
_MASK: Final = 0x80
_HEADER_16: Final = struct.Struct("!BBH").pack
_HEADER_64: Final = struct.Struct("!BBQ").pack
_KEY_BYTES: Final = 4
_KEYS_AT_ONCE: Final = 256  # One call of the system for many masking keys: 1 µs each otherwise.
_REASON_BYTES: Final = 123  # RFC 6455, 5.5: a control frame carries 125 bytes, two are the code.


@dataclass(frozen=True, slots=True)
class Goodbye:
    """A close code and the words with it."""

    code: int
    reason: str


class Framing:
    """One connection after its handshake. `protocol` is open, and has a limit for the size of messages."""

    def __init__(self, protocol: Protocol) -> None:
        if protocol.max_message_size is None or protocol.extensions:
            msg = "framing needs a limit for messages, and knows no extensions"
            raise ValueError(msg)
        self._protocol = protocol
        self._max_size = protocol.max_message_size
        self._out: list[bytes] = []
        self._pong: list[bytes] = []
        """The answer to the last ping. Earlier ones need none (RFC 6455, 5.5.3): a flood must not fill us."""
        self._masks_in = _MASK if protocol.side is Side.SERVER else 0
        self._masks_out = _MASK if protocol.side is Side.CLIENT else 0
        self._keys = b""
        self._key_at = 0
        self._tail = bytearray()
        """The beginning of a frame whose rest has not come."""
        self._needed = 0
        """How long `_tail` must be before another look is worth it."""
        self._lent = 0
        """Bytes of a frame given to the package that are still to come."""
        self._message: bytearray | None = None
        """What has come of a fragmented message."""
        self.is_open = protocol.state is OPEN
        """Whether nobody has said goodbye."""
        self.failure: Goodbye | None = None
        """How the peer broke the protocol; it has been told so, and nothing it sends is read any more."""
        self.peer_goodbye: Goodbye | None = None
        """The peer's close frame; it has been answered, and nothing comes after it."""

    @property
    def has_output(self) -> bool:
        """Whether `take` has something to write."""
        return bool(self._out or self._pong)

    # Out

    def send(self, frame: bytes) -> None:
        """Put one binary message in line. Only while open."""
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
        """Put a ping in line. Only while open."""
        self._protocol.send_ping(b"")
        self._collect(self._out)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye; nothing can be sent after it. Only while open."""
        short = reason.encode(errors="replace")[:_REASON_BYTES].decode(errors="ignore")
        self._protocol.send_close(code, short)
        self.is_open = False
        self._collect(self._out)

    def take(self) -> bytes:
        """All that is to be written, once."""
        out = self._out
        if self._pong:
            # A close frame, if there is one, is the last; the answer to a ping must not come after it.
            out = self._pong + out
            self._pong = []
        self._out = []
        return b"".join(out)

    # In

    def receive(self, data: bytes) -> list[bytes]:
        """The messages that are whole now. Look at `failure`, `peer_goodbye` and `has_output` after it."""
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
        """Append whole binary frames; where they end.

        There, either nothing follows; or a frame begins that is for the package, and `_lent` is its length;
        or one that is not whole, and `_needed` is the number of bytes it takes to go on.
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
                lent = end - position  # The package will find it wrong at once.
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
        """Give the package what has come of a frame; where the frame, or the data, ends."""
        piece = data[position : position + self._lent]
        self._lent -= len(piece)
        protocol = self._protocol
        was_open = protocol.state is OPEN
        protocol.receive_data(piece)
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            self._happened(event, frames)
        if protocol.parser_exc is not None and self.failure is None:
            said = protocol.close_sent if was_open else None
            code = said.code if said else CloseCode.PROTOCOL_ERROR
            self.failure = Goodbye(int(code), said.reason if said else str(protocol.parser_exc))
        elif protocol.close_rcvd is not None and self.failure is None:
            self.peer_goodbye = Goodbye(int(protocol.close_rcvd.code), protocol.close_rcvd.reason)
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
            self.failure = Goodbye(int(CloseCode.UNSUPPORTED_DATA), "a text message; only binary ones are")
            self._protocol.fail(CloseCode.UNSUPPORTED_DATA, "only binary messages are understood here")

    def _collect(self, into: list[bytes]) -> None:
        into += [piece for piece in self._protocol.data_to_send() if piece is not SEND_EOF and piece]
