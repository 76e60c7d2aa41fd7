"""Read operations: single documents, documents by id, the changes feed, and queries for replication.

No read transaction lasts long. Queries that return many documents read them in batches, so that SQLite can
reset the write-ahead log between two batches.
"""

import sys
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

import msgspec

from sync.store import bodies, revisions, rows
from sync.store.engine import Engine
from sync.store.model import Document, DocumentChange, Revision
from sync.store.rows import DocumentRow
from sync.store.tree import RevisionTree

from .policy import DocumentPolicy
from .purge_watermarks import PurgeWatermarks

PAGE: Final = 64
"""Number of documents that are read in one batch, with one query."""
ANCESTORS: Final = 20
"""Maximum number of known ancestors reported to a peer that offers a revision."""


class Reader:
    """Read operations on the documents of one store."""

    def __init__(self, engine: Engine, floors: PurgeWatermarks, policy: DocumentPolicy) -> None:
        self._engine = engine
        self._floors = floors
        self._policy = policy
        self._is_single_writer = policy.is_single_writer

    def get(self, document_id: str, revision: str | None) -> Document | None:
        """Return a document at `revision`, or at its current revision if that is None.

        Return None if the document is not stored, or if the body of `revision` is no longer stored.
        """
        with self._engine.reading:
            row = rows.load(self._engine, document_id)
        if row is None:
            return None
        if revision is None or revision == row.revision:
            return as_document(row)
        node = row.revisions().nodes.get(revision)
        if node is None or node.body is None:
            return None
        return Document(
            row.document_id,
            revision,
            row.sequence,
            node.deleted,
            bool(row.flags & rows.CONFLICTED),
            node.body,
        )

    def revision(
        self, document_id: str, revision: str, until: Collection[str], limit: int
    ) -> Revision | None:
        """Return a revision and its history, to be sent to a peer; None if its body is not stored.

        See `Database.revision`.
        """
        with self._engine.reading:
            row = rows.load(self._engine, document_id)
        if row is None:
            return None
        if row.tree is None:
            if revision != row.revision:
                return None
            return Revision(document_id, revision, bool(row.flags & rows.DELETED), row.raw, [])
        tree = row.revisions()
        node = tree.nodes.get(revision)
        if node is None or node.body is None:
            return None
        history = tree.history(revision, until=until, limit=limit)
        return Revision(document_id, revision, node.deleted, node.body, history)

    def first_revisions(self, first: int, last: int) -> dict[int, Revision]:
        """Return the revisions of all documents in a range that have only one revision, by sequence.

        The range is that of the sequences from `first` to `last`, inclusive.
        """
        with self._engine.reading:
            page = self._engine.execute(
                f"{rows.SELECT} WHERE seq >= ? AND seq <= ? AND tree IS NULL", (first, last)
            ).fetchall()
            return {
                row.sequence: Revision(
                    row.document_id, row.revision, row.flags & rows.DELETED != 0, row.raw, []
                )
                for row in [rows.sound(columns, self._engine) for columns in page]
            }

    def leaves(self, document_id: str) -> list[Document]:
        """Return the leaf revisions of a document, the current revision first."""
        with self._engine.reading:
            row = rows.load(self._engine, document_id)
        if row is None:
            return []
        tree = row.revisions()
        others = sorted(leaf for leaf in tree.leaves() if leaf != row.revision)
        conflicted = bool(row.flags & rows.CONFLICTED)
        return [as_document(row)] + [
            Document(row.document_id, leaf, row.sequence, node.deleted, conflicted, node.body or bodies.EMPTY)
            for leaf in others
            for node in [tree.nodes[leaf]]
        ]

    def ended(self, offered: Iterable[tuple[str, str]]) -> list[bool]:
        """Return, for each (id, revision), True if its branch is closed here while another branch is live."""
        offers = list(offered)
        here = self.current([document_id for document_id, _ in offers])
        answers = []
        for document_id, revision in offers:
            current, deleted = here.get(document_id, (revision, False))
            if current == revision or deleted:
                answers.append(False)
                continue
            with self._engine.reading:
                row = rows.load(self._engine, document_id)
            answers.append(row is not None and row.revisions().has_ended(revision))
        return answers

    def missing(self, offered: Iterable[tuple[str, str]]) -> list[list[str] | None]:
        """Return, for each offered (id, revision), its ancestors stored here; None for an unwanted revision.

        See `Database.missing`.
        """
        answers: list[list[str] | None] = []
        with self._engine.reading:
            self._floors.look()
            offers = list(offered)
            # One statement reads all documents, because starting a statement takes longer than reading a row.
            here = {
                document_id: (current, tree)
                for document_id, current, tree in self._engine.execute(
                    "SELECT docs.id, rev, tree FROM json_each(?) AS asked"
                    " CROSS JOIN docs ON docs.id = asked.value",
                    (msgspec.json.encode([document_id for document_id, _ in offers]).decode(),),
                )
            }
            for document_id, revision in offers:
                if self._floors.is_below(document_id):
                    answers.append(None)
                    continue
                columns = here.get(document_id)
                answers.append([] if columns is None else self._ancestors(document_id, revision, *columns))
        return answers

    def stored_bytes(self, document_id: str) -> int:
        """Return the total bytes of a document's stored bodies and history; 0 if it is not stored."""
        with self._engine.reading:
            size: int | None = self._engine.execute(
                "SELECT ifnull(length(body), 0) + ifnull(length(tree), 0) FROM docs WHERE id = ?",
                (document_id,),
            ).get
        return size or 0

    def unsound(self, least: int) -> list[str]:
        """Return the ids of documents whose current revision has generation `least` or a higher one.

        Documents that never change always have generation 1. They are skipped, because there may be far more
        of them than of all other documents.
        """
        found: list[str] = []
        with self._engine.reading:
            for low, high in _ranges_without(self._policy.immutable_prefixes):
                found += (
                    document_id
                    for (document_id,) in self._engine.execute(
                        "SELECT id FROM docs WHERE id >= ? AND id < ? AND CAST(rev AS INTEGER) >= ?",
                        (low, high, least),
                    )
                )
        return found

    def current(self, ids: Iterable[str]) -> dict[str, tuple[str, bool]]:
        """Return (current revision, True if it is a deletion) for each stored document in `ids`, by id."""
        with self._engine.reading:
            return {
                document_id: (revision, flags & rows.DELETED != 0)
                for document_id, revision, flags in self._engine.execute(
                    "SELECT docs.id, rev, flags FROM json_each(?) AS asked"
                    " CROSS JOIN docs ON docs.id = asked.value",
                    (msgspec.json.encode(list(ids)).decode(),),
                )
            }

    def _ancestors(
        self, document_id: str, revision: str, current: str, tree: bytes | None
    ) -> list[str] | None:
        if revision == current:
            return None
        if self._is_single_writer(document_id) and not revisions.newer(revision, current):
            return None
        if tree is None:
            nodes: Collection[str] = (current,)
        else:
            nodes = RevisionTree.decode(tree, winner=current, body=bodies.EMPTY).nodes
        if revision in nodes:
            return None
        number = revisions.generation(revision)
        older = [known for known in nodes if revisions.generation(known) < number]
        older.sort(key=revisions.split, reverse=True)
        return older[:ANCESTORS]

    def changes(self, since: int, limit: int | None) -> list[DocumentChange]:
        """Return the last change of each document after sequence `since`, in order of sequence."""
        with self._engine.reading:
            page: list[tuple[Any, ...]] = self._engine.execute(
                "SELECT seq, id, rev, flags, ifnull(length(body), 2) FROM docs"
                " WHERE seq > ? ORDER BY seq LIMIT ?",
                (since, -1 if limit is None else limit),
            ).fetchall()
        return [
            DocumentChange(
                sequence, document_id, revision, flags & rows.DELETED != 0, flags & rows.CONFLICTED != 0, size
            )
            for sequence, document_id, revision, flags, size in page
        ]

    def documents(
        self, prefix: str, *, after: str, reverse: bool, limit: int | None, deleted: bool
    ) -> Iterator[Document]:
        """Yield documents in order of id. They are read in batches; see `Database.documents`."""
        low, high = _range(prefix)
        statement = f"{rows.SELECT} WHERE id >= ? AND id < ?"
        if not deleted:
            statement += f" AND NOT flags & {rows.DELETED}"
        statement += f" ORDER BY id {'DESC' if reverse else 'ASC'} LIMIT ?"
        left = sys.maxsize if limit is None else limit
        while left > 0:
            if after and reverse:
                high = after if isinstance(high, bytes) else min(high, after)
            elif after:
                low = max(low, after + "\0")  # the first string that sorts after `after`
            wanted = min(PAGE, left)
            with self._engine.reading:
                page = self._engine.execute(statement, (low, high, wanted)).fetchall()
                loaded = [rows.sound(columns, self._engine) for columns in page]
            for row in loaded:
                yield as_document(row)
            if len(page) < wanted:
                return
            left -= len(page)
            after = loaded[-1].document_id

    def count(self, prefix: str, *, deleted: bool) -> int:
        """Return the number of documents whose ids begin with `prefix`."""
        bounds = _range(prefix)
        with self._engine.reading:
            total: int = self._engine.execute(
                "SELECT count(*) FROM docs WHERE id >= ? AND id < ?", bounds
            ).get
            if not deleted:
                total -= self._engine.execute(
                    f"SELECT count(*) FROM docs WHERE id >= ? AND id < ? AND flags & {rows.DELETED}",  # noqa: S608
                    bounds,
                ).get
        return total

    def conflicts(self) -> list[str]:
        """Return the ids of the documents with an unresolved conflict."""
        return self._ids(f"SELECT id FROM docs WHERE flags & {rows.CONFLICTED} ORDER BY id")  # noqa: S608

    def _ids(self, statement: str, bindings: tuple[Any, ...] = ()) -> list[str]:
        with self._engine.reading:
            return [document_id for (document_id,) in self._engine.execute(statement, bindings)]


def as_document(row: DocumentRow) -> Document:
    """Convert a row of the table to a document at its current revision."""
    return Document(
        row.document_id,
        row.revision,
        row.sequence,
        row.flags & rows.DELETED != 0,
        row.flags & rows.CONFLICTED != 0,
        row.raw,
    )


def _range(prefix: str) -> tuple[str, str | bytes]:
    """Return the lower (inclusive) and the upper (exclusive) bound of the ids that begin with `prefix`."""
    start = prefix
    while prefix:
        following = ord(prefix[-1]) + 1
        if following <= sys.maxunicode:
            return start, prefix[:-1] + chr(0xE000 if 0xD800 <= following < 0xE000 else following)
        prefix = prefix[:-1]
    return start, b""  # SQLite sorts every blob after every text


def _ranges_without(prefixes: Iterable[str]) -> Iterator[tuple[str, str | bytes]]:
    """Yield, in order, the bounds of the ranges of ids that begin with none of the prefixes."""
    low = ""
    for start, end in sorted(_range(prefix) for prefix in prefixes):
        if low < start:
            yield low, start
        if isinstance(end, bytes):
            return
        low = max(low, end)
    yield low, b""
