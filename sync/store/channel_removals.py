"""Record of the channels that each document has left, so that peers that read these channels can be notified.

A body lists only the current channels of its document, and earlier bodies are not kept. So the removal of a
document from a channel is recorded when it happens. A document leaves a channel when the body of an edit no
longer lists the channel. It leaves all channels when it is deleted with a body that lists none, as is usual.

This module does not know which peers read which channels. It ignores channels that are derived from document
ids, because such channels never change.
"""

import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sync.store import rows
from sync.store.engine import Engine
from sync.store.rows import DocumentRow

CREATE: Final = """
CREATE TABLE IF NOT EXISTS departures(
    id TEXT NOT NULL, channel TEXT NOT NULL, seq INTEGER NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (id, channel)
) STRICT;
"""
"""SQL statement that creates the table of the channels that documents have left.

A store without this table is valid: an older Logboat created the store, and the table cannot be added while
the store is read-only. Conversely, an older Logboat can use a store that has the table.
"""

PUT: Final = (
    "INSERT INTO departures(id, channel, seq, crc) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT(id, channel) DO UPDATE SET seq = ?3, crc = ?4 WHERE ?3 > seq"
)
"""SQL statement that records that a document has left a channel.

Its parameters are the document id, the channel, the sequence of the change, and the checksum.
"""

_FIND: Final = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'departures'"
_NONE: Final = ""
"""Channel name that is recorded when a document without channels is deleted."""
_MARKS: Final = (b'"channels"', b"\\u00")
"""Byte strings to search for. A body that lists channels contains at least one, even with escaped keys."""


class _Channels(msgspec.Struct, gc=False):
    channels: msgspec.Raw = msgspec.Raw(b"null")


_channels_of: Final = msgspec.json.Decoder(_Channels).decode
_decode: Final = msgspec.json.Decoder().decode


def channels_of(body: Mapping[str, Any]) -> frozenset[str]:
    """Return the channels that a body lists, as Sync Gateway's default function reads them."""
    return _named(body.get("channels"))


def checksum(document_id: str, channel: str, sequence: int) -> int:
    """Return the CRC-32 of a row in the table `departures`."""
    return zlib.crc32(f"departure {document_id} {channel} {sequence}".encode())


class ChannelRemovals:
    """Record of the channels that the documents of one store have left."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(self, old: DocumentRow, new: DocumentRow) -> None:
        """Record the channels that a document has left with its last change. Call this in a transaction.

        Args:
            old: the document before the change.
            new: the document after the change.
        """
        old_text, new_text = _channels_json(old.raw), _channels_json(new.raw)
        if old_text == new_text and not new.flags & rows.DELETED:
            return  # most changes end here
        before = _named(_decode(old_text))
        left = before - _named(_decode(new_text))
        if not before and new.flags & rows.DELETED and not old.flags & rows.DELETED:
            left = frozenset((_NONE,))
        for channel in left:
            crc = checksum(new.document_id, channel, new.sequence)
            self._engine.execute(PUT, (new.document_id, channel, new.sequence, crc))

    def removals_of(self, document_id: str) -> dict[str, int]:
        """Return the channels that a document has left, each with the sequence of the last removal.

        The result is empty if the document has left no channel, or if this store first received it as a
        deletion. For a document without channels that was deleted here, the result contains a channel with an
        empty name.
        """
        with self._engine.reading:
            if self._is_missing():
                return {}
            removals: list[tuple[Any, ...]] = self._engine.execute(
                "SELECT channel, seq FROM departures WHERE id = ?", (document_id,)
            ).fetchall()
        return dict(removals)

    def _is_missing(self) -> bool:
        """Return True if the table `departures` is missing, because the store is old and read-only."""
        engine = self._engine
        return engine.connection.readonly("main") and not engine.execute(_FIND).fetchall()

    def forget(self, document_id: str) -> None:
        """Delete the record of the channels that a purged document has left. Call this in a transaction."""
        self._engine.execute("DELETE FROM departures WHERE id = ?", (document_id,))


def _channels_json(raw: bytes) -> bytes:
    """Return the value of the key `channels` in a body, as JSON text."""
    if not (_MARKS[0] in raw or _MARKS[1] in raw):
        return b"null"
    return bytes(_channels_of(raw).channels)


def _named(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset((value,))
    return (
        frozenset(item for item in value if isinstance(item, str)) if isinstance(value, list) else frozenset()
    )
