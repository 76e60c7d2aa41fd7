"""The messages that a gateway has sent to its broker and their outcomes, across connections.

This module does no I/O. The owner of a connection calls `due` and sends the message that `due` returns. It
reports the broker's answers with `acknowledged`, and received messages with `message_received`. A document
counts as forwarded when the broker has accepted all its messages. With MQTT 3.1.1, whose acknowledgement has
no reason code, each message must also be received back from the broker.

If the broker rejects a message, the document's lane stops, because later documents must not overtake the
rejected document. Other lanes continue. After a delay, the lane sends the rejected document alone.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sync import documents
from sync.documents import DocumentType
from sync.gateway.mqtt.cursor import MOST_ASIDE
from sync.gateway.mqtt.feed import LaneFeed
from sync.gateway.mqtt.lanes import DocumentLane, LaneEntry, Repair, RepairReason
from sync.gateway.mqtt.limits import SendWindow, Timeouts
from sync.gateway.mqtt.messages import Message, RetainRule
from sync.gateway.report import RefusedDocument
from sync.net.throttle import TokenBucket

from . import broker_errors, homeassistant, limits, repairs
from .broker_errors import BrokerLostError, BrokerRefusalError, ErrorReaction
from .retained_messages import RetainedMessages


@dataclass(slots=True)
class _LaneTransmission:
    """A lane (group of documents) and the state of its transmission."""

    lane: DocumentLane
    bucket: TokenBucket | None
    is_read: bool = False
    """True if the lane has read the feed to its end."""
    has_repaired: bool = False
    """True if the lane's last messages corrected retained messages.

    Corrections and new documents are sent alternately.
    """
    refusal: BrokerRefusalError | None = None
    patience: float = 0.0
    """Delay between the last rejection of a document and the next attempt to send it, in seconds."""
    again_at: float = 0.0


@dataclass(slots=True, eq=False)
class _MessageInFlight:
    """A message that was sent and has not been confirmed or rejected yet."""

    line: _LaneTransmission
    entry: LaneEntry
    message: Message
    size: int
    sent_at: float
    answered_at: float | None = None
    is_heard: bool = False


@dataclass(frozen=True, slots=True)
class ReadyMessage:
    """A message that must be sent now. The caller must call `Outbox.sent` afterwards."""

    line: _LaneTransmission
    entry: LaneEntry
    message: Message


@dataclass(frozen=True, slots=True)
class UnpreparedVessel:
    """A vessel whose retained messages must be read before its messages are sent.

    The caller must call `Outbox.prepared` afterwards.
    """

    vessel: str


@dataclass(frozen=True, slots=True)
class NothingDue:
    """Result if no message must be sent now.

    The caller must call `Outbox.due` again after `seconds`, or after an event.
    """

    seconds: float


Due = ReadyMessage | UnpreparedVessel | NothingDue
_PUT_BACK: Final = 3
"""Maximum number of immediate corrections of a retained message per topic and connection.

Two gateways that disagree about which message is newer must not correct each other indefinitely.
"""
_REFRESHED: Final = 4
"""Divisor of a value's expiry time. The quotient is the minimum time between two refreshes of the value."""
_IDLE: Final = 5.0
"""Divisor of the expiry time of a value.

The quotient is the minimum time between two refreshes of the value.
"""


class Outbox:
    """The lanes (groups of documents) of one gateway, and their messages in flight."""

    def __init__(
        self,
        lanes: Sequence[DocumentLane],
        feed: LaneFeed,
        standings: RetainedMessages,
        *,
        limit: float | None,
        now: float,
        patience: Timeouts | None = None,
        hears_discovery: bool = False,
        utc: Callable[[], float] = time.time,
    ) -> None:
        """Create an outbox without a connection.

        Args:
            lanes: the lanes, in order of priority.
            feed: the reader of the store's changes feed.
            standings: the messages that the broker retains.
            limit: maximum rate of all lanes combined, in bytes per second; None for no limit.
            now: current time in seconds, by the clock that the caller uses for all calls.
            patience: the timeouts; None for the defaults.
            hears_discovery: whether discovery messages for Home Assistant are read, and may be cleared by
                this gateway.
            utc: returns the current time in seconds since 1970.
        """
        self._utc = utc
        self.lanes: Final = tuple(lanes)
        self.standings: Final = standings
        self.unsaved = 0
        """Number of documents confirmed since the last call of `saved`."""
        self.ended: list[LaneEntry] = []
        """Forwarded documents that the owner of this outbox has not recorded in the store yet."""
        self._feed, self._patience = feed, patience or Timeouts()
        whole = None if limit is None else TokenBucket(limit, now=now)
        self._whole = whole
        self._lines = [
            _LaneTransmission(
                lane,
                None
                if lane.settings.limit is None
                else TokenBucket(lane.settings.limit, now=now, lower=whole),
            )
            for lane in lanes
        ]
        self._window = SendWindow()
        self._flights: dict[int, _MessageInFlight] = {}
        self._unheard: dict[tuple[str, bytes], list[_MessageInFlight]] = {}
        self._ready: set[str] = set()
        self._unheard_vessels: list[str] = []
        self._is_begun = False
        self._published_at: dict[str, float] = {}
        """Time of the last acknowledgement of a current value on this connection, by topic."""
        self._put_back: dict[str, int] = {}
        """Number of immediate corrections made on this connection, by topic."""
        self._hears_discovery = hears_discovery
        self._must_hear = False
        self._largest = limits.WINDOW_BYTES
        self._answered_at = now

    # Beginning and end of a connection

    def begin(
        self, now: float, *, window: SendWindow, must_hear: bool, largest: int, is_forgotten: bool = False
    ) -> None:
        """Begin a connection, and prepare to send all documents that were not forwarded yet.

        Args:
            now: current time in seconds.
            window: the limit on messages in flight.
            must_hear: whether a message must be received back from the broker to count as forwarded.
            largest: maximum size of a packet in bytes.
            is_forgotten: whether the broker has lost this gateway's session, because it was restarted without
                its stored state.
        """
        self.end()
        if is_forgotten:
            for line in self._lines:
                line.lane.step_back()
        self._window, self._must_hear, self._largest = window, must_hear, largest
        self._answered_at = now
        self._is_begun = True
        self.standings.begin()
        self._unheard_vessels = repairs.vessels(self._feed.database, self.lanes)
        self._feed.silences.begin()
        for line in self._lines:
            line.is_read = False
            line.again_at = min(line.again_at, now)
            line.lane.repairs.clear()
            self._feed.load_aside(line.lane)

    def end(self) -> None:
        """End the connection. Messages in flight then count as not forwarded."""
        self._flights.clear()
        self._unheard.clear()
        self._ready.clear()
        self._is_begun = False
        self._published_at.clear()
        self._put_back.clear()
        for line in self._lines:
            line.lane.rewind()

    def changed(self) -> None:
        """Record that the store may have new documents."""
        self._feed.changed()
        for line in self._lines:
            line.is_read = False

    def prepared(self, vessel: str, *, seeks_missing: bool = True) -> None:
        """Compare a vessel's retained messages, which have been read, with the store.

        Differences are corrected later. If `seeks_missing` is True, messages that were not received count as
        lost. Raises StoreError if the store fails.
        """
        self._ready.add(vessel)
        self._compare(vessel, seeks_missing=seeks_missing)

    def has_read_retained(self, vessel: str) -> bool:
        """Return True if the retained messages of a vessel have been read."""
        return vessel in self._ready

    def next_unheard(self) -> str | None:
        """Return a vessel whose retained messages have not been read yet on this connection, or None."""
        while self._unheard_vessels:
            if self._unheard_vessels[0] not in self._ready:
                return self._unheard_vessels[0]
            self._unheard_vessels.pop(0)
        return None

    @property
    def has_compared(self) -> bool:
        """True if all retained messages have been read on this connection and all differences corrected."""
        is_heard = self._is_begun and self.next_unheard() is None
        return is_heard and not any(lane.repairing for lane in self.lanes)

    def has_current_values(self, vessel: str) -> bool:
        """Return True if this gateway publishes current values of a vessel."""
        prefix = f"{_CURRENT}{vessel}:"
        first = next(iter(self._feed.database.documents(prefix, limit=1)), None)
        return first is not None and any(lane.includes(first.id) for lane in self.lanes)

    def announce(self) -> None:
        """Publish the discovery messages of all sensors again, because Home Assistant has started."""
        for vessel in self._ready:
            self._repair(Repair(documents.vessel_id(vessel), RepairReason.UNKNOWN))

    def refresh(self, vessel: str, sensor: str, now: float) -> None:
        """Publish an unchanged current value again if it would otherwise expire in Home Assistant soon."""
        facts = self._feed.facts(vessel).sensor(sensor)
        expires = None if facts is None else homeassistant.expires_after(facts)
        last = self._published_at.get(self._feed.topics.sensor(vessel, sensor, "state"), float("-inf"))
        if vessel in self._ready and expires is not None and now - last >= expires / _REFRESHED:
            self._repair(Repair(documents.equipment_id(vessel, sensor), RepairReason.ELDERLY))

    def try_again(self) -> None:
        """Send rejected messages again immediately."""
        for line in self._lines:
            line.again_at = 0.0

    def offer_refused(self, *, one_for_each_reason: bool = False) -> int:
        """Queue again the documents that were set aside because the broker rejected them.

        Return their number. Raises StoreError if the store fails.
        """
        return sum(
            self._feed.load_aside(line.lane, one_for_each_reason=one_for_each_reason) for line in self._lines
        )

    @property
    def refused(self) -> list[RefusedDocument]:
        """Documents that the broker rejects although it accepts other documents, newest rejection last."""
        refusals = [refused for lane in self.lanes for refused in lane.aside.values()]
        return sorted(refusals, key=lambda refused: refused.when)

    # Sending

    def due(self, now: float) -> Due:
        """Return the message to send, the vessel whose retained messages must be read, or the time to wait.

        Raises StoreError if the store cannot be read.
        """
        for alarm in self._feed.silences.ended():
            self._repair(Repair(alarm, RepairReason.SILENCE_ENDED))
        return self._due(now)

    def _due(self, now: float) -> Due:
        later = _IDLE
        if len(self._flights) >= 2 * self._window.messages:
            return NothingDue(later)  # too many messages are acknowledged, but not read back
        for place, line in enumerate(self._lines):
            lane = line.lane
            if line.refusal is not None:
                if now < line.again_at:
                    later = min(later, line.again_at - now)
                    continue
                if lane.in_flight or self._has_flight(line):
                    continue  # send one message alone, to test whether the broker now accepts it
            if not lane.settings.is_open():
                continue
            bucket = line.bucket or self._whole
            wait = 0.0 if bucket is None else bucket.wait(now)
            if wait > 0:
                later = min(later, wait)
                continue
            upcoming = self._next(line)
            if upcoming is None:
                if not line.is_read:
                    # The lane keeps its priority even if much of the feed must be read to find its next
                    # document. Other tasks of the event loop run in between.
                    return NothingDue(0.0)
                continue
            entry, message = upcoming
            if entry.vessel not in self._ready:
                return UnpreparedVessel(entry.vessel)
            if not self._window.has_room_for(message.size, first=place == 0):
                break  # only an acknowledgement makes room, and lower-priority lanes must wait too
            return ReadyMessage(line, entry, message)
        return NothingDue(later)

    def sent(self, ready: ReadyMessage, number: int, now: float) -> None:
        """Record that a message was sent, and the message id with which it will be acknowledged."""
        size = ready.message.size
        flight = _MessageInFlight(ready.line, ready.entry, ready.message, size, now)
        if not self._flights:
            self._answered_at = now
        self._flights[number] = flight
        if self._must_hear:
            self._unheard.setdefault((ready.message.topic, ready.message.payload), []).append(flight)
        self._window.sent(size)
        bucket = ready.line.bucket or self._whole
        if bucket is not None:
            bucket.spend(size, now)
        ready.line.lane.sent()

    def _next(self, line: _LaneTransmission) -> tuple[LaneEntry, Message] | None:
        """Return the next message of a lane, ready to be published, or None if there is no message now."""
        lane = line.lane
        has_loaded = False
        while True:
            upcoming = lane.next()
            if upcoming is None and lane.repairs and (line.is_read or not line.has_repaired):
                line.has_repaired = True
                repairs.load(self._feed, lane, self.standings)
                continue
            if upcoming is None:
                if line.is_read or has_loaded:
                    if line.is_read and lane.is_empty:
                        lane.end_reached()
                    return None
                line.is_read, has_loaded = self._feed.load(lane), True
                line.has_repaired = False
                continue
            entry, message = upcoming
            if entry.vessel not in self._ready:
                return upcoming
            if message.size > self._largest:
                reason = (
                    f"the message on {message.topic} has {message.size} bytes; the broker accepts up to"
                    f" {self._largest}"
                )
                self._set_aside(line, entry, reason)
                continue
            judged = self.standings.judge(message, self._feed.facts(entry.vessel).logs)
            if judged is not None and (judged.retention is not RetainRule.NO or _may_pass(entry)):
                return entry, judged
            self._note(lane.skipped())

    # Receiving

    def acknowledged(self, number: int, code: int, name: str, now: float) -> BrokerRefusalError | None:
        """Process the broker's answer to a message. Return the error if the broker rejects the message."""
        flight = self._flights.get(number)
        if flight is None:
            return None  # a presence message, or a message of an earlier connection
        self._answered_at = now
        if flight.answered_at is None:
            self._window.answered(flight.size, sent_at=flight.sent_at, now=now)
        if code >= broker_errors.FAILURE:
            self._drop(number, flight)
            return self._refused(flight, broker_errors.of_puback(code, name, flight.message.topic), now)
        flight.answered_at = now
        if flight.is_heard or not self._must_hear:
            self._confirm(number, flight, now)
        return None

    def message_received(
        self, topic: str, payload: bytes, *, is_retained: bool, vessel: str | None, now: float
    ) -> None:
        """Process a received message, which may be retained, from another gateway, or our own."""
        waiting = None if is_retained else self._unheard.get((topic, payload))
        if waiting:
            flight = waiting.pop(0)
            if not waiting:
                del self._unheard[topic, payload]
            flight.is_heard = True
            self._answered_at = now
            if flight.answered_at is not None:
                number = next(number for number, other in self._flights.items() if other is flight)
                self._confirm(number, flight, now)
            return
        if vessel is None:
            return
        # In MQTT 5, each message shows whether it is retained. In 3.1.1, only those retained before show it.
        is_kept = None if self._must_hear and not is_retained else is_retained
        is_worse = self.standings.record_foreign(
            topic, payload, self._feed.facts(vessel).logs, is_kept=is_kept
        )
        if is_worse and vessel in self._ready and self._put_back.get(topic, 0) < _PUT_BACK:
            # Two gateways that read at the same time do not receive each other's messages.
            self._put_back[topic] = self._put_back.get(topic, 0) + 1
            self._compare(vessel, only=topic)

    def overdue(self, now: float) -> BrokerLostError | BrokerRefusalError | None:
        """Return an error if the broker has not answered a message in time, otherwise None.

        Call this method regularly.
        """
        if not self._flights:
            return None
        if any(flight.answered_at is None for flight in self._flights.values()) and (
            now - self._answered_at > self._patience.acknowledgement
        ):
            return BrokerLostError("the broker has stopped acknowledging messages", ErrorReaction.TRY_AGAIN)
        refusal: BrokerRefusalError | None = None
        for number, flight in list(self._flights.items()):
            if flight.answered_at is not None and now - flight.answered_at > self._patience.echo:
                self._drop(number, flight)
                refusal = (
                    self._refused(flight, broker_errors.of_silence(flight.message.topic), now) or refusal
                )
        return refusal

    def saved(self) -> None:
        """Record that the lanes' positions in the feed were written to the store."""
        self.unsaved = 0

    # State

    @property
    def refusal(self) -> BrokerRefusalError | None:
        """The broker's rejection that currently stops a lane, or None if no lane is stopped."""
        return next((line.refusal for line in self._lines if line.refusal is not None), None)

    @property
    def in_flight(self) -> int:
        """Number of messages that were sent and have not been confirmed or rejected yet."""
        return len(self._flights)

    @property
    def is_open(self) -> bool:
        """True if at least one lane may send now."""
        return any(lane.settings.is_open() for lane in self.lanes)

    @property
    def backlog(self) -> tuple[int, int]:
        """Size of the backlog: a number of documents and a number of bytes.

        Documents whose retained messages must be repaired are included in the first number, but not in the
        second.
        """
        return (
            sum(lane.backlog.documents + lane.repairing for lane in self.lanes),
            sum(lane.backlog.bytes for lane in self.lanes),
        )

    def _confirm(self, number: int, flight: _MessageInFlight, now: float) -> None:
        del self._flights[number]
        entry = flight.entry
        self.standings.published(flight.message)
        if entry.document_id.startswith(_CURRENT):
            self._published_at[flight.message.topic] = now
        if not entry.is_void:
            flight.line.refusal, flight.line.patience = None, 0.0
        self._note(flight.line.lane.confirmed(entry))
        if entry.is_done and entry.repair is None and entry.document_id.startswith(_VESSEL):
            # The vessel's list of sensors may have changed. Documents of unknown sensors were skipped before,
            # so all of the vessel's documents are compared again.
            self._compare(entry.vessel)

    def _compare(self, vessel: str, *, seeks_missing: bool = True, only: str | None = None) -> None:
        # The feed may not have reported the document yet. A topic may be cleared only if its document is no
        # longer in the store.
        self._feed.changed(vessel)
        where = vessel, self._feed, self.lanes, self.standings
        if seeks_missing:
            repairs.find_missing(*where, only=only)
        repairs.find_left_over(*where, clears_discovery=self._hears_discovery, only=only)
        for line in self._lines:
            line.is_read = line.is_read and not line.lane.repairs

    def _repair(self, repair: Repair) -> None:
        line = next((line for line in self._lines if line.lane.includes(repair.document_id)), None)
        if line is not None:
            line.lane.repairs[repair] = None

    def _note(self, done: Sequence[LaneEntry]) -> None:
        self.unsaved += len(done)
        self.ended.extend(done)

    def _drop(self, number: int, flight: _MessageInFlight) -> None:
        del self._flights[number]
        key = (flight.message.topic, flight.message.payload)
        waiting = self._unheard.get(key, [])
        if flight in waiting:
            waiting.remove(flight)
            if not waiting:
                del self._unheard[key]

    def _refused(
        self, flight: _MessageInFlight, trouble: BrokerRefusalError, now: float
    ) -> BrokerRefusalError | None:
        line = flight.line
        if flight.entry.is_void:
            return None
        if trouble.what is ErrorReaction.SET_ASIDE and len(line.lane.aside) < MOST_ASIDE:
            self._set_aside(line, flight.entry, trouble.text)
            return trouble
        line.patience = min(max(self._patience.refusal, 2 * line.patience), self._patience.longest)
        line.refusal, line.again_at = trouble, now + line.patience
        line.is_read = False
        line.lane.rewind()
        return trouble

    def _set_aside(self, line: _LaneTransmission, entry: LaneEntry, reason: str) -> None:
        refused = RefusedDocument(entry.document_id, reason, round(self._utc(), 3))
        self._note(line.lane.set_aside(entry, refused))

    def _has_flight(self, line: _LaneTransmission) -> bool:
        return any(flight.line is line for flight in self._flights.values())


def _may_pass(entry: LaneEntry) -> bool:
    """Return True if a message of an entry is useful even if the broker does not retain it."""
    return entry.repair is None or entry.repair.wrong is RepairReason.SILENCE_ENDED


_CURRENT: Final = f"{DocumentType.EQUIPMENT}:"
_VESSEL: Final = f"{DocumentType.VESSEL}:"
