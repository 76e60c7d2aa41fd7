"""Checkpoints that peers keep here: small, a few for each owner, dropped once nobody uses them.

Anyone who may connect can have checkpoints kept here, even a user who may only read. So what they take is
bounded by owner. An owner is `user:<name>`, `vessel:<name>`, or the empty string for peers without a name.
A checkpoint belongs to its owner alone, since another owner may see other documents.

Age is counted in ticks of this store's own service (`tick`), not by a clock: a clock that is not set, or that
jumps, makes no checkpoint old.

Peers manage without a checkpoint that was dropped: asked for it, we say that there is none (404), and a write
that names its revision is a conflict (409). Couchbase Lite then asks again and begins a new one.
"""

import zlib
from dataclasses import dataclass
from typing import Any, Final

from sync.store import bodies, local, meta
from sync.store.engine import Engine
from sync.store.errors import ConflictError
from sync.store.model import LocalDocument
from sync.store.remotes import Remotes, unnamed

CREATE: Final = """
CREATE TABLE IF NOT EXISTS checkpoints(
    owner TEXT NOT NULL, client TEXT NOT NULL, rev INTEGER NOT NULL, used INTEGER NOT NULL,
    body BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (owner, client)
) STRICT;
"""
"""An older Logboat can use a store that has the table: it finds no checkpoints, and peers begin anew."""

LARGEST: Final = 16 * 1024
"""Bytes of one checkpoint. Those of Couchbase Lite and Sync Gateway have 30 to 200 bytes; sparse ones grow by
some 14 bytes for each gap in what is done, and no more than a few hundred documents are on their way at once.
A peer that replicates many collections has one checkpoint for each."""
MOST: Final = 50
"""Checkpoints of one owner. A vessel needs two (its live and its history stream) and two more for each new
card; a user needs one for each device and replication."""
MOST_BYTES: Final = 64 * 1024
"""Bytes of one owner's checkpoints together."""
TICK_S: Final = 600.0
"""Seconds of service between two ticks."""
EXPIRES: Final = 180 * 24 * 6
"""Ticks after which a checkpoint that nobody has used is dropped: 180 days of service. Days on which this
vessel is switched off do not count. A peer that comes back later begins anew, which costs a look at all."""
_REFRESH: Final = 24 * 6
"""Ticks after which reading a checkpoint is noted as use: not each time, for the card's sake."""

EARLIER: Final = "peer-checkpoint:"
"""Keys of local documents in which an older Logboat kept checkpoints, without an owner."""
_EARLIER_MOST: Final = 200
TIDY: Final = (
    f"DELETE FROM local WHERE key GLOB '{EARLIER}*' AND (length(body) > {LARGEST} OR rowid NOT IN ("  # noqa: S608
    f"SELECT rowid FROM local WHERE key GLOB '{EARLIER}*' ORDER BY rowid DESC LIMIT {_EARLIER_MOST}));"
)
"""Run once, when the table is made: an older Logboat had no limits."""

PUT: Final = (
    "INSERT OR REPLACE INTO checkpoints(owner, client, rev, used, body, crc) VALUES (?, ?, ?, ?, ?, ?)"
)
"""A row that is written again gets a new rowid: by that, the rows are in the order of their last use."""
_FIND: Final = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'checkpoints'"


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """One checkpoint of a peer."""

    owner: str | None
    """None for one that an older Logboat kept, and that has not been asked for since."""
    client: str
    """The id by which the peer asks for it."""
    revision: str
    size: int
    """Bytes of its body."""
    idle: int
    """Ticks since its last use, at most."""


def checksum(owner: str, client: str, number: int, used: int, body: bytes) -> int:
    """Return the CRC-32 of a row of `checkpoints`."""
    return zlib.crc32(body, zlib.crc32(f"checkpoint {number} {used} {owner} {client}".encode()))


class Checkpoints:
    """The checkpoints that peers keep in one store."""

    def __init__(self, engine: Engine, remotes: Remotes) -> None:
        self._engine, self._remotes = engine, remotes

    def get(self, owner: str, client: str) -> LocalDocument | None:
        """Return a checkpoint; None if this owner has none by this id."""
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
        """Write a checkpoint; `parent` is the revision that it replaces, None if there should be none.

        Where the owner has too many then, the ones that were used longest ago are dropped.

        Returns:
            The new revision.

        Raises:
            ConflictError: `parent` is not the current revision.
            DocumentError: the body is no JSON object that can be stored.
            ValueError: it has more than `LARGEST` bytes.
        """
        if len(body) > LARGEST:
            raise ValueError(f"a checkpoint of {len(body)} bytes; the limit is {LARGEST}")
        body = bodies.to_json(client, body)
        with self._engine.writing:
            self._adopt(owner, client)
            row = self._row(owner, client)
            current = None if row is None else f"0-{row[0]}"
            if current != parent:
                raise ConflictError(
                    f"checkpoint {client!r}: its revision is {current or 'none'}, not {parent or 'none'}",
                    current=current,
                )
            number = 1 if row is None else row[0] + 1
            self._put(owner, client, number, body)
            self._drop_excess(owner)
        return f"0-{number}"

    def all(self) -> list[KeptCheckpoint]:
        """Return all checkpoints, by owner, the one that was used last at the end."""
        engine = self._engine
        with engine.reading:
            now = meta.count(engine, meta.TICKS)
            found = [
                KeptCheckpoint(None, key.removeprefix(EARLIER), f"0-{number}", size, now)
                for key, number, size in engine.execute(
                    "SELECT key, rev, length(body) FROM local WHERE key GLOB ? ORDER BY rowid",
                    (f"{EARLIER}*",),
                )
            ]
            if self._is_missing():
                return found
            return found + [
                KeptCheckpoint(owner, client, f"0-{number}", size, now - used)
                for owner, client, number, size, used in self._columns(
                    "SELECT owner, client, rev, length(body), used FROM checkpoints ORDER BY owner, rowid"
                )
            ]

    def drop(self, owner: str | None, client: str) -> bool:
        """Remove a checkpoint, and what was noted of its peer; return True if there was one.

        `owner` is None for one that an older Logboat kept.
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
        """Count one more tick of service, and drop what has not been used for `EXPIRES` of them."""
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
        """Return the bytes that all checkpoints of peers take, about."""
        return sum(kept.size + 200 for kept in self.all())

    def _row(self, owner: str, client: str) -> tuple[int, int, bytes] | None:
        found = self._columns(
            "SELECT rev, used, body, crc FROM checkpoints WHERE owner = ? AND client = ?", (owner, client)
        )
        if not found:
            return None
        number, used, body, crc = found[0]
        if crc != checksum(owner, client, number, used, body):
            raise self._engine.damaged(f"checkpoint {client!r} of {owner!r} does not match its checksum")
        return number, used, body

    def _put(self, owner: str, client: str, number: int, body: bytes) -> None:
        now = meta.count(self._engine, meta.TICKS)
        crc = checksum(owner, client, number, now, body)
        self._engine.execute(PUT, (owner, client, number, now, body, crc))

    def _earlier(self, client: str) -> tuple[int, bytes] | None:
        found = self._columns("SELECT rev, body, crc FROM local WHERE key = ?", (EARLIER + client,))
        if not found:
            return None
        number, body, crc = found[0]
        return (number, body) if crc == local.checksum(EARLIER + client, number, body) else None

    def _adopt(self, owner: str, client: str) -> None:
        """Give a checkpoint that an older Logboat kept to the first owner who asks for it."""
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
        kept = size = 0
        for client, length in self._columns(
            "SELECT client, length(body) FROM checkpoints WHERE owner = ? ORDER BY rowid DESC", (owner,)
        ):
            kept, size = kept + 1, size + length
            if kept > MOST or size > MOST_BYTES:
                self.drop(owner, client)

    def _columns(self, statement: str, bindings: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._engine.execute(statement, bindings).fetchall()

    def _is_missing(self) -> bool:
        """Return True if the table is not there, and cannot be made because the store is read-only."""
        engine = self._engine
        return engine.connection.readonly("main") and not engine.execute(_FIND).fetchall()
