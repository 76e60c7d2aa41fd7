"""Numbers of the MQTT gateway, each with its reason, and what keeps within them. Pure."""

from dataclasses import dataclass
from typing import Final

WINDOW_MESSAGES: Final = 100
"""Messages that may be on their way at once; what a broken connection may bring twice. At a round trip of
600 ms (a satellite) that is 160 messages a second, more than such a line carries."""
WINDOW_BYTES: Final = 1_000_000
"""As `WINDOW_MESSAGES`, in bytes; one message may always be on its way, however long."""
RESERVED: Final = 4
"""One part in this many of the window is not for lanes but the first: an alarm never waits for a place."""
FIRST_BYTES: Final = 65_536
LEAST_BYTES: Final = 16_384
"""The window begins at `FIRST_BYTES` and is never below this."""
SLOW_S: Final = 2.0
"""An acknowledgement that takes this long says that the line's own queues are filling: the window shrinks,
so that an alarm does not stand behind a minute of readings in a buffer of the kernel or of a modem."""
PAGE_DOCUMENTS: Final = 64
PAGE_BYTES: Final = 262_144
"""Read from the store at a time: what a backlog takes of memory, however long it is."""
REPAIRS: Final = 16
"""Documents published once more before what is new has its turn: so long an alarm may wait."""
SAVE_DOCUMENTS: Final = 50
"""Confirmed documents after which the cursor is written down, whatever the time."""
SCAN: Final = 1_000
"""Entries of the feed of changes looked at before others in the event loop have their turn."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds; tests have less."""

    connect: float = 15.0
    """For TCP, TLS and the broker's answer, each."""
    keepalive: int = 30
    """Between signs of life while nothing else is sent."""
    acknowledgement: float = 60.0
    """Without any acknowledgement while some are owed: the connection is given up."""
    echo: float = 20.0
    """From a broker's acknowledgement until what it took is read back (MQTT 3.1.1)."""
    recorder: float = 2.0
    """Between looks at whether this vessel's recorder works."""
    reading: float = 2.0
    """For what a broker retains to come, behind its answer to what was asked after it."""
    save: float = 10.0
    """Until what was acknowledged is written down, if it is little."""
    refusal: float = 5.0
    """Before what was refused is offered again; doubles, to `longest` at most."""
    retry: float = 2.0
    """Before a connection is tried again; doubles, to `longest` at most."""
    longest: float = 300.0
    soon: float = 30.0
    """As `longest`, where a machine answers that no broker is there: a subscriber of one that has restarted
    does not wait for a minute. It costs a packet each way."""
    probe: float = 5.0
    """For whoever listens there, and is no broker, to say what it is."""
    stop: float = 3.0
    """For a goodbye."""
    refused: float = 3600.0
    """Until a refused document for each reason is offered again while a connection lasts."""


class Window:
    """How much may be on its way: messages and bytes, the bytes fitted to the line.

    As TCP does it: more while acknowledgements come soon, half when one comes late.
    """

    def __init__(self, *, messages: int = WINDOW_MESSAGES, most_bytes: int = WINDOW_BYTES) -> None:
        self.messages = max(1, messages)
        self._most = most_bytes
        self.bytes = min(FIRST_BYTES, most_bytes)
        self.sent_messages = self.sent_bytes = 0
        self._no_halving_before = float("-inf")

    def takes(self, size: int, *, first: bool) -> bool:
        """Whether a message of this size may be sent now; `first`: of the lane that goes before others."""
        if self.sent_messages == 0:
            return True
        messages, most = self.messages, self.bytes
        if not first:
            messages = max(1, messages - messages // RESERVED)
            most -= most // RESERVED
        return self.sent_messages < messages and self.sent_bytes + size <= most

    def sent(self, size: int) -> None:
        """A message is on its way."""
        self.sent_messages += 1
        self.sent_bytes += size

    def answered(self, size: int, *, sent_at: float, now: float) -> None:
        """The broker has answered to a message."""
        self.sent_messages -= 1
        self.sent_bytes -= size
        if now - sent_at <= SLOW_S:
            self.bytes = min(self._most, self.bytes + size)
        elif sent_at >= self._no_halving_before:
            # Once a round trip: what was sent before is late for the same reason.
            self.bytes = max(LEAST_BYTES, self.bytes // 2)
            self._no_halving_before = now
