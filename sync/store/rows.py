"""Rows of the table of documents: their flags, their checksum, and the statements that read and write them.

Each row contains a CRC-32 of all its columns. SQLite's own check detects a damaged page structure, but not a
flipped bit inside a body.
"""

import dataclasses
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sync.store import attachments, bodies
from sync.store.engine import Engine
from sync.store.tree import RevisionTree

DELETED: Final = 1
CONFLICTED: Final = 2
HAS_BLOBS: Final = 4
"""Flag of a document with a stored body that may refer to blobs."""

SELECT: Final = "SELECT seq, id, rev, flags, crc, expires, tree, body FROM docs"
_BY_ID: Final = f"{SELECT} WHERE id = ?"
_INSERT: Final = (
    "INSERT INTO docs(seq, id, rev, flags, crc, expires, tree, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT(id) DO NOTHING"
)
_UPDATE: Final = (
    "UPDATE docs SET seq = ?1, rev = ?2, flags = ?3, crc = ?4, expires = ?5, tree = ?6, body = ?7"
    " WHERE seq = ?8"
)

_BLOB_MARKS: Final = (b"@type", b"\\u00", attachments.MARK)
"""Byte strings to search for. A body that refers to a blob contains at least one, even with escaped keys."""


@dataclass(slots=True)
class DocumentRow:
    """A row of the table of documents, which contains one document."""

    sequence: int
    document_id: str
    revision: str
    flags: int
    expires: int | None = None
    tree: bytes | None = None
    """The encoded revision tree; None if there is only one revision."""
    body: bytes | None = None
    """The body of the current revision; None for an empty object."""

    @property
    def raw(self) -> bytes:
        """The current revision's body as JSON text."""
        return bodies.EMPTY if self.body is None else self.body

    def revisions(self) -> RevisionTree:
        """Return the revision tree, including the current revision's body."""
        if self.tree is None:
            return RevisionTree.single(self.revision, deleted=bool(self.flags & DELETED), body=self.raw)
        return RevisionTree.decode(self.tree, winner=self.revision, body=self.raw)

    def columns(self) -> tuple[Any, ...]:
        """Return the row's values, in the column order of the `SELECT` statement."""
        return (
            self.sequence,
            self.document_id,
            self.revision,
            self.flags,
            self.checksum(),
            self.expires,
            self.tree,
            self.body,
        )

    def checksum(self) -> int:
        """Return the CRC-32 of all columns of the row."""
        head = f"{self.sequence} {self.revision} {self.flags} {self.expires} {self.document_id}"
        crc = zlib.crc32(head.encode())
        if self.tree is not None:
            crc = zlib.crc32(self.tree, crc ^ 1)
        return crc if self.body is None else zlib.crc32(self.body, crc ^ 2)


def from_columns(columns: tuple[Any, ...]) -> DocumentRow | None:
    """Create a row from its columns in the order of `SELECT`, or return None if its checksum is wrong."""
    sequence, document_id, revision, flags, crc, expires, tree, body = columns
    row = DocumentRow(sequence, document_id, revision, flags, expires, tree, body)
    try:
        return row if row.checksum() == crc else None
    except TypeError:  # if a record's header is damaged, bytes may be returned as text
        return None


def without_empty_leaves(row: DocumentRow) -> DocumentRow:
    """Return a row after removing the leaves without a body from its revision tree.

    The row's checksum must be correct. If the tree cannot be decoded, the row is returned unchanged, so that
    the check of the store reports the fault.
    """
    if row.tree is None:
        return row
    try:
        tree = row.revisions()
    except ValueError:
        return row
    if not tree.forget_empty_leaves() or row.revision not in tree.nodes:
        return row
    return dataclasses.replace(
        row,
        flags=flags_of(tree) | row.flags & HAS_BLOBS,
        tree=tree.encode(row.revision) if len(tree.nodes) > 1 else None,
    )


def sound(columns: tuple[Any, ...], engine: Engine) -> DocumentRow:
    """Create a row from its columns in the order of `SELECT`, and verify its checksum.

    Raises:
        DamagedError: the checksum is wrong.
    """
    row = from_columns(columns)
    if row is None:
        raise engine.damaged(f"document {columns[1]!r} at sequence {columns[0]} does not match its checksum")
    return row


def load(engine: Engine, document_id: str) -> DocumentRow | None:
    """Return the row of a document; None if it is not stored. Call this in one of the engine's scopes."""
    selected = engine.execute(_BY_ID, (document_id,)).fetchall()
    return sound(selected[0], engine) if selected else None


def insert(engine: Engine, row: DocumentRow) -> bool:
    """Store a new document. Return False, and store nothing, if a document with its id already exists.

    This function sets the row's sequence and its flag for blobs.
    """
    row.sequence = engine.last_sequence() + 1
    engine.execute(_INSERT, _columns(row))
    if not engine.connection.changes():
        return False
    engine.next_sequence()
    return True


def _columns(row: DocumentRow) -> tuple[Any, ...]:
    """Set a new row's flag for blobs, and return the values of its columns in the order of `_INSERT`."""
    row.flags |= _blob_flag(row.body)
    if row.body == bodies.EMPTY:
        row.body = None
    return row.columns()


def insert_many(engine: Engine, new: Sequence[DocumentRow]) -> bool:
    """Store new documents. Return False if any of them already exists.

    In that case, some of the documents may have been stored, so the caller must roll back. This function sets
    the sequences of the rows and their flags for blobs.
    """
    before = engine.last_sequence()
    columns = []
    for row in new:
        row.sequence = engine.next_sequence()
        columns.append(_columns(row))
    engine.connection.executemany(_INSERT, columns)
    stored = engine.execute("SELECT count(*) FROM docs WHERE seq > ?", (before,)).get
    return bool(stored == len(new))


def replace(engine: Engine, old: DocumentRow, tree: RevisionTree) -> DocumentRow:
    """Store a document's changed revision tree under the next sequence. Return the new row."""
    winner = tree.winner()
    new = DocumentRow(
        sequence=engine.next_sequence(),
        document_id=old.document_id,
        revision=winner,
        flags=flags_of(tree),
        expires=old.expires,
        tree=tree.encode(winner) if len(tree.nodes) > 1 else None,
        body=tree.nodes[winner].body,
    )
    rewrite(engine, old.sequence, new)
    return new


def rewrite(engine: Engine, sequence: int, new: DocumentRow) -> None:
    """Replace the row that is stored under `sequence` with `new`, which may have a different sequence."""
    if new.body == bodies.EMPTY:
        new.body = None
    engine.execute(
        _UPDATE,
        (
            new.sequence,
            new.revision,
            new.flags,
            new.checksum(),
            new.expires,
            new.tree,
            new.body,
            sequence,
        ),
    )


def flags_of(tree: RevisionTree) -> int:
    """Return the flags to store for a document with the given revision tree."""
    flags = DELETED if tree.nodes[tree.winner()].deleted else 0
    if len(tree.nodes) > 1 and len(tree.live_leaves()) > 1:
        flags |= CONFLICTED
    for node in tree.nodes.values():
        flags |= _blob_flag(node.body)
    return flags


def _blob_flag(body: bytes | None) -> int:
    if body is None:
        return 0
    blob, escaped, attachment = _BLOB_MARKS
    return HAS_BLOBS if blob in body or escaped in body or attachment in body else 0
