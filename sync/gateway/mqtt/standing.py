"""Which of two retained messages of a topic is newer: an older one never takes the place of a newer.

A vessel's documents may go ashore by several ways: by its own gateway, and by those of vessels that met it a
week ago. What a broker retains is compared before it is replaced: first by the log, in the order in which the
vessel's document lists them (a new card begins a new one), then by sequence number, boot and boot clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

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
    """What is retained, by topic, as far as we have published or heard it."""

    def __init__(self, known: Mapping[str, Standing] | None = None) -> None:
        self._known: dict[str, Standing] = dict(known or {})
        self.changes = 0
        """How often something newer has come; whoever keeps this durably looks here."""

    @property
    def known(self) -> Mapping[str, Standing]:
        """By topic."""
        return self._known

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
        if message.standing is not None and message.retention is not Retention.NO:
            self._note(message.ranked_by or message.topic, message.standing)

    def heard(self, topic: str, payload: bytes, logs: Sequence[str]) -> None:
        """Somebody else's is retained, or was published just now."""
        try:
            body: Any = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # emptied, or not a document of ours: anything may take its place
        theirs = standing_of(body) if isinstance(body, dict) else None
        if theirs is None:
            return
        known = self._known.get(topic)
        if known is None or not is_older(theirs, known, logs):
            self._note(topic, theirs)

    def _note(self, topic: str, standing: Standing) -> None:
        if self._known.get(topic) != standing:
            self._known[topic] = standing
            self.changes += 1
