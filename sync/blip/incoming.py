"""Messages that come in more than one frame, until they are whole, and the acknowledgements they are owed.

Limits are checked as bytes arrive, so that nothing grows past them, and properties as soon as their size is
known. Messages of a single frame never come here.
"""

from sync.blip import properties as properties_form
from sync.blip.errors import (
    ArrivingTooLargeError,
    FlowControlIgnoredError,
    MessageTooLargeError,
    TooManyArrivingError,
)
from sync.blip.limits import ACKNOWLEDGE_EVERY, Limits


class Arrival:
    """One message of which more is coming."""

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
        """Twice its number, and one more for a reply."""
        self.flags = flags
        """Of its first frame; they hold for the message."""
        self.in_parts = in_parts
        """Whether its body is handed on as it comes, rather than held."""
        self.content = bytearray()
        self.total = 0
        """Bytes of properties and body so far, whether they are held or not."""
        self.too_large = False
        """Whether the body is longer than is kept; nothing of it is held then."""
        self.received = 0
        """Bytes of its frames after their headers."""
        self.noted = 0
        """Of these, how many the last acknowledgement queued for it told of, or will tell of."""
        self.acknowledged = 0
        """Of these, how many the peer has been told of."""
        self._properties_end: int | None = None
        """Where in `content` the properties end and the body begins, once that is known."""

    def add(self, content: bytes, limits: Limits) -> None:
        """More of it. Raises PropertiesTooLargeError or VarintInvalidError, as soon as it can be known."""
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
        """What there is of the body, no longer held here."""
        end = self._properties_end
        if end is None or len(self.content) <= end:
            return b""
        part = bytes(memoryview(self.content)[end:])
        del self.content[end:]
        return part


class Inbox:
    """The messages that are arriving."""

    __slots__ = ("_arriving", "_held", "_limits", "_owed")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._arriving: dict[int, Arrival] = {}
        self._held = 0
        """Bytes of all messages here together."""
        self._owed: dict[int, Arrival] = {}
        """Messages to acknowledge; at most one acknowledgement each, however long the peer lets us wait."""

    @property
    def held(self) -> int:
        """Bytes of all messages here together."""
        return self._held

    def holds(self, key: int) -> bool:
        """Whether the message of this key is arriving."""
        return key in self._arriving

    def begin(self, key: int, flags: int, *, in_parts: bool = False) -> None:
        """A message begins. Raises TooManyArrivingError."""
        if len(self._arriving) >= self._limits.arriving_messages:
            msg = f"{len(self._arriving)} messages have begun and not ended; that is the limit"
            raise TooManyArrivingError(msg)
        self._arriving[key] = Arrival(key, flags, in_parts)

    def add(self, key: int, content: bytes, frame_bytes: int) -> bytes:
        """A frame's content; `frame_bytes` is what it took in the frame, checksum included.

        What it returns, if anything, is the next part of a message that is wanted in parts. Raises
        MessageTooLargeError, ArrivingTooLargeError, PropertiesTooLargeError, VarintInvalidError or
        FlowControlIgnoredError.
        """
        limits = self._limits
        arrival = self._arriving[key]
        before = len(arrival.content)
        arrival.add(content, limits)
        part = arrival.take_part() if arrival.in_parts else b""
        size = len(arrival.content)
        if size > limits.message_bytes or (arrival.total > limits.message_bytes and not arrival.in_parts):
            msg = f"a message of more than {limits.message_bytes} bytes"
            raise MessageTooLargeError(msg)
        self._held += size - before
        if self._held > limits.arriving_bytes:
            msg = f"{len(self._arriving)} arriving messages hold more than {limits.arriving_bytes} bytes"
            raise ArrivingTooLargeError(msg)
        self._count(arrival, frame_bytes)
        return part

    def _count(self, arrival: Arrival, frame_bytes: int) -> None:
        arrival.received += frame_bytes
        ignored = arrival.received - arrival.acknowledged
        if ignored > self._limits.unacknowledged_bytes:
            msg = f"{ignored} bytes of a message sent without waiting for an acknowledgement"
            raise FlowControlIgnoredError(msg)
        if arrival.received - arrival.noted >= ACKNOWLEDGE_EVERY:
            arrival.noted = arrival.received
            self._owed[arrival.key] = arrival

    def finish(self, key: int) -> Arrival:
        """The message, whose last frame has been added; it is no longer here."""
        arrival = self._arriving.pop(key)
        self._owed.pop(key, None)
        self._held -= len(arrival.content)
        return arrival

    def next_owed(self) -> Arrival | None:
        """The next message to acknowledge, all that was received of it; it counts as told."""
        if not self._owed:
            return None
        arrival = self._owed.pop(next(iter(self._owed)))
        arrival.acknowledged = arrival.noted = arrival.received
        return arrival

    def clear(self) -> None:
        """Forget everything."""
        self._arriving.clear()
        self._owed.clear()
        self._held = 0
