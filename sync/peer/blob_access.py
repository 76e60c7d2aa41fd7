"""Access to blobs. A peer may fetch a blob if it may read a document that refers to the blob.

A request for a blob names a document that refers to the blob. A request without a document is granted while a
revision that refers to the blob is being sent to the peer. Gateways name no document when they request a
proof of possession, and older gateways name none in any request. A tombstone grants no access to blobs: it is
stored without fetching its blobs and without requesting proofs of them.

To prove that it has a blob, a peer sends a hash of the blob's bytes and of the nonce in our request. While we
wait for such a proof, we never send the same proof to any peer, on any connection. Otherwise a peer without
the blob could obtain the proof from us and return it as its own. Requests with other nonces are still
answered. So a peer that never answers our request cannot prevent other peers from requesting a proof of the
same blob.
"""

from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from weakref import WeakKeyDictionary

from sync.peer import wire_bodies
from sync.peer.selection import Selection
from sync.replication.messages import MessageError
from sync.store import Database, bodies


class BlobAccess:
    """Record of the blobs that one peer may fetch from a store."""

    def __init__(self, database: Database, readable: Selection) -> None:
        """Create the record for a peer that may read the documents selected by `readable`."""
        self._database, self._readable = database, readable
        self._open = open_nonces(database)
        self._on_the_way: Counter[str] = Counter()

    @property
    def is_limited(self) -> bool:
        """True unless the peer may read every document."""
        return not self._readable.is_everything

    def send(self, raw: bytes) -> tuple[str, ...]:
        """Record that a document body is being sent, so that the peer may fetch the body's blobs.

        Returns:
            The digests of these blobs, to be passed to `sent`; empty if the peer may read every document.
        """
        if not self.is_limited or not wire_bodies.may_hold_blobs(raw):
            return ()
        digests = tuple(wire_bodies.blobs_in(bodies.decode("", raw)))
        self._on_the_way.update(digests)
        return digests

    def sent(self, digests: Iterable[str]) -> None:
        """Record that the peer has replied to a document body that was sent.

        `digests` is the result of `send` for that body.
        """
        self._on_the_way.subtract(digests)
        for digest in digests:
            if self._on_the_way[digest] <= 0:
                del self._on_the_way[digest]

    def check(self, digest: str, document_id: str | None) -> None:
        """Raise MessageError (403) if the peer may not fetch a blob.

        `document_id` is the id of the document that the peer's request names, or None if it names none.
        """
        if not self.is_limited or digest in self._on_the_way:
            return
        document = None if document_id is None else self._database.get(document_id)
        if (
            document is None
            or document.deleted
            or not self._readable.shows(self._database, document.id, deleted=False)
            or digest not in wire_bodies.blobs_in(document.body)
        ):
            raise MessageError(
                f"blob {digest}: no document that you can read refers to it", code=HTTPStatus.FORBIDDEN
            )

    def check_proof(self, digest: str, document_id: str | None, nonce: bytes) -> None:
        """Check that we may answer a peer's request to prove that we have a blob.

        Raises:
            MessageError: 403 if the peer may not fetch the blob; 503 if we have sent a request with the same
                nonce and are waiting for the proof ourselves.
        """
        self.check(digest, document_id)
        if nonce in self._open:
            raise MessageError(
                f"blob {digest}: another request for proof with the same nonce is not answered yet",
                code=HTTPStatus.SERVICE_UNAVAILABLE,
            )


_open: WeakKeyDictionary[Database, set[bytes]] = WeakKeyDictionary()


def open_nonces(database: Database) -> set[bytes]:
    """Return the nonces of our unanswered requests for proof of possession, on all connections of a store."""
    nonces = _open.get(database)
    if nonces is None:
        nonces = _open[database] = set()
    return nonces
