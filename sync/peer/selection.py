"""Which documents a replication is about: by channel, by id, by a function of the application's."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sync import documents
from sync.store import Database, Document, StoreError

log = logging.getLogger(__name__)

DocumentFilter = Callable[[Document], bool]
"""The application's own choice, by id, deletion and body."""


def channels(document: Document) -> frozenset[str]:
    """The channels of a document: those its id stands for, and those that its body names."""
    name = documents.parse_id(document.id)
    if name is not None:
        return frozenset(documents.channels(name.kind, name.vessel))
    return named(document.body)


def named(body: Mapping[str, Any]) -> frozenset[str]:
    """The channels that a body names, as Sync Gateway's default function reads them."""
    value = body.get("channels")
    if isinstance(value, str):
        return frozenset((value,))
    return (
        frozenset(item for item in value if isinstance(item, str)) if isinstance(value, list) else frozenset()
    )


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
        if self.live_only and deleted:
            return False
        if self.document_ids and document_id not in self.document_ids:
            return False
        if self.stream is not None and not self.stream.holds(document_id):
            return False
        document: Document | None = None
        for wanted in (self.channels, self.within):
            if not wanted:
                continue
            name = documents.parse_id(document_id)
            if name is not None:
                found: Iterable[str] = documents.channels(name.kind, name.vessel)
            else:
                document = document or database.get(document_id)
                found = () if document is None else named(document.body)
            if wanted.isdisjoint(found):
                return False
        if self.filter is not None:
            document = document or database.get(document_id)
            return document is not None and self._chosen(document)
        return True

    def shows(self, database: Database, document_id: str, *, deleted: bool) -> bool:
        """As `wants`, for one document that a reader names: a filter that fails shows nothing."""
        try:
            return self.is_everything or self.wants(database, document_id, deleted=deleted)
        except FilterError as error:
            log.error("%s", error)
            return False

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
