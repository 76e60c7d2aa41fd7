"""Types of the values that the store returns: documents, changes, outcomes and counts."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sync.store import bodies


@dataclass(frozen=True, slots=True)
class Document:
    """A document in the state of one of its revisions."""

    id: str
    rev: str
    sequence: int
    """Sequence of the document's last change in the changes feed."""
    deleted: bool
    conflicted: bool
    """True if the document has more than one live branch."""
    raw: bytes
    """The document's body as JSON text."""

    @property
    def body(self) -> dict[str, Any]:
        """The document's body. It is decoded on each access."""
        return bodies.decode(self.id, self.raw)


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """An entry in the changes feed: the last change of one document."""

    sequence: int
    id: str
    rev: str
    deleted: bool
    conflicted: bool
    size: int
    """Size of the document's body, in bytes."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision with the data that is needed to send it to a peer."""

    id: str
    rev: str
    deleted: bool
    raw: bytes
    history: list[str]
    """Ids of the revision's ancestors, newest first."""


@dataclass(frozen=True, slots=True)
class LocalDocument:
    """A document that is never replicated, such as a checkpoint."""

    key: str
    rev: str
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The document's body. It is decoded on each access."""
        return bodies.decode(self.key, self.raw)


class InsertOutcome(Enum):
    """The outcome of inserting a revision that a peer has made."""

    NEW = auto()
    """The revision was stored as the successor of a stored revision, or as its document's first revision."""
    KNOWN = auto()
    """The revision was already stored."""
    CONFLICT = auto()
    """The revision was stored, and the document now has more than one live branch."""
    BRANCHED = auto()
    """The revision was stored on a new branch without causing a conflict: at most one branch is live."""
    SUPERSEDED = auto()
    """The revision was not stored: the document has a single writer, and a newer revision is stored."""
    UNWANTED = auto()
    """The revision was not stored: the document lies below a floor (see `Database.set_floor`)."""

    @property
    def stored(self) -> bool:
        """True if the revision was stored now, rather than before or not at all."""
        return self is InsertOutcome.NEW or self is InsertOutcome.CONFLICT or self is InsertOutcome.BRANCHED


@dataclass(frozen=True, slots=True)
class CompactionResult:
    """The result of a compaction of a store: the blobs removed, and the space released."""

    blobs: int
    """Number of blobs removed."""
    blob_bytes: int
    file_bytes: int
    """Number of bytes by which the database file has shrunk."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The space, in bytes, that a store occupies on its file system."""

    used: int
    """Number of bytes in the database file that are in use."""
    free: int
    """Number of bytes in the free pages of the database file, which will be reused."""
    wal: int
    """Size of the write-ahead log in bytes."""
    blobs: int

    @property
    def total(self) -> int:
        """Total size of the store in bytes: database file, write-ahead log and blobs."""
        return self.used + self.free + self.wal + self.blobs
