"""Local documents, which are never replicated. For example, a replication stores its checkpoint in one.

Each local document has a revision id `0-<n>`, where `n` is the number of times the document was written.
Every write must name the revision that it replaces.
"""

import zlib
from collections.abc import Mapping
from typing import Any

from sync.store import bodies
from sync.store.engine import Engine
from sync.store.errors import ConflictError
from sync.store.model import LocalDocument


def checksum(key: str, number: int, body: bytes) -> int:
    """Return the CRC-32 of a row in the table `local`."""
    return zlib.crc32(body, zlib.crc32(f"local {number} {key}".encode()))


class LocalDocuments:
    """Local documents of one store, which are never replicated."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, key: str) -> LocalDocument | None:
        """Return the local document with this key, or None if there is none.

        Raises DamagedError if the document's checksum is wrong.
        """
        with self._engine.reading:
            row = self._engine.execute("SELECT rev, body, crc FROM local WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        number, body, crc = row
        if crc != checksum(key, number, body):
            raise self._engine.damaged(f"local document {key!r} does not match its checksum")
        return LocalDocument(key, f"0-{number}", body)

    def put(self, key: str, body: Mapping[str, Any] | bytes, *, parent: str | None) -> str:
        """Write a local document. `parent` is the revision to replace, or None if the document is new.

        Returns:
            The new revision id.

        Raises:
            ConflictError: `parent` is not the current revision.
        """
        raw = bodies.to_json(key, body)
        with self._engine.writing:
            number = self._expect(key, parent) + 1
            self._engine.execute(
                "INSERT INTO local(key, rev, body, crc) VALUES (?1, ?2, ?3, ?4)"
                " ON CONFLICT(key) DO UPDATE SET rev = ?2, body = ?3, crc = ?4",
                (key, number, raw, checksum(key, number, raw)),
            )
        return f"0-{number}"

    def delete(self, key: str, *, parent: str) -> None:
        """Remove a local document. Raises ConflictError if `parent` is not its current revision."""
        with self._engine.writing:
            self._expect(key, parent)
            self._engine.execute("DELETE FROM local WHERE key = ?", (key,))

    def _expect(self, key: str, parent: str | None) -> int:
        """Return the number of a local document's current revision; 0 if there is no such document.

        Raises ConflictError if `parent` is not the current revision.
        """
        number = self._engine.execute("SELECT rev FROM local WHERE key = ?", (key,)).get
        current = None if number is None else f"0-{number}"
        if current != parent:
            raise ConflictError(
                f"local document {key!r}: the revision is {current or 'none'}, not {parent or 'none'}",
                current=current,
            )
        return number or 0
