"""Comparison of the ages of retained messages, so that an older message never replaces a newer one.

A vessel's documents may be forwarded by its own gateway, and also by gateways of other vessels, which may
have week-old copies. So a message is compared with the retained message before it is published in its place.
The logs of the two messages are compared first, in the order in which the vessel's document lists them (a new
card begins a new log). Then the sequence number, boot number and boot clock are compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from sync.gateway.mqtt.messages import Message, MessageAge, RetainRule, message_age
from sync.gateway.mqtt.topics import DEFAULT, Topics


def is_older(ours: MessageAge, theirs: MessageAge, logs: Sequence[str]) -> bool:
    """Return True if `ours` must not replace `theirs`. `logs` are the vessel's logs, oldest first."""
    if ours.log != theirs.log:
        if theirs.log not in logs:
            # A log that is unknown here was begun after the known logs.
            return ours.log in logs
        return ours.log in logs and logs.index(ours.log) < logs.index(theirs.log)
    return (ours.sequence, ours.boot, ours.clock) < (theirs.sequence, theirs.boot, theirs.clock)


class RetainedMessages:
    """Table of the messages that a broker is known to retain, by topic.

    These are messages that this gateway has published or received. `known` contains their ages. The ages are
    kept across connections, because some brokers do not allow a gateway to read messages. `_there` contains
    only messages received or published on this connection. A broker may have lost its messages, or been
    restored to an earlier state, since the last connection.
    """

    def __init__(self, known: Mapping[str, MessageAge] | None = None, topics: Topics = DEFAULT) -> None:
        self._parse = topics.parse
        self._known: dict[str, MessageAge] = dict(known or {})
        self._there: dict[str, int] = {}
        """Hash of the retained payload, by topic."""
        self._topics: dict[str, dict[str, None]] = {}
        """Topics in `_known` and `_there`, by vessel.

        It may also contain topics that are no longer in either.
        """
        for topic in self._known:
            self._index(topic)
        self._before: dict[str, MessageAge] = {}
        """Ages, before reading began, of the messages about the vessel that is being read, by topic."""
        self.changes = 0
        """Number of changes of `known` so far.

        Callers that store the ages durably use it to detect changes.
        """

    @property
    def known(self) -> Mapping[str, MessageAge]:
        """Ages of the retained messages, by topic."""
        return self._known

    # Reading retained messages

    def begin(self) -> None:
        """Begin a connection. The retained messages are not known yet."""
        self._there.clear()

    def begin_reading(self, vessel: str) -> None:
        """Begin reading all retained messages of a vessel. Call `end_reading` afterwards."""
        topics = self._topics.pop(vessel, {})
        self._before = {topic: self._known.pop(topic) for topic in topics if topic in self._known}
        for topic in topics:
            self._there.pop(topic, None)

    def end_reading(self, *, is_complete: bool) -> None:
        """End reading the retained messages of a vessel.

        If `is_complete` is False, the ages known before stay valid for topics on which no message was
        received.
        """
        before, self._before = self._before, {}
        for topic, standing in before.items():
            if not is_complete:
                self._index(topic)
                self._known.setdefault(topic, standing)
            if self._known.get(topic) != standing:
                self.changes += 1

    def topics(self, vessel: str) -> list[str]:
        """Return the topics of a vessel that are known to have a retained message."""
        topics = self._topics.get(vessel, {})
        return sorted(topic for topic in topics if topic in self._known or topic in self._there)

    def lacks(self, message: Message, logs: Sequence[str]) -> bool:
        """Return True if the broker should retain a message, but has neither that message nor a newer one."""
        if not message.is_retained:
            return False
        there = self._there.get(message.topic)
        if not message.payload:
            return there is not None
        if there == hash(message.payload):
            return False
        known = self._known.get(message.ranked_by or message.topic)
        is_newer_there = (
            there is not None
            and known is not None
            and message.standing is not None
            and is_older(message.standing, known, logs)
        )
        return not is_newer_there

    # Publishing

    def judge(self, message: Message, logs: Sequence[str]) -> Message | None:
        """Return the message to publish, without retention if necessary; None if it must not be published."""
        if message.standing is None or message.retention is RetainRule.NO:
            return message
        known = self._known.get(message.ranked_by or message.topic)
        is_passing = message.retention is RetainRule.PASSING_IF_LATEST
        if known is None or not is_older(message.standing, known, logs):
            return replace(message, retention=RetainRule.NO) if is_passing else message
        if is_passing or message.retention is RetainRule.LATEST:
            return None
        return replace(message, retention=RetainRule.NO)

    def published(self, message: Message) -> None:
        """Record that the broker has accepted a message."""
        if message.retention is RetainRule.NO:
            return
        if not message.payload:
            self._cleared(message.topic)
            return
        self._put(message.topic, message.payload)
        if message.standing is not None:
            self._note(message.ranked_by or message.topic, message.standing)

    def record_foreign(
        self, topic: str, payload: bytes, logs: Sequence[str], *, is_kept: bool | None = True
    ) -> bool:
        """Record a message that another client has published.

        Args:
            topic: the message's topic.
            payload: the message's payload.
            logs: the vessel's logs, oldest first.
            is_kept: whether the broker retains the message; None if unknown.

        Returns:
            True if the message has replaced a newer message, or cleared the topic.
        """
        if is_kept is False:
            return False
        if not payload:
            return self._cleared(topic)
        try:
            body: Any = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = None  # not one of our documents: any message may replace it
        theirs = message_age(body) if isinstance(body, dict) else None
        known, place = self._known.get(topic), self._parse(topic)
        is_behind = theirs is not None and known is not None and is_older(theirs, known, logs)
        if is_behind and is_kept is None and (place is None or place.part != "state"):
            return False  # it was not retained; an older current value would not be published at all
        if place is not None:  # otherwise messages on the topic are never retained
            self._put(topic, payload)
        if theirs is not None:
            self._note(topic, theirs)
        return is_behind

    def _put(self, topic: str, payload: bytes) -> None:
        if topic not in self._there:
            self._index(topic)
        self._there[topic] = hash(payload)

    def _note(self, topic: str, standing: MessageAge) -> None:
        if self._known.get(topic) != standing:
            if topic not in self._known:
                self._index(topic)
            self._known[topic] = standing
            self.changes += 1

    def _cleared(self, topic: str) -> bool:
        """Record that a topic was cleared. Return True if it was known to have a retained message."""
        self._there.pop(topic, None)
        was_known = self._known.pop(topic, None) is not None
        place = self._parse(topic)
        if place is not None:
            self._topics.get(place.vessel, {}).pop(topic, None)
        self.changes += was_known
        return was_known

    def _index(self, topic: str) -> None:
        # A fleet has thousands of topics, so searching all of them for each vessel would take too long.
        place = self._parse(topic)
        if place is not None:
            self._topics.setdefault(place.vessel, {})[topic] = None
