"""Reader of the store's changes feed, which fills the lanes (groups of documents) page by page."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sync import documents
from sync.documents import DocumentName, DocumentType
from sync.gateway.mqtt import limits
from sync.gateway.mqtt.lanes import DocumentLane, LaneEntry
from sync.gateway.mqtt.messages import Message, Options, RetainRule, messages_of
from sync.gateway.mqtt.topics import Topics
from sync.gateway.mqtt.vessels import VesselFacts, facts_of
from sync.store import Database, Document, DocumentChange, DocumentError, Revision, bodies

from .signs_of_life import SignsOfLife
from .silence_watch import SilenceWatch

log = logging.getLogger(__name__)

Wants = Callable[[str, Mapping[str, Any]], bool]
"""Function that returns True if a document with the given id and body must be published."""


class LaneFeed:
    """Source of lane entries, which it reads from the store's changes feed."""

    def __init__(
        self,
        database: Database,
        options: Options,
        wants: Wants | None,
        silences: SilenceWatch | None = None,
    ) -> None:
        self.database = database
        self.silences = silences or SilenceWatch(database)
        self.options = options
        self._wants = wants
        self.signs = SignsOfLife(database)
        self._facts: dict[str, VesselFacts] = {}
        self._counted = 0

    @property
    def topics(self) -> Topics:
        """The topics on which the gateway publishes."""
        return self.options.topics

    def facts(self, vessel: str) -> VesselFacts:
        """Return the known facts about a vessel."""
        facts = self._facts.get(vessel)
        if facts is None:
            document = self.database.get(documents.vessel_id(vessel))
            body = None if document is None or document.deleted else document.body
            facts = self._facts[vessel] = facts_of(vessel, body)
        return facts

    def changed(self, vessel: str | None = None) -> None:
        """Discard the cached facts about a vessel (None for all vessels), because they may have changed."""
        if vessel is None:
            self._facts.clear()
        else:
            self._facts.pop(vessel, None)

    def load(self, lane: DocumentLane) -> bool:
        """Read the next part of the store's changes feed, and queue its documents in a lane.

        Return True if the end of the feed was reached. Raises StoreError if the store fails.
        """
        changes = self.database.changes(lane.scanned, limit=limits.SCAN)
        chosen: list[DocumentChange] = []
        size, scanned, is_cut = 0, lane.scanned, False
        for change in changes:
            if lane.includes(change.id):
                if len(chosen) >= limits.PAGE_DOCUMENTS or (
                    chosen and size + change.size > limits.PAGE_BYTES
                ):
                    is_cut = True
                    break
                chosen.append(change)
                size += change.size
            scanned = change.sequence
        lane.load(self._entries(chosen), scanned)
        return not is_cut and len(changes) < limits.SCAN

    def load_aside(self, lane: DocumentLane, *, one_for_each_reason: bool = False) -> int:
        """Queue again the documents that a lane has set aside, except those in flight.

        Return the number of documents queued. With `one_for_each_reason`, queue only one document for each
        reason of rejection.
        """
        entries = []
        chosen = lane.aside.values()
        if one_for_each_reason:
            chosen = {refused.reason: refused for refused in chosen}.values()
        on_the_way = lane.offered_again
        for document_id in [refused.id for refused in chosen if refused.id not in on_the_way]:
            document = self.database.get(document_id)
            if document is None or not lane.includes(document_id):
                del lane.aside[document_id]
                continue
            entries.append(self._entry(0, document))
        lane.load([entry for entry in entries if entry is not None], lane.scanned)
        return len(entries)

    def count(self, lanes: Sequence[DocumentLane]) -> bool:
        """Count the documents in the next uncounted part of the feed, for the backlogs of the lanes.

        Return True if some of the feed is still uncounted. Raises StoreError if the store fails.
        """
        changes = self.database.changes(self._counted, limit=limits.SCAN)
        for change in changes:
            self.signs.note_change(change)
            for lane in lanes:
                if change.sequence > lane.position and lane.includes(change.id):
                    lane.backlog.add(change)
                    break
        if changes:
            self._counted = changes[-1].sequence
        return len(changes) == limits.SCAN

    def start_counting(self, lanes: Sequence[DocumentLane]) -> None:
        """Start counting after the lowest of the positions of all lanes."""
        self._counted = min((lane.position for lane in lanes), default=0)

    def _entries(self, chosen: Sequence[DocumentChange]) -> list[LaneEntry]:
        if not chosen:
            return []
        span = chosen[-1].sequence - chosen[0].sequence + 1
        # Most of a backlog consists of consecutive readings, each with one revision, so consecutive documents
        # are read together. If there are other documents between the readings, their bodies are read
        # unnecessarily.
        many = (
            self.database.first_revisions(chosen[0].sequence, chosen[-1].sequence)
            if span <= 2 * len(chosen)
            else {}
        )
        entries = []
        for change in chosen:
            content: Revision | Document | None = many.get(change.sequence)
            if content is None:
                document = content = self.database.get(change.id)
                if document is None or document.sequence != change.sequence:
                    continue  # the document has changed in the meantime, so it appears later in the feed
            assert content is not None
            entry = self._entry(change.sequence, content)
            if entry is not None:
                entries.append(entry)
        return entries

    def _entry(self, sequence: int, document: Document | Revision) -> LaneEntry | None:
        name = documents.parse_id(document.id)
        assert name is not None
        if name.kind is DocumentType.VESSEL:
            self._facts.pop(name.vessel, None)
        messages = self.messages(document)
        return (
            None
            if messages is None
            else LaneEntry(sequence, document.id, name.vessel, messages, len(document.raw))
        )

    def messages(self, document: Document | Revision) -> tuple[Message, ...] | None:
        """Return the messages to publish for a document; None if it must not be published.

        Raises StoreError if the store fails.
        """
        name = documents.parse_id(document.id)
        assert name is not None
        try:
            if self._wants is not None and not self._wants(
                document.id, bodies.decode(document.id, document.raw)
            ):
                return None
            messages = messages_of(
                document.id,
                document.raw,
                rev=document.rev,
                deleted=document.deleted,
                facts=self.facts(name.vessel),
                options=self.options,
                is_silenced=self._is_silenced(document, name),
            )
        except DocumentError as error:
            # The store accepts only JSON objects. If a body is nevertheless something else, it must not block
            # the documents after it.
            log.error("not published: %s", error)
            return None
        if name.kind is DocumentType.SILENCE:
            messages += self.notifications(documents.silenced_alarm(document.id))
        return messages

    def notifications(self, alarm: str) -> tuple[Message, ...]:
        """Return the messages about an alarm whose content depends on whether the alarm is silenced.

        The result is empty if there are none. Raises StoreError if the store fails.
        """
        document = self.database.get(alarm) if self.options.mqtt.signalk else None
        messages = () if document is None else self.messages(document) or ()
        return tuple(message for message in messages if message.retention is RetainRule.PASSING_IF_LATEST)

    def _is_silenced(self, document: Document | Revision, name: DocumentName) -> bool:
        if name.kind is not DocumentType.ALARM or not self.options.mqtt.signalk or document.deleted:
            return False
        return self.silences.is_silenced(document.id, bodies.decode(document.id, document.raw))
