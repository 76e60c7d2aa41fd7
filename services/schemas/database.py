"""JSON output of `logboat db`."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from msgspec import UNSET, UnsetType

from services.state.described import described
from sync.peer.active import Activity
from sync.peer.problems import Domain
from sync.peer.progress import Direction

from . import format_of
from .parts import Output, Part


class DbChange(Output, frozen=True, kw_only=True, tag=format_of("db-change")):
    """A change in a document store; each is printed on its own line."""

    command: ClassVar[str] = "logboat db changes --json"

    seq: Annotated[int, described("Sequence number of the change.", minimum=1)]
    id: Annotated[str, described("Id of the document.")]
    rev: Annotated[str, described("Id of the new revision.")]
    deleted: Annotated[
        bool, described("True if the revision is a tombstone, which means that the document is deleted.")
    ]
    conflicted: Annotated[bool, described("True if the document has conflicting revisions.")]
    size: Annotated[int, described("Size of the body in bytes.", minimum=0)]


class DbCheck(Output, frozen=True, kw_only=True, tag=format_of("db-check")):
    """Result of checking a document store."""

    command: ClassVar[str] = "logboat db check --json"

    sound: Annotated[bool, described("True if no damage was found.")]
    findings: Annotated[Sequence[str], described("Descriptions of the damage that was found.")]


class DbCheckpoint(Output, frozen=True, kw_only=True, tag=format_of("db-checkpoint")):
    """A checkpoint that a peer stores here to record its progress; each is printed on its own line."""

    command: ClassVar[str] = "logboat db checkpoints --json"

    owner: Annotated[
        str | None,
        described(
            "Owner of the checkpoint: user:<name>, vessel:<name> or "
            "certificate:<fingerprint>; '' for peers without a name; null if an older version "
            "stored it and no peer has asked for it since."
        ),
    ]
    id: Annotated[str, described("Id by which the peer requests the checkpoint.")]
    rev: Annotated[str, described("Revision of the checkpoint.")]
    bytes: Annotated[int, described("Size of the body in bytes.", minimum=0)]
    idle: Annotated[
        float,
        described(
            "Maximum time since the checkpoint was last used, in seconds during which the "
            "sync daemon was running.",
            minimum=0,
        ),
    ]
    dropped: Annotated[bool, described("True if the command has removed the checkpoint.")]


class DbCompact(Output, frozen=True, kw_only=True, tag=format_of("db-compact")):
    """Space freed by compacting a document store."""

    command: ClassVar[str] = "logboat db compact --json"

    file_bytes: Annotated[
        int, described("Number of bytes by which the file has become smaller.", minimum=-1000000000000000)
    ]
    blobs: Annotated[int, described("Number of blobs that were removed.", minimum=0)]
    blob_bytes: Annotated[int, described("Total size of the removed blobs in bytes.", minimum=0)]


class DbDocument(Output, frozen=True, kw_only=True, tag=format_of("db-document")):
    """A document; each is printed on its own line."""

    command: ClassVar[str] = "logboat db ls --json"

    id: Annotated[str, described("Id of the document.")]
    rev: Annotated[str, described("Id of the current revision.")]
    seq: Annotated[int, described("Sequence number of the document's last change.", minimum=1)]


class StoreSizes(Part, frozen=True, kw_only=True):
    """Space that the store occupies on the card."""

    used: Annotated[int, described("Number of bytes in use in the database file.", minimum=0)]
    free: Annotated[int, described("Number of free bytes in the database file.", minimum=0)]
    wal: Annotated[int, described("Size of the write-ahead log in bytes.", minimum=0)]
    blobs: Annotated[int, described("Total size of the blobs in bytes.", minimum=0)]


class DbInfo(Output, frozen=True, kw_only=True, tag=format_of("db-info")):
    """Facts about a document store."""

    command: ClassVar[str] = "logboat db info --json"

    uuid: Annotated[str, described("UUID of the store.")]
    documents: Annotated[int, described("Number of documents, excluding deleted ones.", minimum=0)]
    deleted: Annotated[int, described("Number of tombstones.", minimum=0)]
    conflicts: Annotated[int, described("Number of documents with conflicting revisions.", minimum=0)]
    last_sequence: Annotated[int, described("Sequence number of the last change.", minimum=0)]
    bytes: Annotated[StoreSizes, described("Space that the store takes on the card.")]


class Transferred(Part, frozen=True, kw_only=True):
    """Amount of data sent to the peer, or received from it."""

    documents: Annotated[int, described("Number of documents.", minimum=0)]
    bytes: Annotated[int, described("Total size of the bodies in bytes.", minimum=0)]
    deltas: Annotated[int, described("Number of these documents that were transferred as deltas.", minimum=0)]
    blobs: Annotated[int, described("Number of blobs.", minimum=0)]


class FailedDocument(Part, frozen=True, kw_only=True):
    """A document that could not be replicated."""

    id: Annotated[str, described("Id of the document.")]
    rev: Annotated[str, described("Id of the revision.")]
    direction: Annotated[Direction, described("Direction of the transfer that failed.")]
    transient: Annotated[bool, described("True if the transfer will be tried again.")]
    domain: Annotated[Domain, described("Domain to which the code belongs.")]
    code: Annotated[int, described("Error code within the domain.", minimum=-100000)]
    reason: Annotated[str, described("Description of the error.")]


class ReplicationError(Part, frozen=True, kw_only=True):
    """The error that ended the replication, or that prevents it from connecting."""

    domain: Annotated[Domain, described("Domain to which the code belongs.")]
    code: Annotated[int, described("Error code within the domain.", minimum=-100000)]
    reason: Annotated[str, described("Description of the error.")]
    url: Annotated[str, described("URL of the peer.")]


class DbReplication(Output, frozen=True, kw_only=True, tag=format_of("db-replication")):
    """Result of a replication: one line at its end; with --continuous also one at each change of state."""

    command: ClassVar[str] = "logboat db push|pull|sync --json"

    activity: Annotated[Activity, described("Current activity of the replication.")]
    pushed: Annotated[Transferred, described("What was sent to the peer.")]
    pulled: Annotated[Transferred, described("What was received from the peer.")]
    sent: Annotated[int, described("Number of bytes sent over the network.", minimum=0)]
    received: Annotated[int, described("Number of bytes received over the network.", minimum=0)]
    failed: Annotated[
        Sequence[FailedDocument],
        described("Documents that could not be replicated; with --continuous, those since the last line."),
    ]
    error: Annotated[
        ReplicationError | None,
        described("The error that ended the replication, or that prevents it from connecting."),
    ]
    stopped: Annotated[
        bool | UnsetType, described("True if a person stopped the replication; only in the last line.")
    ] = UNSET


class DbRevision(Output, frozen=True, kw_only=True, tag=format_of("db-revision")):
    """Confirmation that a document has a new revision."""

    command: ClassVar[str] = "logboat db put|rm --json"

    id: Annotated[str, described("Id of the document.")]
    rev: Annotated[str, described("Id of the new revision.")]


class DbServe(Output, frozen=True, kw_only=True, tag=format_of("db-serve")):
    """State of the listener: one line when it starts listening, and another when it has stopped."""

    command: ClassVar[str] = "logboat db serve --json"
    conditions: ClassVar[dict[str, Any]] = {
        "if": {"properties": {"event": {"const": "listening"}}},
        "then": {"required": ["urls", "port", "databases", "fingerprint", "readOnly", "everybody"]},
    }

    event: Annotated[str, described("What happened.", enum=["listening", "stopped"])]
    urls: Annotated[Sequence[str] | UnsetType, described("URLs at which it listens.")] = UNSET
    port: Annotated[int | UnsetType, described("TCP port.", minimum=1, maximum=65535)] = UNSET
    databases: Annotated[
        Sequence[str] | UnsetType, described("Database names under which peers can access the store.")
    ] = UNSET
    fingerprint: Annotated[
        str | UnsetType | None, described("SHA-256 fingerprint of the certificate; null without TLS.")
    ] = UNSET
    read_only: Annotated[bool | UnsetType, described("True if peers may only read.")] = UNSET
    everybody: Annotated[bool | UnsetType, described("True if peers need no user name.")] = UNSET
