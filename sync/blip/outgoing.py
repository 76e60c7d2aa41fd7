"""Outgoing messages, and the order in which their frames are sent.

Messages are started in the order in which they were queued. A message with several frames is in progress
after its first frame. The messages in progress send one frame each in rotation. A message pauses while
`WINDOW` bytes of it are unacknowledged.

An urgent message overtakes messages that are in progress, but not messages that have not been started. While
both urgent and ordinary frames are ready, they alternate, so that neither kind waits indefinitely.
"""

import io
from collections import deque
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from sync.blip import properties as properties_form
from sync.blip.frames import MORE_COMING, URGENT
from sync.blip.limits import BIG_FRAME, WINDOW, ConnectionLimits

OVERHEAD: Final = 32
"""Bytes reserved in a frame for its header and checksum, and for the growth of incompressible data."""


class BodySource(Protocol):
    """A source of an outgoing message's body, such as a binary file. It is read while the body is sent."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; empty at the end."""


class OutgoingMessage(msgspec.Struct, eq=False):
    """An outgoing message: the part that has not been sent, and the peer's acknowledgements."""

    number: int
    key: int
    """Key of the message: twice its number, plus one for a reply.

    Requests and replies are numbered separately.
    """
    flags: int
    content: bytes
    """Bytes that have been read from the source but not put into a frame yet."""
    source: BodySource | None = None
    """Source of the remaining bytes; None if no bytes remain."""
    in_parts: bool = False
    """True if the reply to this request is requested in parts."""
    sent: int = 0
    """Number of bytes sent in frames, without headers. The peer's acknowledgements count the same bytes."""
    acknowledged: int = 0
    ticket: int = 0
    """Position of the message in the rotation."""
    held: int = 0
    """Memory that the message uses until it is sent, in bytes, not counting data in a file."""

    def take(self, size: int) -> bytes:
        """Return the next bytes for a frame, at most `size`.

        Afterwards, `flags` shows whether more bytes follow. Exceptions raised by the source are propagated.
        """
        content = self.content
        source = self.source
        while source is not None and len(content) <= size:
            read = source.read(BIG_FRAME)
            if not read:
                source = self.source = None
            content += read
        if len(content) <= size:
            self.flags &= ~MORE_COMING
            self.content = b""
            return content
        self.flags |= MORE_COMING
        self.content = content[size:]
        return content[:size]

    @property
    def must_pause(self) -> bool:
        """True if the message must wait because too many of its bytes are unacknowledged."""
        return self.sent - self.acknowledged >= WINDOW


def prepare(
    properties: Mapping[str, str], body: bytes | BodySource, limits: ConnectionLimits
) -> tuple[bytes, BodySource | None, int]:
    """Encode the beginning of a message.

    Return the encoded bytes, the source of the remaining bytes (or None), and the number of bytes in memory.

    A body of up to about one frame is joined to the properties. A larger body is not copied. Raises
    UnsendableMessageError if the message cannot be encoded or exceeds a limit.
    """
    head = properties_form.encode(properties, limits)
    if not isinstance(body, bytes):
        return head, body, len(head)
    held = len(head) + len(body)
    if len(body) <= BIG_FRAME:
        return head + body, None, held
    return head, io.BytesIO(body), held


class SendQueue:
    """Queue of outgoing messages, which selects the message that sends the next frame."""

    __slots__ = (
        "_after_urgent",
        "_normal",
        "_paused",
        "_ticket",
        "_under_way",
        "_urgent",
        "_waiting",
        "held",
    )

    def __init__(self) -> None:
        self._waiting: deque[OutgoingMessage] = deque()
        self._normal: deque[OutgoingMessage] = deque()
        self._urgent: deque[OutgoingMessage] = deque()
        self._paused: dict[int, OutgoingMessage] = {}
        self._under_way: dict[int, OutgoingMessage] = {}
        self._ticket = 0
        """Counter for the positions of messages, both waiting and in progress, in the rotation."""
        self._after_urgent = False
        self.held = 0
        """Memory used by all messages that are not completely sent yet, in bytes."""

    def __len__(self) -> int:
        """Return the number of messages that are not completely sent."""
        return len(self._waiting) + len(self._under_way)

    def add(self, message: OutgoingMessage) -> None:
        """Queue a message of which no frame has been sent."""
        self._ticket = message.ticket = self._ticket + 1
        self.held += message.held
        self._waiting.append(message)

    def pop(self) -> OutgoingMessage | None:
        """Return the message that sends the next frame, or None.

        Call `put_back` afterwards if the message has more frames to send, otherwise call `finish`.
        """
        waiting, normal, urgent = self._waiting, self._normal, self._urgent
        if not normal and not urgent:
            return waiting.popleft() if waiting else None
        if waiting and waiting[0].flags & URGENT:
            urgent = _earlier(waiting, urgent)
        else:
            normal = _earlier(waiting, normal)
        chosen = urgent if urgent and not (self._after_urgent and normal) else normal
        self._after_urgent = chosen is urgent
        return chosen.popleft()

    @property
    def urgent_is_ready(self) -> bool:
        """True if an urgent message could be sent now."""
        return bool(self._urgent or (self._waiting and self._waiting[0].flags & URGENT))

    def put_back(self, message: OutgoingMessage, frame_bytes: int) -> None:
        """Move a message that has sent `frame_bytes` bytes to the end of the rotation, or pause it."""
        message.sent += frame_bytes
        self._under_way[message.key] = message
        if message.must_pause:
            self._paused[message.key] = message
        else:
            self._line_up(message)

    def finish(self, message: OutgoingMessage) -> None:
        """Remove a message whose last frame was sent."""
        self.held -= message.held
        self._under_way.pop(message.key, None)

    def find(self, key: int) -> OutgoingMessage | None:
        """Return the message with this key if it is in progress; otherwise None."""
        return self._under_way.get(key)

    def acknowledge(self, message: OutgoingMessage, frame_bytes: int) -> None:
        """Record the number of bytes that the peer has acknowledged, and resume a paused message."""
        message.acknowledged = max(message.acknowledged, frame_bytes)
        if message.key in self._paused and not message.must_pause:
            del self._paused[message.key]
            self._line_up(message)

    def clear(self) -> None:
        """Discard all queued messages."""
        self._waiting.clear()
        self._normal.clear()
        self._urgent.clear()
        self._paused.clear()
        self._under_way.clear()
        self.held = 0

    def _line_up(self, message: OutgoingMessage) -> None:
        self._ticket = message.ticket = self._ticket + 1
        (self._urgent if message.flags & URGENT else self._normal).append(message)


def _earlier(one: deque[OutgoingMessage], other: deque[OutgoingMessage]) -> deque[OutgoingMessage]:
    if one and other:
        return one if one[0].ticket <= other[0].ticket else other
    return one or other
