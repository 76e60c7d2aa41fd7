"""The document store: one file, used by several processes at once.

Guarantees of a commit
    A change is durable when `put`, `insert`, `delete` … return outside a transaction, or when a
    `transaction()` ends. At that point, SQLite's write-ahead log was written and flushed to the card
    (`synchronous=FULL`). After a power cut at any time, each transaction is complete or absent, never
    partial, and all transactions committed before it are complete. If a call raises an exception, none of its
    changes can be read. There is one exception: if the card fails during the commit and the power fails
    afterwards, the whole transaction may reappear.

Cost of a commit
    Each changed page (4 KiB) is appended to the write-ahead log, which is then flushed once. A
    checkpoint writes each page to the database file once, however often the page was changed since the
    last checkpoint. So changes that can wait a second should share one transaction. A new document changes
    the last page of the table and one leaf page of the index of ids. Similar ids are on the same leaf page.

Cost of a change
    The work for one change is proportional to the depth of two B-trees. It hardly grows with the number of
    stored documents.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import apsw
import msgspec

from sync.store import bodies, check, meta, revisions, schema
from sync.store.blobs import BlobStore
from sync.store.checkpoints import Checkpoints
from sync.store.edits import Edits
from sync.store.engine import Engine
from sync.store.errors import DamagedError
from sync.store.model import (
    CompactionResult,
    Document,
    DocumentChange,
    InsertOutcome,
    LocalDocument,
    Revision,
    Usage,
)
from sync.store.notify import ChangeAnnouncer, ChangeWatcher
from sync.store.reader import Reader
from sync.store.remotes import Remotes
from sync.store.sizes import Sizes

from .channel_removals import ChannelRemovals
from .local_documents import LocalDocuments
from .policy import PLAIN, DocumentPolicy
from .purge import Purge
from .purge_watermarks import PurgeWatermarks

_VACUUM_PAGES: Final = 64
"""Number of free pages released in one transaction.

The transaction moves at most 256 kB. The write-ahead log has space for that even on a full card.
"""


class Database:
    """A document store.

    Each object is one connection to the store's file. Threads may share the object. While one thread is in a
    transaction, all other threads wait.
    """

    def __init__(
        self,
        path: Path,
        connection: apsw.Connection,
        *,
        policy: DocumentPolicy,
        announce: Path | None,
        clock: Callable[[], float],
    ) -> None:
        """Create a Database from an open connection. Applications call `open` instead."""
        self.path: Final = path
        self._announcer = ChangeAnnouncer(announce, path.name, changed_elsewhere=self._data_version)
        self._engine = engine = Engine(connection, path, committed=self._announcer.announce)
        self._clock = clock
        self.policy: Final = policy
        """The rules that the application defines for its documents."""
        self._floors = floors = PurgeWatermarks(engine)
        self._remotes = Remotes(engine)
        self._departures = ChannelRemovals(engine)
        self._edits = Edits(engine, floors, self._remotes, self._departures, policy)
        self._reader = Reader(engine, floors, policy)
        self._local = LocalDocuments(engine)
        self._retirement = Purge(engine, self._departures)
        self.checkpoints: Final = Checkpoints(engine, self._remotes)
        """The replication checkpoints that peers keep in this store."""
        self.sizes: Final = Sizes(engine)
        """The total sizes of the documents in this store, in bytes."""
        self.blobs: Final = BlobStore(engine, path.with_name(path.name + ".blobs"))
        """The store's blobs: files to which documents refer by digest."""
        try:
            uuid = meta.identity(engine)
        except BaseException:
            self.close()
            raise
        self.uuid = uuid
        """UUID of this store.

        A new or salvaged store has a new UUID, so that peers replicate it from the beginning.
        """

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        policy: DocumentPolicy = PLAIN,
        announce: Path | None = None,
        checkpoint_pages: int = schema.WAL_PAGES,
        create: bool = True,
        vfs: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> "Database":
        """Open the store in a file, creating the file if it is missing.

        Args:
            path: the database file. Its blobs are in `<path>.blobs/`, and its write-ahead log in
                `<path>-wal`.
            policy: the rules that the application defines for its documents.
            announce: directory through which processes notify each other of changes; None to notify only
                watchers of this object.
            checkpoint_pages: number of pages in the write-ahead log at which a commit moves them into the
                file. If it is 0, no commit moves pages, so a process must call `checkpoint`.
            create: True to create a missing file.
            vfs: name of the SQLite VFS to use.
            clock: returns seconds since 1970, for expiry.

        Raises:
            UnsupportedError: SQLite is too old, the file has a newer schema, or the file is not a store.
            DamagedError: the file is too damaged to be opened.
            StoreError: the file cannot be opened for another reason.
        """
        connection = schema.connect(path, checkpoint_pages=checkpoint_pages, vfs=vfs, create=create)
        try:
            return cls(path, connection, policy=policy, announce=announce, clock=clock)
        except BaseException:
            connection.close(True)
            raise

    def close(self) -> None:
        """Close the store, and roll back any open transaction."""
        self._announcer.close()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def damage(self) -> DamagedError | None:
        """The last error that reported damage since the store was opened; None if there was none."""
        return self._engine.damage

    # --- transactions and the changes feed

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context manager that groups changes into one transaction.

        A nested transaction is part of the outer transaction, but can be rolled back separately.
        """
        return self._engine.savepoint()

    @property
    def last_sequence(self) -> int:
        """The highest sequence that was ever assigned to a change."""
        with self._engine.reading:
            return self._engine.last_sequence()

    def changes(self, since: int = 0, *, limit: int | None = None) -> list[DocumentChange]:
        """Return the last change of each document after sequence `since`, in order of sequence.

        `limit` is the maximum number of changes; None for all.
        """
        return self._reader.changes(since, limit)

    def watch(self) -> ChangeWatcher:
        """Return a watcher that wakes up when any process has changed documents.

        After it wakes up, call `changes` with the last sequence that was read before.
        """
        return self._announcer.watch()

    # --- documents

    def get(self, doc_id: str, *, rev: str | None = None) -> Document | None:
        """Return a document at revision `rev`, or by default at its current revision.

        The current revision may be a deletion. Return None if there is no such document, or if the body of
        `rev` is no longer stored.
        """
        return self._reader.get(doc_id, rev)

    def put(self, doc_id: str, body: Mapping[str, Any] | bytes, *, parent: str | None = None) -> str:
        """Store a document. `parent` is the revision to replace, or None if the document is new or deleted.

        If the body has no `_attachments`, the attachments of the replaced revision are kept. To remove them,
        pass an empty object as `_attachments`.

        Returns:
            The new revision id.

        Raises:
            ConflictError: `parent` is not the current revision.
            DocumentError: the document cannot be stored.
        """
        return self._edits.put(doc_id, bodies.to_canonical(doc_id, body), parent=parent)

    def put_if_absent(self, doc_id: str, body: Mapping[str, Any] | bytes) -> bool:
        """Store a document unless its id already exists, even as a deletion. Return True if it was stored."""
        return self._edits.put_if_absent(doc_id, bodies.to_canonical(doc_id, body))

    def delete(self, doc_id: str, *, parent: str, body: Mapping[str, Any] | bytes | None = None) -> str:
        """Delete a document. `body` is the body of the tombstone, or None for an empty body.

        Returns:
            The new revision id.

        Raises:
            ConflictError: `parent` is not the current revision.
        """
        return self._edits.put(doc_id, bodies.to_canonical(doc_id, body), parent=parent, deleted=True)

    def documents(
        self,
        prefix: str = "",
        *,
        after: str = "",
        reverse: bool = False,
        limit: int | None = None,
        deleted: bool = False,
    ) -> Iterator[Document]:
        """Yield the documents whose ids begin with `prefix`, in order of id, starting after the id `after`.

        Documents are read in batches. If a document changes in the meantime, its old or its new state is
        returned. With `reverse`, the order is descending, starting below the id `after`. With `deleted`,
        deleted documents are included.
        """
        return self._reader.documents(prefix, after=after, reverse=reverse, limit=limit, deleted=deleted)

    def count(self, prefix: str = "", *, deleted: bool = False) -> int:
        """Return the number of documents whose ids begin with `prefix`.

        The time taken is proportional to that number, because the index of ids is scanned.
        """
        return self._reader.count(prefix, deleted=deleted)

    def export(self, *, deleted: bool = False) -> Iterator[bytes]:
        """Yield each document as a line of JSON, in order of id.

        Each line contains the body with the additional keys `_id`, `_rev` and, for a deletion, `_deleted`.
        """
        for document in self.documents(deleted=deleted):
            head: dict[str, Any] = {"_id": document.id, "_rev": document.rev}
            if document.deleted:
                head["_deleted"] = True
            yield msgspec.json.encode(head | document.body) + b"\n"

    # --- replication

    def insert(
        self,
        doc_id: str,
        rev: str,
        history: Sequence[str] = (),
        body: Mapping[str, Any] | bytes | None = None,
        *,
        deleted: bool = False,
        allow_conflict: bool = True,
    ) -> InsertOutcome:
        """Store a revision that a peer has made. If it is already stored, nothing changes.

        Args:
            doc_id: the document's id.
            rev: the revision's id.
            history: ids of the revision's ancestors, newest first; generations may be missing.
            body: the body, as a mapping or as JSON text; None for an empty object. JSON text is stored
                unchanged.
            deleted: True if the revision is a deletion.
            allow_conflict: True if the revision may start a second live branch.

        Returns:
            The outcome, including whether the revision was stored.

        Raises:
            ConflictError: the revision would start a second live branch, and `allow_conflict` is False.
            DocumentError: the revision cannot be stored.
        """
        raw = bodies.to_json(doc_id, body)
        return self._edits.insert(doc_id, rev, history, raw, deleted=deleted, allow_conflict=allow_conflict)

    def insert_new(self, rows: Sequence[tuple[str, str, bytes, bool]]) -> bool:
        """Store many new documents in one transaction.

        Args:
            rows: for each document, its id, its only revision id, its body as JSON text, and True if it is
                deleted.

        Returns:
            True if all documents were stored. False if none was stored, because at least one of them already
            exists or lies below a floor (see `set_floor`). In that case, call `insert` for each document.

        Raises:
            DocumentError: a document cannot be stored. In that case, no document was stored.
        """
        for document_id, _, raw, _ in rows:
            bodies.accept(document_id, raw)
        return self._edits.insert_new(rows)

    def missing(self, offered: Iterable[tuple[str, str]]) -> list[list[str] | None]:
        """Return, for each offered (id, revision), its ancestors stored here; None for an unwanted revision.

        A revision is unwanted if it is already stored, or if its document lies below a floor (see
        `set_floor`). If a document has a single writer, its revisions are also unwanted if a newer revision
        is stored.
        """
        return self._reader.missing(offered)

    def ended(self, offered: Iterable[tuple[str, str]]) -> list[bool]:
        """Return, for each (id, revision), True if its branch is closed here while another branch is live."""
        return self._reader.ended(offered)

    def stored_bytes(self, doc_id: str) -> int:
        """Return the total size, in bytes, of a document's stored bodies and history, without reading them.

        The result is 0 if the document is not stored.
        """
        return self._reader.stored_bytes(doc_id)

    def unsound(self) -> list[str]:
        """Return the ids of the documents that cannot be edited, because their generation is too high.

        Revisions with such a generation are rejected now, but earlier versions of Logboat accepted them.
        Documents that never change are skipped.
        """
        return self._reader.unsound(revisions.SOUND_LIMIT)

    def current(self, ids: Iterable[str]) -> dict[str, tuple[str, bool]]:
        """Return (current revision, True if it is a deletion) for each stored document in `ids`, by id."""
        return self._reader.current(ids)

    def revision(
        self, doc_id: str, rev: str, *, ancestors: Collection[str] = (), limit: int = 20
    ) -> Revision | None:
        """Return a revision and its history, to be sent to a peer; None if its body is no longer stored.

        `ancestors` contains revisions that the peer is known to have. The history ends with the newest of
        these, even if some revisions before it must be skipped. If the history contains none of them, it ends
        after `limit` revisions.
        """
        return self._reader.revision(doc_id, rev, ancestors, limit)

    def first_revisions(self, first: int, last: int) -> dict[int, Revision]:
        """Return the revisions of all documents in a range that have only one revision, by sequence.

        The range is that of the sequences from `first` to `last`, inclusive. One query reads all documents,
        which is fast for documents that never change.
        """
        return self._reader.first_revisions(first, last)

    def leaves(self, doc_id: str) -> list[Document]:
        """Return the leaf revisions of a document, the current revision first."""
        return self._reader.leaves(doc_id)

    def departed(self, doc_id: str) -> dict[str, int]:
        """Return the channels that a document has left, each with the sequence of the last removal.

        The result is empty if the document has left no channel, or if this store first received it as a
        deletion. For a document without channels that was deleted here, the result contains a channel with an
        empty name.
        """
        return self._departures.removals_of(doc_id)

    def conflicts(self) -> list[str]:
        """Return the ids of the documents with more than one live branch."""
        return self._reader.conflicts()

    def resolve(
        self,
        doc_id: str,
        winning_rev: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        deleted: bool = False,
    ) -> str:
        """Resolve a conflict: store `body` on the winning branch, and close every other live branch.

        The other branches are closed by tombstones. If the winning branch already has this body, that branch
        stays unchanged. The new revision ids depend only on the branches and the body. So two peers that
        resolve a conflict in the same way create the same revisions.

        Returns:
            The id of the revision that is current afterwards.

        Raises:
            ConflictError: `winning_rev` is no longer a leaf revision.
        """
        return self._edits.resolve(doc_id, winning_rev, bodies.to_canonical(doc_id, body), deleted=deleted)

    def set_remote_revision(self, doc_id: str, remote: str, rev: str) -> None:
        """Record that a remote, which is a peer's copy of the database, has a revision of a document.

        From then on, the revision is not pruned, and its body is kept as a base for deltas.
        """
        self._remotes.set(doc_id, remote, rev)

    def remote_revision(self, doc_id: str, remote: str) -> str | None:
        """Return the revision of a document that a remote is known to have, or None."""
        return self._remotes.get(doc_id, remote)

    def remote_revisions(self, doc_id: str) -> dict[str, str]:
        """Return the revision of a document that each remote is known to have, by the remote's name."""
        return self._remotes.all(doc_id)

    def forget_remote(self, remote: str) -> None:
        """Delete the record of the revisions that a remote is known to have."""
        self._remotes.forget(remote)

    def get_local(self, key: str) -> LocalDocument | None:
        """Return a local document, such as a checkpoint; None if there is none with this key.

        Local documents are never replicated.
        """
        return self._local.get(key)

    def put_local(self, key: str, body: Mapping[str, Any] | bytes, *, parent: str | None = None) -> str:
        """Write a local document. `parent` is the revision to replace, or None if the document is new.

        Returns:
            The new revision id.

        Raises:
            ConflictError: `parent` is not the current revision.
        """
        return self._local.put(key, body, parent=parent)

    def delete_local(self, key: str, *, parent: str) -> None:
        """Remove a local document. Raises ConflictError if `parent` is not its current revision."""
        self._local.delete(key, parent=parent)

    # --- purging and floors

    def purge(self, ids: Iterable[str]) -> int:
        """Remove documents in one transaction, without leaving tombstones. Return the number removed."""
        return self._retirement.purge(ids)

    def set_expiry(self, doc_id: str, at: float | None) -> None:
        """Let a document expire at time `at` (seconds since 1970), so that `purge_expired` purges it.

        With None, the document never expires.
        """
        self._retirement.set_expiry(doc_id, at)

    def expiry(self, doc_id: str) -> int | None:
        """Return the time at which a document expires, in seconds since 1970.

        The result is None if the document never expires or is not stored.
        """
        return self._retirement.expiry(doc_id)

    def purge_expired(self) -> int:
        """Purge the expired documents. Return the number of documents purged.

        Call this method only if the system clock is known to be correct.
        """
        return self._retirement.purge_expired(self._clock())

    def set_floor(self, prefix: str, first: str) -> None:
        """Set a floor: from now on, reject a peer's document if its id sorts below `first`.

        The floor applies to ids that begin with `prefix`. If the prefix already has a higher floor, nothing
        changes.
        """
        self._floors.set(prefix, first)

    def floor(self, doc_id: str) -> bool:
        """Return True if a document id lies below a floor, so that the document is rejected from peers.

        Floors are set by `set_floor`.
        """
        with self._engine.reading:
            return self._floors.below(doc_id)

    def floors(self) -> dict[str, str]:
        """Return all floors: for each prefix of ids, the first id that is accepted from peers."""
        return self._floors.all()

    # --- the file

    def renew_identity(self) -> None:
        """Assign a new UUID to a store that has lost changes, so that peers replicate from the beginning."""
        self.uuid = meta.renew_identity(self._engine)

    def checkpoint(self) -> None:
        """Move pages from the write-ahead log into the database file.

        This method does not wait for other connections, so pages that they still need stay in the log.
        """
        with self._engine.reading:
            self._engine.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    @property
    def wal_bytes(self) -> int:
        """Size of the write-ahead log in bytes."""
        try:
            return os.stat(f"{self.path}-wal").st_size  # noqa: PTH116 - called every second; Path is slower
        except FileNotFoundError:
            return 0

    def usage(self) -> Usage:
        """Return the space that the store occupies on its file system."""
        with self._engine.reading:
            pragma = self._engine.connection.pragma
            page, pages, free = pragma("page_size"), pragma("page_count"), pragma("freelist_count")
        return Usage((pages - free) * page, free * page, self.wal_bytes, self.blobs.size())

    def compact(self) -> CompactionResult:
        """Remove unused blobs, and release free pages to the file system in small transactions."""
        blobs, blob_bytes = self.blobs.collect()
        return CompactionResult(blobs, blob_bytes, self.shrink())

    def shrink(self, most: int | None = None) -> int:
        """Release free pages to the file system, in small transactions. Return the bytes released.

        `most` is the approximate number of bytes to release; None to release all free pages.
        """
        connection = self._engine.connection
        with self._engine.reading:
            page, before = connection.pragma("page_size"), connection.pragma("page_count")
        released: int = 0
        while most is None or released < most:
            with self._engine.writing:
                if not connection.pragma("freelist_count"):
                    break
                connection.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()
                released = (before - connection.pragma("page_count")) * page
        self.checkpoint()
        return released

    def check(self, *, deep: bool = True, progress: Callable[[], None] = lambda: None) -> list[str]:
        """Return the faults found in the store, one line each; empty if there are none.

        With `deep`, the whole file is read, which can take minutes. Otherwise, only the small tables and the
        newest documents are read. `progress` is called regularly.
        """
        return check.findings(self._engine, deep=deep, progress=progress)

    def _data_version(self) -> int:
        with self._engine.reading:
            version: int = self._engine.connection.pragma("data_version")
            return version
