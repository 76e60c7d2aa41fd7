"""Lanes: groups of documents that are forwarded independently, each in the order of the feed.

This module does no I/O. A lane records the position up to which the feed was read, and the documents that
were read but are not confirmed yet. The position up to which all documents of the lane were forwarded is
stored durably. When a connection breaks, all later documents are sent again, even if some were confirmed. So
the number of documents that are sent twice never exceeds the number that may be in flight.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from sync.gateway.mqtt.limits import WINDOW_MESSAGES
from sync.gateway.mqtt.messages import Message, is_published
from sync.gateway.progress import Backlog
from sync.gateway.report import RefusedDocument
from sync.mesh.link_streams import HISTORY

TRAIL: Final = WINDOW_MESSAGES
"""Number of documents that are sent again if the broker has lost this gateway's session.

When a broker is killed, it loses messages that it has acknowledged but not delivered yet.
"""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """Settings of a lane, a group of documents. A gateway lists its lanes in order of priority."""

    name: str
    """Name under which the lane's position is stored.

    A lane with a new name begins at the start of the changes feed.
    """
    holds: Callable[[str], bool]
    """Function that returns True if the document with a given id belongs to the lane.

    A document that belongs to no lane is not published.
    """
    is_open: Callable[[], bool] = _always
    """Function that returns True if the lane may send now.

    It is called after every event, and every few seconds.
    """
    limit: float | None = None
    """Maximum sending rate of the lane in bytes per second; None for no limit."""


LIVE: Final = LaneSettings("live", lambda document_id: not HISTORY.holds(document_id))
"""Lane of alarms, silences, current values, notes, boots and vessels' documents."""
PAST: Final = LaneSettings("history", HISTORY.holds)
"""Lane of readings, and of the gaps that account for missing readings."""
DEFAULT: Final = (LIVE, PAST)


class RepairReason(Enum):
    """Reason why a broker's retained messages must be corrected."""

    MISSING = "missing"
    """The broker lacks messages of a document, or retains older ones. The current messages are published."""
    LEFT_OVER = "left over"
    """The broker retains a message of a sensor that no longer exists. The topic is cleared."""
    UNKNOWN = "unknown"
    """Home Assistant has started. The discovery messages of a vessel are published."""
    SILENCE_ENDED = "silence ended"
    """The silence of an alarm has ended. Its notification is published again, with sound."""
    ELDERLY = "elderly"
    """A current value is unchanged, and would soon expire in Home Assistant. The value is published again."""


@dataclass(frozen=True, slots=True)
class Repair:
    """Correction of the messages that a broker retains for one document."""

    document_id: str
    wrong: RepairReason = RepairReason.MISSING
    topic: str = ""
    """Topic to clear, for `LEFT_OVER` only. The id of the document determines the lane."""


@dataclass(slots=True, eq=False)
class LaneEntry:
    """A document in a lane, with its messages and the progress of sending them."""

    sequence: int
    """Sequence number in the changes feed; 0 for a repair, or for a document that was set aside before."""
    document_id: str
    vessel: str
    messages: tuple[Message, ...]
    size: int
    """Size of the document's body in bytes."""
    offered: int = 0
    """Number of the document's messages that were sent."""
    confirmed: int = 0
    is_aside: bool = False
    """True if the document was set aside, so that later documents can be sent."""
    is_void: bool = False
    """True if the lane was rewound to a position before this entry.

    The outcome of its messages is then ignored.
    """
    repair: Repair | None = None
    """The correction for which the document is published again; None for a document from the changes feed."""

    @property
    def is_done(self) -> bool:
        """True if all messages of the document are confirmed."""
        return self.confirmed == len(self.messages)


@dataclass(slots=True)
class DocumentLane:
    """A lane, a group of documents that is forwarded in order, and its progress."""

    settings: LaneSettings
    position: int = 0
    """Sequence number up to which all documents of the lane are forwarded, except those in `aside`."""
    aside: dict[str, RefusedDocument] = field(default_factory=dict)
    """Documents that the broker rejects although it accepts other documents, by id.

    They are offered again on each connection, and at regular intervals.
    """
    scanned: int = 0
    """Sequence number up to which the changes feed has been read."""
    backlog: Backlog = field(default_factory=Backlog)
    repairs: dict[Repair, None] = field(default_factory=dict)
    """Corrections of retained messages that are still to be sent.

    A few are sent at a time before new documents.
    """
    _trail: deque[int] = field(default_factory=lambda: deque(maxlen=TRAIL))
    """The positions of the lane before each of the most recently forwarded documents."""
    _sent: deque[LaneEntry] = field(default_factory=deque)
    _waiting: deque[LaneEntry] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.scanned = self.position

    def includes(self, document_id: str) -> bool:
        """Return True if a document belongs to the lane."""
        return is_published(document_id) and self.settings.holds(document_id)

    @property
    def in_flight(self) -> int:
        """Number of documents that were sent but are unconfirmed, or that follow an unconfirmed document."""
        return len(self._sent)

    @property
    def repairing(self) -> int:
        """Number of repairs that the broker has not acknowledged yet."""
        return len(self.repairs) + sum(
            entry.repair is not None and not entry.is_done
            for entries in (self._sent, self._waiting)
            for entry in entries
        )

    @property
    def is_empty(self) -> bool:
        """True if no documents of the lane are waiting or in flight."""
        return not (self._sent or self._waiting)

    def load(self, entries: Iterable[LaneEntry], scanned: int) -> None:
        """Append entries read from the feed.

        `scanned` is the sequence number up to which the feed was read.
        """
        self._waiting.extend(entries)
        self.scanned = scanned
        self._advance()

    def next(self) -> tuple[LaneEntry, Message] | None:
        """Return the entry and message to send next, or None if more of the feed must be read first."""
        while self._waiting:
            entry = self._waiting[0]
            if entry.offered < len(entry.messages):
                return entry, entry.messages[entry.offered]
            self._sent.append(self._waiting.popleft())  # a document that has no messages
            self._advance()
        return None

    def sent(self) -> None:
        """Record that the message returned by `next` was sent."""
        entry = self._waiting[0]
        entry.offered += 1
        if entry.offered == len(entry.messages):
            self._sent.append(self._waiting.popleft())

    def skipped(self) -> list[LaneEntry]:
        """Record that the message returned by `next` does not need to be sent.

        Return the entries that are now forwarded, as `confirmed` does.
        """
        entry = self._waiting[0]
        self.sent()
        return self.confirmed(entry)

    def confirmed(self, entry: LaneEntry) -> list[LaneEntry]:
        """Record that one more message of an entry is confirmed.

        Returns:
            The entries that are now forwarded: their messages, and those of all earlier entries, are
            confirmed.
        """
        if entry.is_void or entry.is_aside:
            return []
        entry.confirmed += 1
        return self._advance() if entry.is_done else []

    def set_aside(self, entry: LaneEntry, refused: RefusedDocument) -> list[LaneEntry]:
        """Set aside an entry that the broker rejects, so that later entries can be sent.

        Return the entries that are now forwarded, as `confirmed` does.
        """
        if entry.is_void:
            return []
        known = self.aside.get(entry.document_id)
        is_news = known is None or known.reason != refused.reason
        if is_news and entry.repair is None:  # the document of a repair was already forwarded
            self.aside[entry.document_id] = refused
        if entry in self._waiting:
            self._waiting.remove(entry)
            self._sent.append(entry)  # at this position: waiting entries follow, sent entries precede
        entry.offered = entry.confirmed = len(entry.messages)
        entry.is_aside = True
        return self._advance()

    @property
    def offered_again(self) -> set[str]:
        """Ids of the documents that were set aside before and are in flight again."""
        on_the_way = (*self._sent, *self._waiting)
        return {entry.document_id for entry in on_the_way if not entry.sequence and entry.repair is None}

    def step_back(self) -> None:
        """Move the position back, because the broker has lost the session and some of the last messages."""
        self.rewind()
        if self._trail:
            self.position = self.scanned = self._trail[0]
            self.backlog.documents += len(self._trail)
            self._trail.clear()

    def rewind(self) -> None:
        """Return to the first document that is not forwarded, and send all documents from there again."""
        for entries in (self._sent, self._waiting):
            for entry in entries:
                entry.is_void = True
                if entry.repair is not None and not entry.is_done:
                    self.repairs[entry.repair] = None
            entries.clear()
        self.scanned = self.position

    def end_reached(self) -> None:
        """Reset the backlog, because the end of the feed is reached and all documents are confirmed."""
        self.backlog.reset(len(self.aside))

    def _advance(self) -> list[LaneEntry]:
        done = []
        while self._sent and self._sent[0].is_done:
            entry = self._sent.popleft()
            if not entry.is_aside and entry.repair is None:
                self.aside.pop(entry.document_id, None)
                done.append(entry)
            if entry.sequence:
                self._trail.append(self.position)
                self.position = entry.sequence
                self.backlog.remove(entry.document_id, entry.size)
        if self.is_empty:
            self.position = max(self.position, self.scanned)
        return done
