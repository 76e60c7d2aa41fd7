"""Constants of the MQTT gateway, each with its reason, and the window of messages in flight."""

from dataclasses import dataclass
from typing import Final

WINDOW_MESSAGES: Final = 100
"""Maximum number of messages in flight. After a connection breaks, these may be sent twice.

With a round-trip time of 600 ms (a satellite link), this allows 160 messages a second, more than such a link
can transfer.
"""
WINDOW_BYTES: Final = 1_000_000
"""Maximum number of bytes in flight. A single message may exceed this limit."""
RESERVED: Final = 4
"""Divisor of the send window.

The quotient is the part that is reserved for alarms, so that they never wait.
"""
FIRST_BYTES: Final = 65_536
LEAST_BYTES: Final = 16_384
"""Minimum size of the send window in bytes. The initial size is `FIRST_BYTES`."""
SLOW_S: Final = 2.0
"""Seconds after which an acknowledgement counts as late, because queues in the link are filling.

The send window then shrinks, so that an alarm does not wait for a minute of readings in a buffer of the
kernel or of a modem.
"""
PAGE_DOCUMENTS: Final = 64
PAGE_BYTES: Final = 262_144
"""Maximum number of bytes read from the store at once, which limits memory use for long backlogs."""
REPAIRS: Final = 16
"""Number of retained messages that are corrected before new documents are sent.

This limits how long an alarm waits.
"""
SAVE_DOCUMENTS: Final = 50
"""Number of confirmed documents after which the progress is written to the store immediately."""
SCAN: Final = 1_000
"""Number of feed entries that are checked before other tasks of the event loop may run."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts and intervals of an MQTT gateway, in seconds. Tests use shorter ones."""

    connect: float = 15.0
    """Timeout for the TCP connection, the TLS handshake and the broker's answer, each separately."""
    keepalive: int = 30
    """Interval of keepalive packets while no other packets are sent."""
    acknowledgement: float = 60.0
    """Maximum time without any acknowledgement while some are pending. The connection is then closed."""
    echo: float = 20.0
    """Maximum time from the acknowledgement of a message until the broker sends it back (MQTT 3.1.1)."""
    recorder: float = 2.0
    """Interval between checks of whether this vessel's recorder is working."""
    reading: float = 2.0
    """Time to wait for retained messages after the broker has answered the request that follows."""
    save: float = 10.0
    """Maximum time until received acknowledgements are recorded in the store, even if they are few."""
    refusal: float = 5.0
    """Time before a rejected message is offered again. It doubles after each rejection, up to `longest`."""
    retry: float = 2.0
    """Time before another attempt to connect. It doubles after each failure, up to `longest`."""
    longest: float = 300.0
    soon: float = 30.0
    """Maximum delay, instead of `longest`, if the host responds but no broker is running on it.

    So the subscribers of a restarted broker do not wait several minutes for messages. An attempt costs one
    packet in each direction.
    """
    probe: float = 5.0
    """Time to wait for a response that shows that a server is not a broker."""
    stop: float = 3.0
    """Maximum time that disconnecting may take."""
    refused: float = 3600.0
    """Interval, during a connection, at which one rejected document per reason is offered again."""


class SendWindow:
    """Limit on messages and bytes in flight. The limit on bytes adapts to the link.

    As in TCP, the window grows while acknowledgements are prompt, and is halved when an acknowledgement is
    late.
    """

    def __init__(self, *, messages: int = WINDOW_MESSAGES, most_bytes: int = WINDOW_BYTES) -> None:
        self.messages = max(1, messages)
        self._most = most_bytes
        self.bytes = min(FIRST_BYTES, most_bytes)
        self.sent_messages = self.sent_bytes = 0
        self._no_halving_before = float("-inf")

    def has_room_for(self, size: int, *, first: bool) -> bool:
        """Return True if a message of this size may be sent now.

        `first` is True for the lane with the highest priority.
        """
        if self.sent_messages == 0:
            return True
        messages, most = self.messages, self.bytes
        if not first:
            messages = max(1, messages - messages // RESERVED)
            most -= most // RESERVED
        return self.sent_messages < messages and self.sent_bytes + size <= most

    def sent(self, size: int) -> None:
        """Record that a message of this size was sent."""
        self.sent_messages += 1
        self.sent_bytes += size

    def answered(self, size: int, *, sent_at: float, now: float) -> None:
        """Record that the broker has answered a message of this size.

        The message was sent at `sent_at`; `now` is the current time. Both are in seconds, by the same clock.
        """
        self.sent_messages -= 1
        self.sent_bytes -= size
        if now - sent_at <= SLOW_S:
            self.bytes = min(self._most, self.bytes + size)
        elif sent_at >= self._no_halving_before:
            # Halve only once per round trip, because messages sent earlier are late for the same reason.
            self.bytes = max(LEAST_BYTES, self.bytes // 2)
            self._no_halving_before = now
