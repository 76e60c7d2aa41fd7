"""Which documents a replication is about: by channel, by id, by a function of the application's."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sync import documents
from sync.store import Database, Document, StoreError, model
from sync.store.departures import named

log = logging.getLogger(__name__)

DocumentFilter = Callable[[Document], bool]
"""The application's own choice, by id, deletion and body."""


def channels(document: Document) -> frozenset[str]:
    """The channels of a document: those its id stands for, and those that its body names."""
    name = documents.parse_id(document.id)
    if name is not None:
        return frozenset(documents.channels(name.kind, name.vessel))
    return named(document.body)


@dataclass(frozen=True, slots=True)
class Stream:
    """A part of a database that replicates by itself. Both sides know it by its name."""

    name: str
    holds: Callable[[str], bool]
    """Whether a document belongs to it, by its id alone: no body is read for that."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice of documents; by default all of them."""

    channels: frozenset[str] = frozenset()
    """Any of these; empty for all."""
    document_ids: frozenset[str] = frozenset()
    """Empty for all."""
    filter: DocumentFilter | None = None
    live_only: bool = False
    """No deleted ones."""
    within: frozenset[str] = field(default_factory=frozenset)
    """What the reader may see at all: any of these channels; empty for everything."""
    stream: Stream | None = None
    """Only documents of this one."""

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not (
            self.channels
            or self.document_ids
            or self.filter is not None
            or self.live_only
            or self.within
            or self.stream is not None
        )

    def wants(self, database: Database, document_id: str, *, deleted: bool) -> bool:
        """Whether a document of the store is chosen. Its body is read only where it must be."""
        if not self._is_about(document_id, deleted=deleted):
            return False
        document: Document | None = None
        if self.channels or self.within:
            name = documents.parse_id(document_id)
            if name is not None:
                found = frozenset(documents.channels(name.kind, name.vessel))
            else:
                document = database.get(document_id)
                found = frozenset() if document is None else named(document.body)
            if not self._meets(found):
                return False
        if self.filter is not None:
            document = document or database.get(document_id)
            return document is not None and self._chosen(document)
        return True

    def has_lost(self, database: Database, change: model.Change, *, since: int) -> bool:
        """Return True if a reader may hold a document that `wants` does not choose any more.

        That is a live document that left the reader's channels after `since`, the sequence up to which the
        reader knows the changes. It is also a deleted one that was ever in these channels: most deletions
        name none. Of a deletion that came without the document the channels are unknown. A reader who may see
        everything is told of it, because another vessel may have passed the document on.
        """
        if self.live_only or not (self.channels or self.within):
            return False
        if not self._is_about(change.id, deleted=change.deleted):
            return False
        if documents.parse_id(change.id) is not None:
            return False  # its channels never change
        left = database.departed(change.id)
        document = database.get(change.id)
        if document is None:
            return False
        if change.deleted:
            is_unknown = not (left or self.within or named(document.body))
            lost = is_unknown or self._meets(named(document.body).union(left))
        else:
            gone = {channel for channel, sequence in left.items() if sequence > since}
            lost = bool(gone) and self._meets(named(document.body) | gone)
        return lost and (self.filter is None or self._chosen(document))

    def _is_about(self, document_id: str, *, deleted: bool) -> bool:
        """Return True unless the id or the deletion alone rules the document out."""
        return not (
            (self.live_only and deleted)
            or (self.document_ids and document_id not in self.document_ids)
            or (self.stream is not None and not self.stream.holds(document_id))
        )

    def _meets(self, found: frozenset[str]) -> bool:
        """Return True if a document in these channels is chosen by them."""
        return all(not wanted or not wanted.isdisjoint(found) for wanted in (self.channels, self.within))

    def shows(self, database: Database, document_id: str, *, deleted: bool) -> bool:
        """As `wants`, for one document that a reader names: a filter that fails shows nothing."""
        try:
            return self.is_everything or self.wants(database, document_id, deleted=deleted)
        except FilterError as error:
            log.error("%s", error)
            return False

    def shows_revision(self, document: Document) -> bool:
        """Return True if a revision itself is chosen, by its own body, whatever the document is now."""
        if not self._is_about(document.id, deleted=document.deleted):
            return False
        if (self.channels or self.within) and not self._meets(channels(document)):
            return False
        try:
            return self.filter is None or self._chosen(document)
        except FilterError as error:
            log.error("%s", error)
            return False

    def rules_out(self, document_id: str) -> bool:
        """Return True if no document of this id is ever chosen, whatever its body says."""
        name = documents.parse_id(document_id)
        return name is not None and not self._meets(frozenset(documents.channels(name.kind, name.vessel)))

    def _chosen(self, document: Document) -> bool:
        assert self.filter is not None
        try:
            return bool(self.filter(document))
        except StoreError:
            raise
        except Exception as error:
            raise FilterError(f"the filter failed on {document.id}: {error!r}") from error


EVERYTHING: Final = Selection()


class FilterError(Exception):
    """The application's filter raised: what it would have said nobody knows, so nothing is sent."""
