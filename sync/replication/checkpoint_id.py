"""The name of a checkpoint. It is the same each time for one replication, and different for each replication.

The name has the same form as in Couchbase Lite: `cp-` and the SHA-1 digest, in base64, of an encoded list
(`Checkpointer.cc`). Couchbase Lite encodes the list in Fleece, and we encode it in canonical JSON. This makes
no difference to the other side, which receives only the name. Our name always depends on whether the
replication pushes, pulls, or does both. Couchbase Lite makes this distinction only for named collections.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import rfc8785


@dataclass(frozen=True, slots=True)
class Peer:
    """The identity of a replication's peer. It does not depend on an address that may change."""

    kind: str
    """Kind of peer, as the application defines it."""
    name: str

    @classmethod
    def member(cls, kind: str, name: str, database: str) -> "Peer":
        """Return the identity of one database of a named peer.

        If the database has a new UUID, it is a new peer.
        """
        return cls(kind, f"{name}/{database.lower()}")

    @classmethod
    def address(cls, url: str) -> "Peer":
        """Return the identity of a peer that is known only by its URL."""
        return cls("url", url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """The properties that identify a replication."""

    database: str
    """UUID of the local database. A salvaged or recreated store has a new UUID."""
    peer: Peer
    push: bool
    pull: bool
    channels: frozenset[str] = frozenset()
    """Channels that are pulled; empty for all."""
    document_ids: frozenset[str] = frozenset()
    """Ids of the replicated documents; empty for all documents."""
    filter: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    collection: str | None = None
    """Name of the collection, with that of its scope; None for the default collection."""


def checkpoint_id(replication: Replication) -> str:
    """Return the id under which both sides store the replication's checkpoint."""
    parts = [
        replication.database.lower(),
        [replication.peer.kind, replication.peer.name],
        [replication.push, replication.pull],
        sorted(replication.channels),
        sorted(replication.document_ids),
        [replication.filter, dict(replication.parameters)],
        replication.collection,
    ]
    digest = hashlib.sha1(rfc8785.dumps(parts), usedforsecurity=False).digest()
    return f"cp-{base64.b64encode(digest).decode()}"
