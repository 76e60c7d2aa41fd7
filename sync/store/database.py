"""The document store: one file, used by several processes at once.

What a commit promises
    When `put`, `insert`, `delete` … return outside a transaction, or a `transaction()` ends, the change is
    on the card: SQLite's write-ahead log was written and synchronised (`synchronous=FULL`). A power cut at
    any instant leaves each transaction whole or absent, never in part, and never one without those committed
    before it. Where one raises instead, nothing of it can be read; only if the card fails in the very commit,
    and the power then goes, may the transaction be found after all, whole.

What a commit costs the card
    One append to the write-ahead log, of each page touched (4 KiB), and one synchronisation; the pages reach
    the database file at a checkpoint, once however often they were rewritten. So put what can wait a second
    into one transaction. A new document touches the end of the table and one leaf of the index of ids;
    documents whose ids are alike are neighbours there.

What changes cost
    Work for one change does not depend on the number of documents stored, but for the depth of two B-trees.
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
from sync.store.departures import Departures
from sync.store.edits import Edits
from sync.store.engine import Engine
from sync.store.errors import DamagedError
from sync.store.floors import Floors
from sync.store.local import LocalDocuments
from sync.store.model import Change, Compacted, Document, Inserted, LocalDocument, Revision, Usage
from sync.store.notify import Announcer, Watcher
from sync.store.reader import Reader
from sync.store.remotes import Remotes
from sync.store.retire import Retirement
from sync.store.sizes import Sizes

_VACUUM_PAGES: Final = 64
"""Free pages given back in one transaction: 256 kB moved at most, for which a full card still has room in
the log."""


def _never(_document_id: str) -> bool:
    return False


class Database:
    """A document store.

    One object is one connection. Threads may share it; a transaction keeps the others out.
    """

    def __init__(
        self,
        path: Path,
        connection: apsw.Connection,
        *,
        single_writer: Callable[[str], bool],
        announce: Path | None,
        clock: Callable[[], float],
    ) -> None:
        """Use `open`."""
        self.path: Final = path
        self._announcer = Announcer(announce, path.name, changed_elsewhere=self._data_version)
        self._engine = engine = Engine(connection, path, committed=self._announcer.announce)
        self._clock = clock
        self.is_single_writer: Final = single_writer
        """Whether only one vessel ever writes the document with this id."""
        self._floors = floors = Floors(engine)
        self._remotes = Remotes(engine)
        self._departures = Departures(engine)
        self._edits = Edits(engine, floors, self._remotes, self._departures, single_writer)
        self._reader = Reader(engine, floors, single_writer)
        self._local = LocalDocuments(engine)
        self._retirement = Retirement(engine, self._departures)
        self.checkpoints: Final = Checkpoints(engine, self._remotes)
        """What peers keep here."""
        self.sizes: Final = Sizes(engine)
        """What documents take."""
        self.blobs: Final = BlobStore(engine, path.with_name(path.name + ".blobs"))
        """Files that documents refer to by digest."""
        try:
            uuid = meta.identity(engine)
        except BaseException:
            self.close()
            raise
        self.uuid = uuid
        """Identity of this store. A new or a salvaged one has a new one, so that peers begin anew with it."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        single_writer: Callable[[str], bool] = _never,
        announce: Path | None = None,
        checkpoint_pages: int = schema.WAL_PAGES,
        create: bool = True,
        vfs: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> "Database":
        """Open the store in a file, which is made if it is missing.

        Args:
            path: the database file; its blobs are in `<path>.blobs/`, its log in `<path>-wal`.
            single_writer: whether only one vessel ever writes the document with this id: it cannot conflict.
            announce: directory through which processes tell each other of changes.
            checkpoint_pages: a commit here that finds this many pages in the log moves them into the file;
                0 for never: then `checkpoint` must be called, here or in another process.
            create: whether to make a missing file.
            vfs: name of the SQLite VFS to use.
            clock: seconds since 1970, for expiry.

        Raises:
            UnsupportedError: SQLite is too old, the file is of a newer schema, or is no store.
            DamagedError: the file is damaged so badly that it cannot be opened.
            StoreError: it cannot be opened for another reason.
        """
        connection = schema.connect(path, checkpoint_pages=checkpoint_pages, vfs=vfs, create=create)
        try:
            return cls(path, connection, single_writer=single_writer, announce=announce, clock=clock)
        except BaseException:
            connection.close(True)
            raise

    def close(self) -> None:
        """Close the store. A transaction that is open is undone."""
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
        """What was found damaged since it was opened, whoever was told; None if nothing was."""
        return self._engine.damage

    # --- transactions and the feed of changes

    def transaction(self) -> AbstractContextManager[None]:
        """Do several things as one. An inner transaction joins the outer one, and can fail by itself."""
        return self._engine.savepoint()

    @property
    def last_sequence(self) -> int:
        """The highest sequence ever given to a change."""
        with self._engine.reading:
            return self._engine.last_sequence()

    def changes(self, since: int = 0, *, limit: int | None = None) -> list[Change]:
        """The documents whose last change came after sequence `since`, in that order; each once."""
        return self._reader.changes(since, limit)

    def watch(self) -> Watcher:
        """Be woken when documents change, by whatever process; then read `changes` from the last one seen."""
        return self._announcer.watch()

    # --- documents

    def get(self, doc_id: str, *, rev: str | None = None) -> Document | None:
        """A document at its current revision, also if deleted; or at `rev`, if its body is still kept."""
        return self._reader.get(doc_id, rev)

    def put(self, doc_id: str, body: Mapping[str, Any] | bytes, *, parent: str | None = None) -> str:
        """Store a document; `parent` is the revision it replaces, None for one that is new or was deleted.

        A body without `_attachments` keeps those of the revision it replaces; an empty object removes them.

        Returns:
            The new revision.

        Raises:
            ConflictError: `parent` is not the current revision.
            DocumentError: this cannot be stored.
        """
        return self._edits.put(doc_id, bodies.to_canonical(doc_id, body), parent=parent)

    def put_if_absent(self, doc_id: str, body: Mapping[str, Any] | bytes) -> bool:
        """Store a document unless there is one by this id, even a deleted one; whether it was stored."""
        return self._edits.put_if_absent(doc_id, bodies.to_canonical(doc_id, body))

    def delete(self, doc_id: str, *, parent: str, body: Mapping[str, Any] | bytes | None = None) -> str:
        """Delete a document; `body` is what its tombstone still says, if anything.

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
        """Documents whose ids begin with `prefix`, in order of id, from the one after `after` on.

        Read in pages: a document that changes meanwhile is seen as it was or as it is. With `reverse`, in
        falling order, from the one before `after` on. `deleted` includes deleted ones.
        """
        return self._reader.documents(prefix, after=after, reverse=reverse, limit=limit, deleted=deleted)

    def count(self, prefix: str = "", *, deleted: bool = False) -> int:
        """How many documents have ids that begin with `prefix`; reads that part of the index of ids."""
        return self._reader.count(prefix, deleted=deleted)

    def export(self, *, deleted: bool = False) -> Iterator[bytes]:
        """Every document as a line of JSON, in order of id, with `_id`, `_rev` and, if it is, `_deleted`."""
        for document in self.documents(deleted=deleted):
            head: dict[str, Any] = {"_id": document.id, "_rev": document.rev}
            if document.deleted:
                head["_deleted"] = True
            yield msgspec.json.encode(head | document.body) + b"\n"

    # --- what replication needs

    def insert(
        self,
        doc_id: str,
        rev: str,
        history: Sequence[str] = (),
        body: Mapping[str, Any] | bytes | None = None,
        *,
        deleted: bool = False,
        allow_conflict: bool = True,
    ) -> Inserted:
        """Store a revision made elsewhere; doing so again changes nothing.

        Args:
            doc_id: the document.
            rev: the revision's id.
            history: its ancestors, newest first, without itself; generations may be missing.
            body: JSON text, stored as it is, or a mapping; None is an empty object.
            deleted: whether the revision is a deletion.
            allow_conflict: whether it may start a second live branch.

        Raises:
            ConflictError: it would, and may not.
            DocumentError: this cannot be stored.
        """
        raw = bodies.to_json(doc_id, body)
        return self._edits.insert(doc_id, rev, history, raw, deleted=deleted, allow_conflict=allow_conflict)

    def insert_new(self, made: Sequence[tuple[str, str, bytes, bool]]) -> bool:
        """Store many documents at once of which nothing is here: each its id, its only revision, its body as
        JSON text, and whether that is a deletion.

        Returns:
            Whether they were stored. If something is here of one of them, or one is not wanted, none is: then
            `insert` them one by one.

        Raises:
            DocumentError: one cannot be stored; none is.
        """
        for document_id, _, raw, _ in made:
            bodies.accept(document_id, raw)
        return self._edits.insert_new(made)

    def missing(self, offered: Iterable[tuple[str, str]]) -> list[list[str] | None]:
        """For each (id, revision) that a peer offers: None if it is not wanted here, else known ancestors.

        Not wanted is what is here, what lies below a floor, and of a document with a single writer what is
        older.
        """
        return self._reader.missing(offered)

    def ended(self, offered: Iterable[tuple[str, str]]) -> list[bool]:
        """For each (id, revision) that a peer offers: whether its branch has ended here, while the document
        lives on another."""
        return self._reader.ended(offered)

    def stored_bytes(self, doc_id: str) -> int:
        """Return the bytes of all kept bodies of a document and of its history; 0 if it is not here.

        They are counted without reading them.
        """
        return self._reader.stored_bytes(doc_id)

    def unsound(self) -> list[str]:
        """Return the ids of documents whose generation leaves none for edits; readings are not looked at.

        No such revision is taken in, but earlier versions took them in.
        """
        return self._reader.unsound(revisions.SOUND_LIMIT)

    def current(self, ids: Iterable[str]) -> dict[str, tuple[str, bool]]:
        """Of those documents that are here: the current revision, and whether that is a deletion."""
        return self._reader.current(ids)

    def revision(
        self, doc_id: str, rev: str, *, ancestors: Collection[str] = (), limit: int = 20
    ) -> Revision | None:
        """A revision with its history, to send. None if its body is no longer kept.

        The history ends at the first of `ancestors`, which the other side has named, even if that skips some;
        otherwise after `limit`.
        """
        return self._reader.revision(doc_id, rev, ancestors, limit)

    def first_revisions(self, first: int, last: int) -> dict[int, Revision]:
        """By sequence, the documents from sequence `first` to `last` that have but one revision: a lot of
        documents that never change is read at once."""
        return self._reader.first_revisions(first, last)

    def leaves(self, doc_id: str) -> list[Document]:
        """The ends of all branches of a document, the current revision first."""
        return self._reader.leaves(doc_id)

    def departed(self, doc_id: str) -> dict[str, int]:
        """Return the channels that a document has left, each with the sequence at which it last left it.

        Empty if it has left none, or if it came to this store as a deletion. A document that was deleted here
        and had no channels has left one without a name.
        """
        return self._departures.of(doc_id)

    def conflicts(self) -> list[str]:
        """Ids of the documents with more than one live branch."""
        return self._reader.conflicts()

    def resolve(
        self,
        doc_id: str,
        winning_rev: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        deleted: bool = False,
    ) -> str:
        """End a conflict: the winning branch gets this body, every other live branch a tombstone.

        Where the winning branch says just this already, it stays as it is. The revisions made depend on the
        branches and the body alone, so two peers that resolve alike make the same.

        Returns:
            The revision that won.

        Raises:
            ConflictError: `winning_rev` is not the end of a branch any more.
        """
        return self._edits.resolve(doc_id, winning_rev, bodies.to_canonical(doc_id, body), deleted=deleted)

    def set_remote_revision(self, doc_id: str, remote: str, rev: str) -> None:
        """Note which revision a remote holds: it is not pruned, and its body is kept to send differences."""
        self._remotes.set(doc_id, remote, rev)

    def remote_revision(self, doc_id: str, remote: str) -> str | None:
        """The revision of a document that a remote is known to hold."""
        return self._remotes.get(doc_id, remote)

    def remote_revisions(self, doc_id: str) -> dict[str, str]:
        """For each remote known to hold a revision of this document, which one."""
        return self._remotes.all(doc_id)

    def forget_remote(self, remote: str) -> None:
        """Forget all that a remote is known to hold."""
        self._remotes.forget(remote)

    def get_local(self, key: str) -> LocalDocument | None:
        """A document that is never replicated, such as a checkpoint."""
        return self._local.get(key)

    def put_local(self, key: str, body: Mapping[str, Any] | bytes, *, parent: str | None = None) -> str:
        """Write a local document; `parent` is the `0-<n>` that it replaces, None if there must be none.

        Raises:
            ConflictError: that is not its revision.
        """
        return self._local.put(key, body, parent=parent)

    def delete_local(self, key: str, *, parent: str) -> None:
        """Remove a local document."""
        self._local.delete(key, parent=parent)

    # --- what goes

    def purge(self, ids: Iterable[str]) -> int:
        """Remove documents without a trace, in one transaction; how many there were."""
        return self._retirement.purge(ids)

    def set_expiry(self, doc_id: str, at: float | None) -> None:
        """Let `purge_expired` purge a document from `at` on (seconds since 1970); None for never."""
        self._retirement.set_expiry(doc_id, at)

    def expiry(self, doc_id: str) -> int | None:
        """When a document expires."""
        return self._retirement.expiry(doc_id)

    def purge_expired(self) -> int:
        """Purge the documents whose time has come. The clock must be one that can be believed."""
        return self._retirement.purge_expired(self._clock())

    def set_floor(self, prefix: str, first: str) -> None:
        """Refuse from now on what others send with an id that begins with `prefix` and sorts below `first`.

        A floor only rises.
        """
        self._floors.set(prefix, first)

    def floor(self, doc_id: str) -> bool:
        """Whether a document lies below a floor: purged history that is not wanted back."""
        with self._engine.reading:
            return self._floors.below(doc_id)

    def floors(self) -> dict[str, str]:
        """Every floor: prefix, and the first id wanted."""
        return self._floors.all()

    # --- the file

    def renew_identity(self) -> None:
        """Be another store from now on, for one that has lost changes: peers begin anew with it."""
        self.uuid = meta.renew_identity(self._engine)

    def checkpoint(self) -> None:
        """Move what can be moved from the write-ahead log into the file. Waits for nobody."""
        with self._engine.reading:
            self._engine.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    @property
    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        try:
            return os.stat(f"{self.path}-wal").st_size  # noqa: PTH116 - read once a second, no need of a Path
        except FileNotFoundError:
            return 0

    def usage(self) -> Usage:
        """Bytes that the store takes."""
        with self._engine.reading:
            pragma = self._engine.connection.pragma
            page, pages, free = pragma("page_size"), pragma("page_count"), pragma("freelist_count")
        return Usage((pages - free) * page, free * page, self.wal_bytes, self.blobs.size())

    def compact(self) -> Compacted:
        """Remove blobs that are not referred to, and give free pages back to the file system, bit by bit."""
        blobs, blob_bytes = self.blobs.collect()
        return Compacted(blobs, blob_bytes, self.shrink())

    def shrink(self, most: int | None = None) -> int:
        """Give free pages back to the file system, bit by bit, `most` bytes or a little more; how many."""
        connection = self._engine.connection
        with self._engine.reading:
            page, before = connection.pragma("page_size"), connection.pragma("page_count")
        given: int = 0
        while most is None or given < most:
            with self._engine.writing:
                if not connection.pragma("freelist_count"):
                    break
                connection.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()
                given = (before - connection.pragma("page_count")) * page
        self.checkpoint()
        return given

    def check(self, *, deep: bool = True) -> list[str]:
        """What is wrong with the store, in words; empty if all is well. `deep` reads all of it."""
        return check.findings(self._engine, deep=deep)

    def _data_version(self) -> int:
        with self._engine.reading:
            version: int = self._engine.connection.pragma("data_version")
            return version
