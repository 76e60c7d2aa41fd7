"""What the store hands out: documents, changes, outcomes and counts."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sync.store import bodies


@dataclass(frozen=True, slots=True)
class Document:
    """One document at one revision."""

    id: str
    rev: str
    sequence: int
    """Of the document's last change."""
    deleted: bool
    conflicted: bool
    """Whether more than one branch of it is live."""
    raw: bytes
    """The body as JSON text."""

    @property
    def body(self) -> dict[str, Any]:
        """The body, decoded anew at each use."""
        return bodies.decode(self.id, self.raw)


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the feed of changes: a document, at the sequence of its last change."""

    sequence: int
    id: str
    rev: str
    deleted: bool
    conflicted: bool
    size: int
    """Bytes of the body."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision with what it takes to send it."""

    id: str
    rev: str
    deleted: bool
    raw: bytes
    history: list[str]
    """Its ancestors, newest first."""


@dataclass(frozen=True, slots=True)
class LocalDocument:
    """A document that stays in this store: a checkpoint, say."""

    key: str
    rev: str
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The body, decoded anew at each use."""
        return bodies.decode(self.key, self.raw)


class Inserted(Enum):
    """What became of a revision that came from elsewhere."""

    NEW = auto()
    """Stored; it follows what was here."""
    KNOWN = auto()
    """It was here already."""
    CONFLICT = auto()
    """Stored; the document has more than one live branch now."""
    BRANCHED = auto()
    """Stored on a branch of its own; of all branches one at most is live."""
    SUPERSEDED = auto()
    """Not stored: the document has a single writer, and a newer revision is here."""
    UNWANTED = auto()
    """Not stored: it lies below a floor."""

    @property
    def stored(self) -> bool:
        """Whether it was written now."""
        return self is Inserted.NEW or self is Inserted.CONFLICT or self is Inserted.BRANCHED


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction gave back."""

    blobs: int
    """Blobs removed."""
    blob_bytes: int
    file_bytes: int
    """Bytes by which the database file shrank."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes that the store takes on its file system."""

    used: int
    """In the database file, holding something."""
    free: int
    """In the database file, to be used again."""
    wal: int
    """The write-ahead log."""
    blobs: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.used + self.free + self.wal + self.blobs
