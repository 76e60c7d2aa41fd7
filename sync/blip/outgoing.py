"""The messages on their way out, and which of them sends the next frame.

A message first waits its turn to begin; messages begin in the order in which they were queued. If its first
frame is not its last, it is under way: it takes turns with the others until it is sent, and pauses whenever
`WINDOW` bytes of it are unacknowledged.

Turns go round. An urgent message overtakes all that are under way, but not those that have yet to begin;
while both urgent and ordinary frames are ready they alternate, so that neither starves.
"""

import io
from collections import deque
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from sync.blip import properties as properties_form
from sync.blip.frames import MORE_COMING, URGENT
from sync.blip.limits import BIG_FRAME, WINDOW, Limits

OVERHEAD: Final = 32
"""Bytes of a frame kept for its header, its checksum, and what deflate adds to what will not shrink."""


class Source(Protocol):
    """Where the body of an outgoing message is read from as it is sent: any binary file, for one."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


class Outgoing(msgspec.Struct, eq=False):
    """One message: what of it is still to be sent, and how far the peer has acknowledged it."""

    number: int
    key: int
    """Twice the number, and one more for a reply: requests and replies number separately."""
    flags: int
    content: bytes
    """What has been read and not been taken."""
    source: Source | None = None
    """Where the rest is read from, if there may be more."""
    in_parts: bool = False
    """Whether the reply to this request is wanted in parts."""
    sent: int = 0
    """Bytes of frames after their headers; what the peer counts in its acknowledgements."""
    acknowledged: int = 0
    ticket: int = 0
    """Its place in the round."""
    held: int = 0
    """Bytes that it takes here until it is sent; those of a file are not here."""

    def take(self, size: int) -> bytes:
        """The next bytes for a frame, `size` at most; afterwards `flags` say whether more are coming.

        Passes on what the source raises.
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
        """Whether so much is unacknowledged that the peer must speak first."""
        return self.sent - self.acknowledged >= WINDOW


def prepare(
    properties: Mapping[str, str], body: bytes | Source, limits: Limits
) -> tuple[bytes, Source | None, int]:
    """A message's encoded beginning, where the rest of it is read from, if any, and the bytes held for it.

    A body that fits a frame or so is joined to the properties; a larger one is not copied. Raises
    UnsendableMessageError.
    """
    head = properties_form.encode(properties, limits)
    if not isinstance(body, bytes):
        return head, body, len(head)
    held = len(head) + len(body)
    if len(body) <= BIG_FRAME:
        return head + body, None, held
    return head, io.BytesIO(body), held


class Outbox:
    """Queued messages, in the order and shares in which they are to be sent."""

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
        self._waiting: deque[Outgoing] = deque()
        self._normal: deque[Outgoing] = deque()
        self._urgent: deque[Outgoing] = deque()
        self._paused: dict[int, Outgoing] = {}
        self._under_way: dict[int, Outgoing] = {}
        self._ticket = 0
        """Counts whatever lines up, so that messages waiting and under way share one round."""
        self._after_urgent = False
        self.held = 0
        """Bytes of all messages not yet wholly taken."""

    def __len__(self) -> int:
        """Messages not yet wholly taken."""
        return len(self._waiting) + len(self._under_way)

    def add(self, message: Outgoing) -> None:
        """Queue a message that has not begun."""
        self._ticket = message.ticket = self._ticket + 1
        self.held += message.held
        self._waiting.append(message)

    def pop(self) -> Outgoing | None:
        """The message whose turn it is, or None. `put_back` it if it has more to send, else `finish` it."""
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
        """Whether something urgent could be sent now."""
        return bool(self._urgent or (self._waiting and self._waiting[0].flags & URGENT))

    def put_back(self, message: Outgoing, frame_bytes: int) -> None:
        """It has sent this much, and has more to send: it goes to the end of its round, or pauses."""
        message.sent += frame_bytes
        self._under_way[message.key] = message
        if message.must_pause:
            self._paused[message.key] = message
        else:
            self._line_up(message)

    def finish(self, message: Outgoing) -> None:
        """Its last frame is sent."""
        self.held -= message.held
        self._under_way.pop(message.key, None)

    def find(self, key: int) -> Outgoing | None:
        """The message of this key, if it is under way."""
        return self._under_way.get(key)

    def acknowledge(self, message: Outgoing, frame_bytes: int) -> None:
        """The peer has this much of it; if it was paused for that, it goes on."""
        message.acknowledged = max(message.acknowledged, frame_bytes)
        if message.key in self._paused and not message.must_pause:
            del self._paused[message.key]
            self._line_up(message)

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self._normal.clear()
        self._urgent.clear()
        self._paused.clear()
        self._under_way.clear()
        self.held = 0

    def _line_up(self, message: Outgoing) -> None:
        self._ticket = message.ticket = self._ticket + 1
        (self._urgent if message.flags & URGENT else self._normal).append(message)


def _earlier(one: deque[Outgoing], other: deque[Outgoing]) -> deque[Outgoing]:
    if one and other:
        return one if one[0].ticket <= other[0].ticket else other
    return one or other
