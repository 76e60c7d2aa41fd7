"""Which of two retained messages of a topic is newer: an older one never takes the place of a newer.

A vessel's documents may go ashore by several ways: by its own gateway, and by those of vessels that met it a
week ago. What a broker retains is compared before it is replaced: first by the log, in the order in which the
vessel's document lists them (a new card begins a new one), then by sequence number, boot and boot clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from sync.gateway.mqtt import topics
from sync.gateway.mqtt.messages import Message, Retention, Standing, standing_of


def is_older(ours: Standing, theirs: Standing, logs: Sequence[str]) -> bool:
    """Whether `ours` must not take the place of `theirs`; `logs`: the vessel's, the oldest first."""
    if ours.log != theirs.log:
        if theirs.log not in logs:
            # A log that we have not heard of was begun after those that we know of.
            return ours.log in logs
        return ours.log in logs and logs.index(ours.log) < logs.index(theirs.log)
    return (ours.sequence, ours.boot, ours.clock) < (theirs.sequence, theirs.boot, theirs.clock)


class Standings:
    """What a broker retains, by topic, as far as we have published or heard it.

    `known` says how new that is. It outlives a connection, for a broker that does not let us read. What is
    *there* was heard or published on this connection: a broker may have lost everything since the
    last one, or been put back to what it had hours ago.
    """

    def __init__(self, known: Mapping[str, Standing] | None = None) -> None:
        self._known: dict[str, Standing] = dict(known or {})
        self._there: dict[str, int] = {}
        """A hash of what each topic has."""
        self._topics: dict[str, dict[str, None]] = {}
        """By vessel, the topics in `_known` and `_there`; some may be in neither any more."""
        for topic in self._known:
            self._index(topic)
        self._before: dict[str, Standing] = {}
        """What was known of the vessel that is being heard."""
        self.changes = 0
        """How often something newer has come; whoever keeps this durably looks here."""

    @property
    def known(self) -> Mapping[str, Standing]:
        """By topic."""
        return self._known

    # What is there

    def begin(self) -> None:
        """Begin a connection: nobody knows what is there."""
        self._there.clear()

    def hear(self, vessel: str) -> None:
        """Begin to hear all that is retained of a vessel; then call `settle`."""
        found = self._topics.pop(vessel, {})
        self._before = {topic: self._known.pop(topic) for topic in found if topic in self._known}
        for topic in found:
            self._there.pop(topic, None)

    def settle(self, *, is_complete: bool) -> None:
        """End that; `is_complete`: what was not heard is not there. Else what was known before still is."""
        before, self._before = self._before, {}
        for topic, standing in before.items():
            if not is_complete:
                self._index(topic)
                self._known.setdefault(topic, standing)
            if self._known.get(topic) != standing:
                self.changes += 1

    def topics(self, vessel: str) -> list[str]:
        """Return the topics of a vessel that have something, as far as that is known."""
        found = self._topics.get(vessel, {})
        return sorted(topic for topic in found if topic in self._known or topic in self._there)

    def lacks(self, message: Message, logs: Sequence[str]) -> bool:
        """Return True if the broker should retain a message, and does not, nor anything newer."""
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

    # What may be published, and what was

    def judge(self, message: Message, logs: Sequence[str]) -> Message | None:
        """The message as it may be published now, None if not at all."""
        if message.standing is None or message.retention is Retention.NO:
            return message
        known = self._known.get(message.ranked_by or message.topic)
        if known is None or not is_older(message.standing, known, logs):
            return message
        if message.retention is Retention.LATEST:
            return None
        return replace(message, retention=Retention.NO)

    def published(self, message: Message) -> None:
        """The broker has taken it."""
        if message.retention is Retention.NO:
            return
        if not message.payload:
            self._cleared(message.topic)
            return
        self._put(message.topic, message.payload)
        if message.standing is not None:
            self._note(message.ranked_by or message.topic, message.standing)

    def heard(self, topic: str, payload: bytes, logs: Sequence[str], *, is_kept: bool | None = True) -> bool:
        """Note what somebody else has published.

        Args:
            topic: where.
            payload: what.
            logs: the vessel's, the oldest first.
            is_kept: whether the broker retains it; None if nobody tells.

        Returns:
            Whether it has taken the place of something newer, or of all.
        """
        if is_kept is False:
            return False
        if not payload:
            return self._cleared(topic)
        try:
            body: Any = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = None  # not a document of ours: anything may take its place
        theirs = standing_of(body) if isinstance(body, dict) else None
        known, place = self._known.get(topic), topics.parse(topic)
        is_behind = theirs is not None and known is not None and is_older(theirs, known, logs)
        if is_behind and is_kept is None and (place is None or place.part != "state"):
            return False  # it was published for those who listen now, as an older current value is not
        if place is not None:  # else it is of those that are never retained
            self._put(topic, payload)
        if theirs is not None:
            self._note(topic, theirs)
        return is_behind

    def _put(self, topic: str, payload: bytes) -> None:
        if topic not in self._there:
            self._index(topic)
        self._there[topic] = hash(payload)

    def _note(self, topic: str, standing: Standing) -> None:
        if self._known.get(topic) != standing:
            if topic not in self._known:
                self._index(topic)
            self._known[topic] = standing
            self.changes += 1

    def _cleared(self, topic: str) -> bool:
        """Note that nothing is there; whether something was, as far as was known."""
        self._there.pop(topic, None)
        was_known = self._known.pop(topic, None) is not None
        place = topics.parse(topic)
        if place is not None:
            self._topics.get(place.vessel, {}).pop(topic, None)
        self.changes += was_known
        return was_known

    def _index(self, topic: str) -> None:
        # A fleet has thousands of topics: looking through all of them for each vessel takes too long.
        place = topics.parse(topic)
        if place is not None:
            self._topics.setdefault(place.vessel, {})[topic] = None
