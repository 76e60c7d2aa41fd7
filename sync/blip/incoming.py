"""Received messages whose last frame has not arrived yet, and the acknowledgements for them.

Limits are checked as bytes arrive, and the limits on properties as soon as the size of the properties is
known. This module does not handle messages that consist of a single frame.
"""

from sync.blip import properties as properties_form
from sync.blip.errors import (
    ArrivingTooLargeError,
    FlowControlIgnoredError,
    MessageTooLargeError,
    TooManyArrivingError,
)
from sync.blip.limits import ACKNOWLEDGE_EVERY, ConnectionLimits


class IncomingMessage:
    """A message of which some frames have not arrived yet."""

    __slots__ = (
        "_properties_end",
        "acknowledged",
        "content",
        "flags",
        "in_parts",
        "key",
        "noted",
        "received",
        "too_large",
        "total",
    )

    def __init__(self, key: int, flags: int, in_parts: bool) -> None:
        self.key = key
        """Key of the message: twice its number, plus one for a reply."""
        self.flags = flags
        """Flags of the first frame, which apply to the whole message."""
        self.in_parts = in_parts
        """True if the body is passed on in parts as it arrives, instead of being kept in memory."""
        self.content = bytearray()
        self.total = 0
        """Number of bytes of properties and body received so far, including bytes that are not kept."""
        self.too_large = False
        """True if the body is longer than `kept_bytes`, in which case no part of the body is kept."""
        self.received = 0
        """Number of bytes received in the message's frames, not counting the frame headers."""
        self.noted = 0
        """Value of `received` in the last acknowledgement that was queued."""
        self.acknowledged = 0
        """Value of `received` in the last acknowledgement that was sent."""
        self._properties_end: int | None = None
        """Offset in `content` where the properties end and the body begins; None until known."""

    def add(self, content: bytes, limits: ConnectionLimits) -> None:
        """Append content. Raises PropertiesTooLargeError or VarintInvalidError as early as possible."""
        self.total += len(content)
        if self.too_large:
            return
        self.content += content
        if self._properties_end is None:
            self._properties_end = properties_form.announced_end(self.content, limits)
        end, size = self._properties_end, len(self.content)
        if size > limits.kept_bytes and not self.in_parts and end is not None and size >= end:
            self.too_large = True
            del self.content[end:]

    def take_part(self) -> bytes:
        """Return the received part of the body, and remove it from `content`."""
        end = self._properties_end
        if end is None or len(self.content) <= end:
            return b""
        part = bytes(memoryview(self.content)[end:])
        del self.content[end:]
        return part


class Inbox:
    """The incomplete messages of a connection."""

    __slots__ = ("_arriving", "_held", "_limits", "_owed")

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._arriving: dict[int, IncomingMessage] = {}
        self._held = 0
        """Total number of bytes kept for all incomplete messages."""
        self._owed: dict[int, IncomingMessage] = {}
        """Messages to acknowledge, by key.

        Each message appears only once, so a slow peer cannot fill the memory.
        """

    @property
    def bytes_held(self) -> int:
        """Total number of bytes kept for all incomplete messages."""
        return self._held

    def is_incomplete(self, key: int) -> bool:
        """Return True if the message with this key is incomplete."""
        return key in self._arriving

    def begin(self, key: int, flags: int, *, in_parts: bool = False) -> None:
        """Begin a message. Raises TooManyArrivingError if too many messages are incomplete."""
        if len(self._arriving) >= self._limits.arriving_messages:
            msg = f"{len(self._arriving)} messages have begun but not ended, which is the limit"
            raise TooManyArrivingError(msg)
        self._arriving[key] = IncomingMessage(key, flags, in_parts)

    def add(self, key: int, content: bytes, frame_bytes: int) -> bytes:
        """Add a frame's content to its message. Return the next part of a body that is passed on in parts.

        `frame_bytes` is the content's size in the frame, including the checksum. Raises MessageTooLargeError,
        ArrivingTooLargeError, PropertiesTooLargeError, VarintInvalidError or FlowControlIgnoredError.
        """
        limits = self._limits
        arrival = self._arriving[key]
        before = len(arrival.content)
        arrival.add(content, limits)
        part = arrival.take_part() if arrival.in_parts else b""
        size = len(arrival.content)
        if size > limits.message_bytes or (arrival.total > limits.message_bytes and not arrival.in_parts):
            msg = f"the message has more than {limits.message_bytes} bytes"
            raise MessageTooLargeError(msg)
        self._held += size - before
        if self._held > limits.arriving_bytes:
            msg = (
                f"{len(self._arriving)} incomplete messages together have more than {limits.arriving_bytes}"
                " bytes"
            )
            raise ArrivingTooLargeError(msg)
        self._count(arrival, frame_bytes)
        return part

    def _count(self, arrival: IncomingMessage, frame_bytes: int) -> None:
        arrival.received += frame_bytes
        ignored = arrival.received - arrival.acknowledged
        if ignored > self._limits.unacknowledged_bytes:
            msg = f"the peer sent {ignored} bytes of a message without waiting for an acknowledgement"
            raise FlowControlIgnoredError(msg)
        if arrival.received - arrival.noted >= ACKNOWLEDGE_EVERY:
            arrival.noted = arrival.received
            self._owed[arrival.key] = arrival

    def finish(self, key: int) -> IncomingMessage:
        """Return the message whose last frame has been added, and remove it."""
        arrival = self._arriving.pop(key)
        self._owed.pop(key, None)
        self._held -= len(arrival.content)
        return arrival

    def next_owed(self) -> IncomingMessage | None:
        """Return the next message to acknowledge, or None.

        Record that all bytes received so far for this message are acknowledged.
        """
        if not self._owed:
            return None
        arrival = self._owed.pop(next(iter(self._owed)))
        arrival.acknowledged = arrival.noted = arrival.received
        return arrival

    def clear(self) -> None:
        """Discard all incomplete messages."""
        self._arriving.clear()
        self._owed.clear()
        self._held = 0
