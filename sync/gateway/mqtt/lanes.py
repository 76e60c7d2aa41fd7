"""Lanes: parts of the documents that go ashore side by side, each in the order of the feed of changes. Pure.

A lane knows how far the feed has been read for it, and what of that is not confirmed yet. Its position is
what is kept durably: everything up to there is ashore. What comes after, though some of it may be confirmed
already, is sent again when a connection breaks: that is the window, and no more.
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
from sync.mesh.streams import HISTORY

TRAIL: Final = WINDOW_MESSAGES
"""Documents sent once more to a broker that has forgotten us: when it is killed, what it acknowledged and did
not pass on is lost with it."""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """What a lane is for. The first of several goes before the others."""

    name: str
    """Its position is kept under this name: a lane with a new one begins with the first document."""
    holds: Callable[[str], bool]
    """Whether a document belongs to it, by its id. What no lane holds is not published."""
    is_open: Callable[[], bool] = _always
    """Whether it may send now; asked again whenever something happens, and every few seconds."""
    limit: float | None = None
    """Bytes a second."""


LIVE: Final = LaneSettings("live", lambda document_id: not HISTORY.holds(document_id))
"""Alarms, current values, notes, boots, vessels."""
PAST: Final = LaneSettings("history", HISTORY.holds)
"""Readings, and what explains that some are missing."""
DEFAULT: Final = (LIVE, PAST)


class Wrong(Enum):
    """Reason why something is published again, or cleared, at a broker."""

    MISSING = "missing"
    """The broker lacks messages of a document, or retains older ones. These messages are published."""
    LEFT_OVER = "left over"
    """The broker retains a message of a sensor that no longer exists. The topic is cleared."""
    UNKNOWN = "unknown"
    """Home Assistant has started. The discovery messages of a vessel are published."""
    ELDERLY = "elderly"
    """A current value is unchanged and would soon expire in Home Assistant. It is published."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One correction of what a broker retains."""

    document_id: str
    wrong: Wrong = Wrong.MISSING
    topic: str = ""
    """Topic to clear, for `LEFT_OVER` only. The document id determines the lane."""


@dataclass(slots=True, eq=False)
class Entry:
    """A document on its way."""

    sequence: int
    """Its place in the feed; 0 for one that was set aside before, or that is a repair."""
    document_id: str
    vessel: str
    messages: tuple[Message, ...]
    size: int
    """Bytes of its body."""
    offered: int = 0
    """Messages that were sent."""
    confirmed: int = 0
    is_aside: bool = False
    """It was set aside; those after it go on."""
    is_void: bool = False
    """Its lane begins anew before it: what comes of its messages counts for nothing."""
    repair: Repair | None = None
    """Why it goes once more, though it went before."""

    @property
    def is_done(self) -> bool:
        """Whether all of it is ashore."""
        return self.confirmed == len(self.messages)


@dataclass(slots=True)
class Lane:
    """One lane and how far it has come."""

    settings: LaneSettings
    position: int = 0
    """Everything in the feed up to here is ashore, but for `aside`."""
    aside: dict[str, RefusedDocument] = field(default_factory=dict)
    """By id, documents that the broker does not take, though it takes others: offered again on each
    connection, and now and then."""
    scanned: int = 0
    """The feed has been read up to here."""
    backlog: Backlog = field(default_factory=Backlog)
    repairs: dict[Repair, None] = field(default_factory=dict)
    """What is to be put right at the broker before anything else goes."""
    _trail: deque[int] = field(default_factory=lambda: deque(maxlen=TRAIL))
    """Positions before each of the last documents that went ashore."""
    _sent: deque[Entry] = field(default_factory=deque)
    _waiting: deque[Entry] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.scanned = self.position

    def holds(self, document_id: str) -> bool:
        """Whether a document belongs to it."""
        return is_published(document_id) and self.settings.holds(document_id)

    @property
    def on_the_way(self) -> int:
        """Documents that are sent in part or whole, and not confirmed in order."""
        return len(self._sent)

    @property
    def repairing(self) -> int:
        """Repairs that are not acknowledged."""
        return len(self.repairs) + sum(
            entry.repair is not None and not entry.is_done
            for entries in (self._sent, self._waiting)
            for entry in entries
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing that was read waits or is on its way."""
        return not (self._sent or self._waiting)

    def load(self, entries: Iterable[Entry], scanned: int) -> None:
        """What was read from the feed; `scanned`: how far."""
        self._waiting.extend(entries)
        self.scanned = scanned
        self._advance()

    def next(self) -> tuple[Entry, Message] | None:
        """What is to be sent next; None if more must be read first."""
        while self._waiting:
            entry = self._waiting[0]
            if entry.offered < len(entry.messages):
                return entry, entry.messages[entry.offered]
            self._sent.append(self._waiting.popleft())  # a document that has no messages after all
            self._advance()
        return None

    def sent(self) -> None:
        """What `next` gave was sent."""
        entry = self._waiting[0]
        entry.offered += 1
        if entry.offered == len(entry.messages):
            self._sent.append(self._waiting.popleft())

    def skipped(self) -> list[Entry]:
        """What `next` gave need not be sent; as `confirmed`."""
        entry = self._waiting[0]
        self.sent()
        return self.confirmed(entry)

    def confirmed(self, entry: Entry) -> list[Entry]:
        """One more message of it is ashore; the documents of which all is now, in order, with all before."""
        if entry.is_void or entry.is_aside:
            return []
        entry.confirmed += 1
        return self._advance() if entry.is_done else []

    def set_aside(self, entry: Entry, refused: RefusedDocument) -> list[Entry]:
        """It cannot go ashore as things are: those after it may. As `confirmed`."""
        if entry.is_void:
            return []
        known = self.aside.get(entry.document_id)
        is_news = known is None or known.reason != refused.reason
        if is_news and entry.repair is None:  # a repair went ashore before
            self.aside[entry.document_id] = refused
        if entry in self._waiting:
            self._waiting.remove(entry)
            self._sent.append(entry)  # in place: what waits comes after it, what was sent before
        entry.offered = entry.confirmed = len(entry.messages)
        entry.is_aside = True
        return self._advance()

    @property
    def offered_again(self) -> set[str]:
        """What was set aside before and is on its way once more."""
        on_the_way = (*self._sent, *self._waiting)
        return {entry.document_id for entry in on_the_way if not entry.sequence and entry.repair is None}

    def step_back(self) -> None:
        """The broker has forgotten: what it acknowledged last goes once more."""
        self.rewind()
        if self._trail:
            self.position = self.scanned = self._trail[0]
            self.backlog.documents += len(self._trail)
            self._trail.clear()

    def rewind(self) -> None:
        """Begin again after what is ashore."""
        for entries in (self._sent, self._waiting):
            for entry in entries:
                entry.is_void = True
                if entry.repair is not None and not entry.is_done:
                    self.repairs[entry.repair] = None
            entries.clear()
        self.scanned = self.position

    def nothing_left(self) -> None:
        """The end of the feed is reached and everything confirmed: whatever the count says, nothing waits."""
        self.backlog.reset(len(self.aside))

    def _advance(self) -> list[Entry]:
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
