"""Selection of the documents of a replication: by channel, by id, or by an application function."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sync.store import Database, Document, DocumentPolicy, StoreError, model
from sync.store.channel_removals import channels_of

log = logging.getLogger(__name__)

DocumentFilter = Callable[[Document], bool]
"""Application function that returns True to select a document by its id, its deletion flag and its body."""


def channels(policy: DocumentPolicy, document: Document) -> frozenset[str]:
    """Return the channels of a document: those derived from its id, or else those listed in its body."""
    derived = policy.channels_of(document.id)
    return channels_of(document.body) if derived is None else derived


@dataclass(frozen=True, slots=True)
class Stream:
    """Subset of a database's documents that is replicated independently, under a name known to both sides."""

    name: str
    holds: Callable[[str], bool]
    """Function that returns True if the document with this id belongs to the stream."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that a document must meet to be replicated. By default, all documents are selected."""

    channels: frozenset[str] = frozenset()
    """Channels whose documents are selected; empty for all documents."""
    document_ids: frozenset[str] = frozenset()
    """Ids of the documents that are selected; empty for all documents."""
    filter: DocumentFilter | None = None
    live_only: bool = False
    """True if deleted documents are excluded."""
    within: frozenset[str] = field(default_factory=frozenset)
    """Channels that the reader has permission to read; empty for all documents.

    A document is selected only if it is in at least one of these channels, in addition to the condition
    `channels`.
    """
    stream: Stream | None = None
    """Stream to which a document must belong; None for all documents."""

    @property
    def is_everything(self) -> bool:
        """True if all documents are selected."""
        return not (
            self.channels
            or self.document_ids
            or self.filter is not None
            or self.live_only
            or self.within
            or self.stream is not None
        )

    def wants(self, database: Database, document_id: str, *, deleted: bool) -> bool:
        """Return True if a stored document is selected. Its body is read only if necessary."""
        if not self._is_about(document_id, deleted=deleted):
            return False
        document: Document | None = None
        if self.channels or self.within:
            channels = database.policy.channels_of(document_id)
            if channels is None:
                document = database.get(document_id)
                channels = frozenset() if document is None else channels_of(document.body)
            if not self._meets(channels):
                return False
        if self.filter is not None:
            document = document or database.get(document_id)
            return document is not None and self._chosen(document)
        return True

    def has_lost(self, database: Database, change: model.DocumentChange, *, since: int) -> bool:
        """Return True if a reader may still have a document that `wants` no longer selects.

        There are two cases. A live document may have left the reader's channels after the reader last read
        the feed. A deleted document may have been in these channels once, because most deletions list no
        channels. If only the deletion of a document was received, the document's channels are unknown. The
        result is then True for a reader without `within`, which may have the document from another peer.

        Args:
            database: the store.
            change: the document's last change.
            since: local sequence up to which the reader has received all changes.
        """
        if self.live_only or not (self.channels or self.within):
            return False
        if not self._is_about(change.id, deleted=change.deleted):
            return False
        if database.policy.channels_of(change.id) is not None:
            return False  # the document's channels never change
        left = database.departed(change.id)
        document = database.get(change.id)
        if document is None:
            return False
        if change.deleted:
            is_unknown = not (left or self.within or channels_of(document.body))
            lost = is_unknown or self._meets(channels_of(document.body).union(left))
        else:
            gone = {channel for channel, sequence in left.items() if sequence > since}
            lost = bool(gone) and self._meets(channels_of(document.body) | gone)
        return lost and (self.filter is None or self._chosen(document))

    def _is_about(self, document_id: str, *, deleted: bool) -> bool:
        """Return False if a document's id or its deletion flag alone excludes the document."""
        return not (
            (self.live_only and deleted)
            or (self.document_ids and document_id not in self.document_ids)
            or (self.stream is not None and not self.stream.holds(document_id))
        )

    def _meets(self, channels: frozenset[str]) -> bool:
        """Return True if a document in the given channels meets the conditions `channels` and `within`."""
        return all(not wanted or not wanted.isdisjoint(channels) for wanted in (self.channels, self.within))

    def shows(self, database: Database, document_id: str, *, deleted: bool) -> bool:
        """Return True if a single document that a peer has requested is selected.

        If the application's filter raises an exception, log the exception and return False.
        """
        try:
            return self.is_everything or self.wants(database, document_id, deleted=deleted)
        except FilterError as error:
            log.error("%s", error)
            return False

    def shows_revision(self, policy: DocumentPolicy, document: Document) -> bool:
        """Return True if a revision is selected, judging by its own body.

        The document's current revision may have a different body, and is not considered.
        """
        if not self._is_about(document.id, deleted=document.deleted):
            return False
        if (self.channels or self.within) and not self._meets(channels(policy, document)):
            return False
        try:
            return self.filter is None or self._chosen(document)
        except FilterError as error:
            log.error("%s", error)
            return False

    def rules_out(self, policy: DocumentPolicy, document_id: str) -> bool:
        """Return True if a document with this id cannot be selected, regardless of its body."""
        channels = policy.channels_of(document_id)
        return channels is not None and not self._meets(channels)

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
    """The application's filter raised an exception, so it is unknown which documents to send."""
