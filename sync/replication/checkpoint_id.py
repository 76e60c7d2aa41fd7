"""The name of a checkpoint: the same for the same replication, another as soon as anything about it differs.

In Couchbase Lite's form, `cp-` and a SHA-1 digest in base64 over an encoded list (`Checkpointer.cc`). Its
own list is in Fleece, ours in canonical JSON: the other side only ever sees the name. Ours always tells
push-only, pull-only and both apart, as Couchbase Lite does for named collections only.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import rfc8785


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a replication is with: never an address of today, for those change at every meeting."""

    kind: str
    name: str

    @classmethod
    def vessel(cls, vessel: str, database: str) -> "Peer":
        """One of our own, by its vessel id and its database's UUID: a new card is a new peer."""
        return cls("vessel", f"{vessel}/{database.lower()}")

    @classmethod
    def gateway(cls, name: str) -> "Peer":
        """A gateway, by the name that the configuration gives it."""
        return cls("gateway", name)

    @classmethod
    def address(cls, url: str) -> "Peer":
        """A peer of which nothing but its URL is known, as the commands of a diagnosis have it."""
        return cls("url", url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """What makes a replication the one it is."""

    database: str
    """Our database's own UUID; a store restored or made anew has another."""
    peer: Peer
    push: bool
    pull: bool
    channels: frozenset[str] = frozenset()
    """Empty for all."""
    document_ids: frozenset[str] = frozenset()
    """Empty for all."""
    filter: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    collection: str | None = None
    """With its scope; None for the default collection."""


def checkpoint_id(replication: Replication) -> str:
    """The id under which both sides store its checkpoint."""
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
