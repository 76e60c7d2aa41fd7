"""Messages about revisions: rev, norev, getRev. Bodies are kept as bytes, which the store decodes."""

from http import HTTPStatus
from typing import ClassVar, Final

import msgspec

from sync.blip import RequestReceived, ResponseReceived
from sync.replication import fields
from sync.replication.errors import MessageError
from sync.replication.fields import EncodedMessage
from sync.replication.limits import MessageLimits

_FIELDS: Final = 500
"""Approximate memory, in bytes, used by the fields of a decoded revision that `bytes_held` does not add."""
_ANCESTOR: Final = 64
"""Memory used by an ancestor, in bytes, in addition to its text: a string object and its tuple entry."""


class Rev(msgspec.Struct, frozen=True, gc=False):
    """A message that contains a revision.

    An empty success reply means that the receiver has stored it durably.
    """

    profile: ClassVar[str] = "rev"

    id: str
    revision: str
    body: bytes
    """Body as JSON text: the document itself, or a delta relative to `delta_source`."""
    sequence: str | None = None
    """Sequence from the `changes` message that announced the requested revision; None if unknown."""
    deleted: bool = False
    history: tuple[str, ...] = ()
    """Ancestors, newest first. Some may be missing, and the oldest one need not be the first revision."""
    delta_source: str | None = None
    no_conflicts: bool = False
    """True if the receiver must reject (409) a revision that would cause a conflict."""
    replaced: str | None = None
    """The requested revision if this message sends a newer one instead; otherwise None."""
    collection: int | None = None
    no_reply: bool = False
    deleted_branch: tuple[str, ...] = ()
    """The tombstone that closed another branch in favour of this revision, and the tombstone's ancestors.

    The ancestors are ordered newest first, and end with the one that the receiver is known to have (Couchbase
    Lite 3.3).
    """

    @property
    def bytes_held(self) -> int:
        """Approximate memory used by the decoded message, in bytes, including the history."""
        ancestors = self.history + self.deleted_branch
        return _FIELDS + len(self.body) + _ANCESTOR * len(ancestors) + sum(map(len, ancestors))

    def encode(self) -> EncodedMessage:
        """Encode the revision for sending."""
        properties = fields.request(self.profile, self.collection)
        properties["id"] = self.id
        properties["rev"] = self.revision
        if self.sequence is not None:
            properties["sequence"] = self.sequence
        if self.deleted:
            properties["deleted"] = "1"  # Couchbase Lite and Sync Gateway use this spelling, only in rev
        if self.history:
            properties["history"] = ",".join(self.history)
        if self.delta_source is not None:
            properties["deltaSrc"] = self.delta_source
        if self.no_conflicts:
            properties["noconflicts"] = "true"
        if self.replaced is not None:
            properties["replacedRev"] = self.replaced
        if self.deleted_branch:
            properties["deleted_branch"] = ",".join(self.deleted_branch)
        return EncodedMessage(properties, self.body, compressed=True, no_reply=self.no_reply)

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits) -> "Rev":
        """Decode a received revision. Like Sync Gateway, require the id and the revision as properties.

        Raises MessageError if the message is invalid.
        """
        get = event.properties.get
        document_id, revision = get("id"), get("rev")
        if document_id is None or revision is None:
            raise MessageError("the rev message has no 'id' or no 'rev'")
        if not event.body:
            raise MessageError(f"rev of {document_id[:80]!r}: the body is empty")
        properties = event.properties
        revision = fields.revision(revision, limits)
        return cls(
            fields.document_id(document_id, limits),
            revision,
            event.body,
            fields.sequence(properties, "sequence", limits),
            "deleted" in properties and fields.boolean(properties, "deleted"),
            fields.history(get("history", ""), revision, limits),
            fields.optional_revision(properties, "deltaSrc", limits),
            "noconflicts" in properties and fields.boolean(properties, "noconflicts"),
            fields.optional_revision(properties, "replacedRev", limits),
            fields.collection(properties, limits),
            event.no_reply,
            fields.branch(get("deleted_branch", ""), limits),
        )


class NoRev(msgspec.Struct, frozen=True, gc=False):
    """A message that states that a requested revision will not be sent. It has no reply."""

    profile: ClassVar[str] = "norev"

    id: str | None
    revision: str | None
    sequence: str | None = None
    """Sequence from the `changes` message that announced the revision; None if unknown."""
    status: int = HTTPStatus.NOT_FOUND
    """Reason why the revision will not be sent, as an HTTP status code."""
    reason: str | None = None
    collection: int | None = None

    def encode(self) -> EncodedMessage:
        """Encode the message for sending."""
        properties = fields.request(self.profile, self.collection)
        fields.put(properties, "id", self.id)
        fields.put(properties, "rev", self.revision)
        fields.put(properties, "sequence", self.sequence)
        fields.put(properties, "error", int(self.status))
        fields.put(properties, "reason", self.reason)
        return EncodedMessage(properties, no_reply=True)

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits) -> "NoRev":
        """Decode a received message, which must contain a document id and a revision, or a sequence.

        Raises MessageError if the message is invalid.
        """
        properties = event.properties
        document_id = properties.get("id")
        status = fields.integer(properties, "error", most=2**31 - 1)
        message = cls(
            fields.document_id(document_id, limits) if document_id else None,
            fields.optional_revision(properties, "rev", limits),
            fields.sequence(properties, "sequence", limits),
            HTTPStatus.NOT_FOUND if status is None else status,
            fields.text(properties, "reason", limits.text_bytes),
            fields.collection(properties, limits),
        )
        if message.sequence is None and (message.id is None or message.revision is None):
            raise MessageError("the norev message does not identify the revision")
        return message


class GetRev(msgspec.Struct, frozen=True, gc=False):
    """A request for the current revision of one document, which need not have been announced."""

    profile: ClassVar[str] = "getRev"

    id: str
    unless: str | None = None
    """The revision that the requester already has. If it is the current one, the reply is HTTP error 304."""
    collection: int | None = None

    def encode(self) -> EncodedMessage:
        """Encode the request for sending."""
        properties = fields.request(self.profile, self.collection)
        properties["id"] = self.id
        fields.put(properties, "ifNotRev", self.unless)
        return EncodedMessage(properties)

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits) -> "GetRev":
        """Decode a received request. Raises MessageError if it is invalid."""
        properties = event.properties
        return cls(
            fields.document_id(fields.required(properties, "id", limits.id_bytes), limits),
            fields.optional_revision(properties, "ifNotRev", limits),
            fields.collection(properties, limits),
        )


class GetRevReply(msgspec.Struct, frozen=True, gc=False):
    """A reply with the current revision of a document."""

    revision: str
    body: bytes

    def encode(self) -> EncodedMessage:
        """Encode the reply for sending."""
        return EncodedMessage({"rev": self.revision}, self.body, compressed=True)

    @classmethod
    def decode(cls, event: ResponseReceived, limits: MessageLimits) -> "GetRevReply":
        """Decode a received reply. Raises MessageError if it is invalid."""
        revision = fields.required(event.properties, "rev", limits.revision_bytes)
        if not event.body:
            raise MessageError("the reply to getRev has no body")
        return cls(fields.revision(revision, limits), event.body)
