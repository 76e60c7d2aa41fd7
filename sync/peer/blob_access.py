"""Access to blobs: a peer may have a blob if it may see a document that leads to it.

The peer names the document, or asks while a revision is on its way to it that leads to the blob. Gateways
name no document where they ask for proof, and older ones nowhere. A tombstone leads to no blob, since its
blobs are neither fetched nor proven before it is stored.

A peer proves that it has a blob by an answer that only its bytes and the question's nonce give. Nobody gets
the answer to an open question of ours from us, on any connection: it could be handed back to us. The nonce
tells such a question from those of others, who are answered. So a peer that leaves our question unanswered
keeps nobody else from a proof of the same blob.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final
from weakref import WeakKeyDictionary

from sync.peer import wire_bodies
from sync.peer.selection import Selection
from sync.replication.messages import MessageError
from sync.store import Database, bodies

_FORBIDDEN: Final = 403
_UNAVAILABLE: Final = 503


class BlobAccess:
    """Access of one peer to the blobs of a store."""

    def __init__(self, database: Database, readable: Selection) -> None:
        """`readable`: which documents the peer may see."""
        self._database, self._readable = database, readable
        self._open = open_nonces(database)
        self._on_the_way: Counter[str] = Counter()

    @property
    def is_limited(self) -> bool:
        """Return True unless the peer may see everything."""
        return not self._readable.is_everything

    def send(self, raw: bytes) -> tuple[str, ...]:
        """Take note that a body is on its way to the peer; return the blobs that it leads to."""
        if not self.is_limited or not wire_bodies.may_hold_blobs(raw):
            return ()
        found = tuple(wire_bodies.blobs_in(bodies.decode("", raw)))
        self._on_the_way.update(found)
        return found

    def sent(self, digests: Iterable[str]) -> None:
        """Take note that the peer has answered for what `send` returned."""
        self._on_the_way.subtract(digests)
        for digest in digests:
            if self._on_the_way[digest] <= 0:
                del self._on_the_way[digest]

    def check(self, digest: str, document_id: str | None) -> None:
        """Raise MessageError (403) if the peer may see no document that leads to a blob."""
        if not self.is_limited or digest in self._on_the_way:
            return
        document = None if document_id is None else self._database.get(document_id)
        if (
            document is None
            or document.deleted
            or not self._readable.shows(self._database, document.id, deleted=False)
            or digest not in wire_bodies.blobs_in(document.body)
        ):
            raise MessageError(f"blob {digest}: no document that you may see has it", code=_FORBIDDEN)

    def check_proof(self, digest: str, document_id: str | None, nonce: bytes) -> None:
        """Check access to a blob for the answer to a peer's question for proof.

        Raises MessageError; with 503 if it is a question of ours that is still open.
        """
        self.check(digest, document_id)
        if nonce in self._open:
            raise MessageError(f"blob {digest}: this proof is asked for here just now", code=_UNAVAILABLE)


_open: WeakKeyDictionary[Database, set[bytes]] = WeakKeyDictionary()


def open_nonces(database: Database) -> set[bytes]:
    """Return the nonces of our open questions for proof, on all connections of this process."""
    found = _open.get(database)
    if found is None:
        found = _open[database] = set()
    return found
