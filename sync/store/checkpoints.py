"""Replication checkpoints that peers store here.

Anyone who may connect can store checkpoints, even a user with read access only. So the number and the size of
checkpoints are limited for each owner, and checkpoints that are unused for a long time are deleted. An owner
is `user:<name>`, another name that the application chooses, or the empty string for peers without a name. A
checkpoint is visible only to its owner, because another owner may have permission to read other documents.

The age of a checkpoint is measured in ticks (`tick`), which are counted only while this store is in service.
So a clock that is wrong or jumps cannot make a checkpoint expire.

A peer can continue to replicate after its checkpoint was deleted. A request for the checkpoint is answered
with 404. An update that names the old revision is answered with a conflict (409). Couchbase Lite then
requests the checkpoint again, and starts a new one.
"""

import zlib
from dataclasses import dataclass
from typing import Any, Final

from sync.store.engine import Engine
from sync.store.errors import ConflictError
from sync.store.model import LocalDocument
from sync.store.remotes import Remotes, unnamed

from . import bodies, local_documents, meta

CREATE: Final = """
CREATE TABLE IF NOT EXISTS checkpoints(
    owner TEXT NOT NULL, client TEXT NOT NULL, rev INTEGER NOT NULL, used INTEGER NOT NULL,
    body BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (owner, client)
) STRICT;
"""
"""SQL statement that creates the table of checkpoints.

An older Logboat can use a store with this table. It ignores the table, so peers compare all documents again.
"""

LARGEST: Final = 16 * 1024
"""Maximum size of one checkpoint, in bytes.

Checkpoints of Couchbase Lite and Sync Gateway have 30 to 200 bytes. A checkpoint grows by about 14 bytes for
each gap in the completed sequences, and at most a few hundred documents are in flight. A peer that replicates
many collections has one checkpoint for each collection.
"""
MOST: Final = 50
"""Maximum number of checkpoints of one owner.

A peer needs one checkpoint for each replication and database. A user needs one for each device and
replication.
"""
MOST_BYTES: Final = 64 * 1024
"""Maximum total size of one owner's checkpoints, in bytes."""
TICK_S: Final = 600.0
"""Seconds between two ticks while the store is in service."""
EXPIRES: Final = 180 * 24 * 6
"""Number of ticks after which an unused checkpoint is deleted: 180 days of service.

Time during which this computer is switched off does not count. A peer that returns later must compare all
documents once.
"""
_REFRESH: Final = 24 * 6
"""Minimum number of ticks between two recorded uses of a checkpoint that is only read.

The limit is needed because recording a use writes to the card, which causes wear.
"""

EARLIER: Final = "peer-checkpoint:"
"""Key prefix of the local documents in which an older Logboat kept checkpoints, without an owner."""
_EARLIER_MOST: Final = 200
TIDY: Final = (
    f"DELETE FROM local WHERE key GLOB '{EARLIER}*' AND (length(body) > {LARGEST} OR rowid NOT IN ("  # noqa: S608
    f"SELECT rowid FROM local WHERE key GLOB '{EARLIER}*' ORDER BY rowid DESC LIMIT {_EARLIER_MOST}));"
)
"""SQL statement that applies the limits to the checkpoints of an older Logboat.

It is executed once, when the table `checkpoints` is created.
"""

PUT: Final = (
    "INSERT OR REPLACE INTO checkpoints(owner, client, rev, used, body, crc) VALUES (?, ?, ?, ?, ?, ?)"
)
"""SQL statement that writes a checkpoint.

A rewritten row gets a new rowid, so the order of the rowids is the order in which checkpoints were last used.
"""
_FIND: Final = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'checkpoints'"


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A description of one checkpoint that a peer has stored here."""

    owner: str | None
    """Name of the owner; None if an older Logboat stored the checkpoint and no owner has requested it."""
    client: str
    """Id by which the peer requests the checkpoint."""
    revision: str
    size: int
    """Size of the checkpoint's body in bytes."""
    idle: int
    """Number of ticks since the last recorded use, which may be up to a day before the actual last use."""


def checksum(owner: str, client: str, number: int, used: int, body: bytes) -> int:
    """Return the CRC-32 of a row in the table `checkpoints`."""
    return zlib.crc32(body, zlib.crc32(f"checkpoint {number} {used} {owner} {client}".encode()))


class Checkpoints:
    """The replication checkpoints that peers have stored in one database."""

    def __init__(self, engine: Engine, remotes: Remotes) -> None:
        self._engine, self._remotes = engine, remotes

    def get(self, owner: str, client: str) -> LocalDocument | None:
        """Return the owner's checkpoint with this id, or None if there is none."""
        engine = self._engine
        with engine.reading:
            if self._is_missing():
                return None
            row = self._row(owner, client)
            now = meta.count(engine, meta.TICKS)
            has_earlier = row is None and self._earlier(client) is not None
        if has_earlier:
            self._adopt(owner, client)
            with engine.reading:
                row = self._row(owner, client)
        if row is None:
            return None
        number, used, body = row
        if now - used >= _REFRESH and not engine.connection.readonly("main"):
            with engine.writing:
                self._put(owner, client, number, body)
        return LocalDocument(client, f"0-{number}", body)

    def put(self, owner: str, client: str, body: bytes, *, parent: str | None) -> str:
        """Write a checkpoint. `parent` is the revision to replace, or None if the checkpoint is new.

        If the owner then exceeds a limit, the owner's least recently used checkpoints are deleted.

        Returns:
            The new revision id.

        Raises:
            ConflictError: `parent` is not the current revision.
            DocumentError: the body is not a JSON object that can be stored.
            ValueError: the body has more than `LARGEST` bytes.
        """
        if len(body) > LARGEST:
            raise ValueError(f"the checkpoint has {len(body)} bytes; the limit is {LARGEST}")
        body = bodies.to_json(client, body)
        with self._engine.writing:
            self._adopt(owner, client)
            row = self._row(owner, client)
            current = None if row is None else f"0-{row[0]}"
            if current != parent:
                raise ConflictError(
                    f"checkpoint {client!r}: the revision is {current or 'none'}, not {parent or 'none'}",
                    current=current,
                )
            number = 1 if row is None else row[0] + 1
            self._put(owner, client, number, body)
            self._drop_excess(owner)
        return f"0-{number}"

    def all(self) -> list[StoredCheckpoint]:
        """Return all checkpoints, ordered by owner, and then by last use with the most recent one last."""
        engine = self._engine
        with engine.reading:
            now = meta.count(engine, meta.TICKS)
            current = [
                StoredCheckpoint(None, key.removeprefix(EARLIER), f"0-{number}", size, now)
                for key, number, size in engine.execute(
                    "SELECT key, rev, length(body) FROM local WHERE key GLOB ? ORDER BY rowid",
                    (f"{EARLIER}*",),
                )
            ]
            if self._is_missing():
                return current
            return current + [
                StoredCheckpoint(owner, client, f"0-{number}", size, now - used)
                for owner, client, number, size, used in self._columns(
                    "SELECT owner, client, rev, length(body), used FROM checkpoints ORDER BY owner, rowid"
                )
            ]

    def drop(self, owner: str | None, client: str) -> bool:
        """Delete a checkpoint and the record of its peer's revisions. Return True if the checkpoint existed.

        `owner` is None for a checkpoint that an older Logboat stored.
        """
        with self._engine.writing:
            if owner is None:
                self._engine.execute("DELETE FROM local WHERE key = ?", (EARLIER + client,))
                dropped = self._engine.connection.changes()
                self._remotes.forget(f"client:{client}")
                return dropped > 0
            self._engine.execute("DELETE FROM checkpoints WHERE owner = ? AND client = ?", (owner, client))
            dropped = self._engine.connection.changes()
            self._remotes.forget(unnamed(owner, client))
        return dropped > 0

    def tick(self) -> None:
        """Count one tick of service, and delete the checkpoints that were not used for `EXPIRES` ticks."""
        engine = self._engine
        with engine.writing:
            now = meta.count(engine, meta.TICKS) + 1
            meta.put(engine, meta.TICKS, now)
            if now <= EXPIRES:
                return
            expired = self._columns("SELECT owner, client FROM checkpoints WHERE used < ?", (now - EXPIRES,))
            for owner, client in expired:
                self.drop(owner, client)
            engine.execute("DELETE FROM local WHERE key GLOB ?", (f"{EARLIER}*",))
            self._remotes.forget_earlier()

    def size(self) -> int:
        """Return the approximate space, in bytes, that all checkpoints of all peers occupy in the store."""
        return sum(checkpoint.size + 200 for checkpoint in self.all())

    def _row(self, owner: str, client: str) -> tuple[int, int, bytes] | None:
        rows = self._columns(
            "SELECT rev, used, body, crc FROM checkpoints WHERE owner = ? AND client = ?", (owner, client)
        )
        if not rows:
            return None
        number, used, body, crc = rows[0]
        if crc != checksum(owner, client, number, used, body):
            raise self._engine.damaged(f"checkpoint {client!r} of {owner!r} does not match its checksum")
        return number, used, body

    def _put(self, owner: str, client: str, number: int, body: bytes) -> None:
        now = meta.count(self._engine, meta.TICKS)
        crc = checksum(owner, client, number, now, body)
        self._engine.execute(PUT, (owner, client, number, now, body, crc))

    def _earlier(self, client: str) -> tuple[int, bytes] | None:
        rows = self._columns("SELECT rev, body, crc FROM local WHERE key = ?", (EARLIER + client,))
        if not rows:
            return None
        number, body, crc = rows[0]
        return (number, body) if crc == local_documents.checksum(EARLIER + client, number, body) else None

    def _adopt(self, owner: str, client: str) -> None:
        """Assign a checkpoint that an older Logboat stored to the first owner that requests it."""
        with self._engine.writing:
            if (earlier := self._earlier(client)) is None:
                return
            number, body = earlier
            if self._row(owner, client) is None and len(body) <= LARGEST:
                self._put(owner, client, number, body)
                self._remotes.rename(f"client:{client}", unnamed(owner, client))
                self._drop_excess(owner)
            self._engine.execute("DELETE FROM local WHERE key = ?", (EARLIER + client,))

    def _drop_excess(self, owner: str) -> None:
        count = size = 0
        for client, length in self._columns(
            "SELECT client, length(body) FROM checkpoints WHERE owner = ? ORDER BY rowid DESC", (owner,)
        ):
            count, size = count + 1, size + length
            if count > MOST or size > MOST_BYTES:
                self.drop(owner, client)

    def _columns(self, statement: str, bindings: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._engine.execute(statement, bindings).fetchall()

    def _is_missing(self) -> bool:
        """Return True if the table `checkpoints` is missing, because the store is old and read-only."""
        engine = self._engine
        return engine.connection.readonly("main") and not engine.execute(_FIND).fetchall()
