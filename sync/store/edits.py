"""Write operations on documents: local edits, revisions from peers, and conflict resolution.

Each operation loads the document's row, changes the revision tree in the row, and stores the row under the
next sequence.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sync.store import attachments, bodies, revisions, rows
from sync.store.engine import Engine
from sync.store.errors import ConflictError, DocumentError
from sync.store.model import InsertOutcome
from sync.store.remotes import Remotes
from sync.store.rows import DocumentRow
from sync.store.tree import RevisionTree

from .channel_removals import ChannelRemovals
from .policy import DocumentPolicy
from .purge_watermarks import PurgeWatermarks

BASE_LIMIT: Final = 64 * 1024
"""Maximum size, in bytes, of a replaced body that is kept as a base for deltas that are sent to peers."""


class Edits:
    """Write operations on the documents of one store."""

    def __init__(
        self,
        engine: Engine,
        floors: PurgeWatermarks,
        remotes: Remotes,
        departures: ChannelRemovals,
        policy: DocumentPolicy,
    ) -> None:
        self._engine = engine
        self._floors = floors
        self._remotes = remotes
        self._departures = departures
        self._is_single_writer = policy.is_single_writer

    def put(self, document_id: str, raw: bytes, *, parent: str | None, deleted: bool = False) -> str:
        """Store a local edit, and return the new revision id.

        `parent` is the revision that the edit replaces, or None if the document is new or deleted. Raises
        ConflictError if `parent` is not the current revision.
        """
        bodies.check_id(document_id)
        with self._engine.writing:
            if parent is None:
                body = raw if deleted else attachments.keep_attachments(document_id, raw)
                revision = revisions.make(None, deleted=deleted, body=body)
                flags = rows.DELETED if deleted else 0
                if rows.insert(self._engine, DocumentRow(0, document_id, revision, flags, body=body)):
                    return revision
            row = rows.load(self._engine, document_id)
            if row is None:
                raise ConflictError(f"{document_id}: the document to change does not exist", current=None)
            if parent is None and row.flags & rows.DELETED:
                parent = row.revision
            if parent is None or parent != row.revision:
                raise ConflictError(
                    f"{document_id}: the current revision is {row.revision}, not {parent or 'none'}; "
                    "read it again and repeat the change",
                    current=row.revision,
                )
            if not deleted:
                raw = attachments.keep_attachments(document_id, raw, row.raw)
            history, tree = [parent], row.revisions()
            if revisions.generation(parent) + 1 >= revisions.SOUND_LIMIT:
                # No peer would accept a successor of that revision, so the document gets a new root.
                again = revisions.RESTART_OF_ONE if self._is_single_writer(document_id) else revisions.RESTART
                revision = revisions.make(None, deleted=deleted, body=raw, above=again - 1)
                history, tree = [], RevisionTree()
            else:
                revision = revisions.make(parent, deleted=deleted, body=raw)
                if deleted and (above := _outranks(tree, revision, parent)):
                    revision = revisions.make(parent, deleted=True, body=raw, above=above)
                    history = revisions.bridged(revision, history)
            tree.insert(revision, history, deleted=deleted, body=raw)
            self._store(row, tree)
            return revision

    def put_if_absent(self, document_id: str, raw: bytes) -> bool:
        """Store a document unless its id already exists, even as a deletion. Return True if it was stored."""
        bodies.check_id(document_id)
        revision = revisions.make(None, deleted=False, body=raw)
        with self._engine.writing:
            return rows.insert(self._engine, DocumentRow(0, document_id, revision, 0, body=raw))

    def insert(
        self,
        document_id: str,
        revision: str,
        history: Sequence[str],
        raw: bytes,
        *,
        deleted: bool,
        allow_conflict: bool,
    ) -> InsertOutcome:
        """Store a revision that a peer has made; see `Database.insert`."""
        bodies.check_id(document_id)
        _check_sound(document_id, revision)
        revisions.check_history(revision, history)
        with self._engine.writing:
            if self._floors.below(document_id):
                return InsertOutcome.UNWANTED
            if not history and self._insert_first(document_id, revision, history, raw, deleted=deleted):
                return InsertOutcome.NEW
            row = rows.load(self._engine, document_id)
            if row is not None:
                if self._is_single_writer(document_id):
                    return self._advance(row, revision, history, raw, deleted=deleted)
                return self._merge(
                    row, revision, history, raw, deleted=deleted, allow_conflict=allow_conflict
                )
            self._insert_first(document_id, revision, history, raw, deleted=deleted)
            return InsertOutcome.NEW

    def insert_new(self, made: Sequence[tuple[str, str, bytes, bool]]) -> bool:
        """Store new documents with one revision each, which are given as (id, revision, body, deleted).

        Return False, and store nothing, if any of the documents already exists or lies below a floor (see
        `Database.set_floor`).
        """
        new = []
        with self._engine.writing:
            self._floors.look()
            for document_id, revision, raw, deleted in made:
                bodies.check_id(document_id)
                _check_sound(document_id, revision)
                if self._floors.is_below(document_id):
                    return False
                new.append(DocumentRow(0, document_id, revision, rows.DELETED if deleted else 0, body=raw))
            try:
                with self._engine.savepoint():
                    if not rows.insert_many(self._engine, new):
                        raise _ThereAlreadyError
            except _ThereAlreadyError:
                return False
        return True

    def resolve(self, document_id: str, winning: str, raw: bytes | None, *, deleted: bool) -> str:
        """Resolve a conflict: store a body on the winning branch, and close every other live branch.

        Return the id of the revision that is current afterwards. See `Database.resolve`.
        """
        with self._engine.writing:
            row = rows.load(self._engine, document_id)
            if row is None:
                raise ConflictError(f"{document_id}: the document to resolve does not exist", current=None)
            tree = row.revisions()
            tree.forget_unsound()
            if winning not in tree.leaves():
                raise ConflictError(
                    f"{document_id}: {winning} is not a leaf revision; read the conflict again",
                    current=row.revision,
                )
            result = winning
            if not _says(tree, winning, raw, deleted=deleted):
                body = bodies.EMPTY if raw is None else raw
                result = revisions.make(winning, deleted=deleted, body=body)
                tree.insert(result, [winning], deleted=deleted, body=body)
            for leaf in tree.live_leaves():
                if leaf != result:
                    closing = revisions.make(leaf, deleted=True, body=bodies.EMPTY, closing=True)
                    tree.insert(closing, [leaf], deleted=True, body=bodies.EMPTY)
            if not deleted and tree.winner() != result:
                raise DocumentError(
                    f"{document_id}: {winning} cannot win, because its generation is too far below that of"
                    f" {tree.winner()}; resolve the conflict on a branch with a higher generation"
                )
            self._store(row, tree)
            return result

    def _insert_first(
        self, document_id: str, revision: str, history: Sequence[str], raw: bytes, *, deleted: bool
    ) -> bool:
        encoded = None
        if history:
            tree = RevisionTree()
            tree.insert(revision, history, deleted=deleted, body=raw)
            tree.prune(self._remotes.held(document_id))
            encoded = tree.encode(revision) if len(tree.nodes) > 1 else None
        flags = rows.DELETED if deleted else 0
        return rows.insert(self._engine, DocumentRow(0, document_id, revision, flags, tree=encoded, body=raw))

    def _advance(
        self, row: DocumentRow, revision: str, history: Sequence[str], raw: bytes, *, deleted: bool
    ) -> InsertOutcome:
        """Store a newer revision of a document that has a single writer.

        Such a document has only one branch. A newer revision replaces the stored one, regardless of the newer
        revision's history.
        """
        if not revisions.newer(revision, row.revision):
            known = revision == row.revision or revision in row.revisions().nodes
            return InsertOutcome.KNOWN if known else InsertOutcome.SUPERSEDED
        tree = row.revisions()
        tree.insert(revision, history, deleted=deleted, body=raw)
        tree.keep_branch(revision)
        self._store(row, tree)
        return InsertOutcome.NEW

    def _merge(
        self,
        row: DocumentRow,
        revision: str,
        history: Sequence[str],
        raw: bytes,
        *,
        deleted: bool,
        allow_conflict: bool,
    ) -> InsertOutcome:
        tree = row.revisions()
        tree.forget_unsound()
        before = tree.leaves()
        new = tree.insert(revision, history, deleted=deleted, body=raw)
        after = tree.leaves()
        if not new:
            if len(after) < len(before):  # the history shows that a leaf is an ancestor of another leaf
                self._store(row, tree)
            return InsertOutcome.KNOWN
        branched = bool(before) and len(after) > len(before)
        live_before = sum(not tree.nodes[leaf].deleted for leaf in before)
        live = len(tree.live_leaves())
        if not allow_conflict and ((branched and live_before) or live > max(1, live_before)):
            raise ConflictError(
                f"{row.document_id}: {revision} does not follow the current revision {row.revision}",
                current=row.revision,
            )
        stored = self._store(row, tree)
        if stored.flags & rows.CONFLICTED:
            return InsertOutcome.CONFLICT
        return InsertOutcome.BRANCHED if branched else InsertOutcome.NEW

    def _store(self, row: DocumentRow, tree: RevisionTree) -> DocumentRow:
        held = self._remotes.held(row.document_id)
        tree.drop_bodies(_bases(tree, held))
        tree.prune(held)
        stored = rows.replace(self._engine, row, tree)
        self._departures.note(row, stored)
        return stored


def _check_sound(document_id: str, revision: str) -> None:
    """Raise DocumentError for a revision at or beyond SOUND_LIMIT, which would prevent further edits."""
    if not revisions.is_sound(revision):
        text = f"{document_id}: there is no higher generation for edits after revision {revision[:80]}"
        raise DocumentError(text)


class _ThereAlreadyError(Exception):
    """Raised if a document that was expected to be new already exists."""


def _outranks(tree: RevisionTree, deletion: str, parent: str) -> int:
    """Return the generation that a deletion must exceed to become the current revision; 0 for no minimum.

    When the last live branch is deleted, an already closed branch may outrank the deletion. A peer that reads
    only current revisions would then not receive the deletion.
    """
    others = [leaf for leaf in tree.leaves() if leaf != parent]
    if not others or not all(tree.nodes[leaf].deleted for leaf in others):
        return 0
    highest = max(others, key=revisions.split)
    return revisions.generation(highest) if revisions.newer(highest, deletion) else 0


def _bases(tree: RevisionTree, held: Iterable[str]) -> set[str]:
    """Return those revisions in `held` whose bodies are stored, and small enough to be kept for deltas."""
    return {
        revision
        for revision in held
        if (node := tree.nodes.get(revision)) is not None
        and node.body is not None
        and len(node.body) <= BASE_LIMIT
    }


def _says(tree: RevisionTree, revision: str, raw: bytes | None, *, deleted: bool) -> bool:
    """Return True if a stored revision already has the given body and deletion flag."""
    node = tree.nodes[revision]
    stored, wanted = node.body or bodies.EMPTY, raw or bodies.EMPTY
    return node.deleted == deleted and (
        stored == wanted or bodies.recanonical(revision, stored) == bodies.recanonical(revision, wanted)
    )
