"""Messages about stored checkpoints: getCheckpoint, setCheckpoint, getCollections.

These messages contain a checkpoint's body as bytes. When a message is decoded, the body is checked to be one
JSON object. `sync.replication.checkpoint` decodes the body.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar, Final

import msgspec

from sync.blip import RequestReceived, ResponseReceived
from sync.replication import fields
from sync.replication.errors import MessageError
from sync.replication.fields import EncodedMessage
from sync.replication.limits import MessageLimits

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw] | None])
_COLLECTION: Final = re.compile(r"([A-Za-z0-9_%-]{1,251}\.)?[A-Za-z0-9_%-]{1,251}", re.ASCII)
_REVISION_NAMES: Final = ("rev", "_rev")
"""Names of the revision property in replies to getCollections, in Couchbase Lite and in Sync Gateway."""


class GetCheckpoint(msgspec.Struct, frozen=True, gc=False):
    """A request for the checkpoint that the receiver stores for the requester.

    If there is none, the reply is HTTP error 404.
    """

    profile: ClassVar[str] = "getCheckpoint"

    client: str
    """Id of the checkpoint."""
    collection: int | None = None

    def encode(self) -> EncodedMessage:
        """Encode the request for sending."""
        properties = fields.request(self.profile, self.collection)
        properties["client"] = self.client
        return EncodedMessage(properties)

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits) -> "GetCheckpoint":
        """Decode a received request. Raises MessageError if it is invalid."""
        properties = event.properties
        client = fields.required(properties, "client", limits.client_bytes)
        return cls(client, fields.collection(properties, limits))


class GetCheckpointReply(msgspec.Struct, frozen=True, gc=False):
    """A reply with a stored checkpoint."""

    revision: str
    """Revision of the checkpoint. It is opaque, and differs in form from a document's revision."""
    body: bytes

    def encode(self) -> EncodedMessage:
        """Encode the reply for sending."""
        return EncodedMessage({"rev": self.revision}, self.body)

    @classmethod
    def decode(cls, event: ResponseReceived, limits: MessageLimits) -> "GetCheckpointReply":
        """Decode a received reply. Raises MessageError if it is invalid."""
        revision = fields.required(event.properties, "rev", limits.client_bytes)
        return cls(revision, _checkpoint(event.body, "the reply to getCheckpoint", limits))


class SetCheckpoint(msgspec.Struct, frozen=True, gc=False):
    """A request to store a checkpoint.

    If `revision` is not the current revision, the reply is HTTP error 409.
    """

    profile: ClassVar[str] = "setCheckpoint"

    client: str
    body: bytes
    revision: str | None = None
    """Revision of the stored checkpoint that is to be replaced; None if no checkpoint should exist yet."""
    collection: int | None = None

    def encode(self) -> EncodedMessage:
        """Encode the request for sending."""
        properties = fields.request(self.profile, self.collection)
        properties["client"] = self.client
        fields.put(properties, "rev", self.revision)
        return EncodedMessage(properties, self.body)

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits) -> "SetCheckpoint":
        """Decode a received request. Raises MessageError if it is invalid."""
        properties = event.properties
        return cls(
            fields.required(properties, "client", limits.client_bytes),
            _without_revision(_checkpoint(event.body, cls.profile, limits)),
            fields.text(properties, "rev", limits.client_bytes) or None,
            fields.collection(properties, limits),
        )


class SetCheckpointReply(msgspec.Struct, frozen=True, gc=False):
    """A reply that confirms that the checkpoint is stored."""

    revision: str
    """New revision, which the next setCheckpoint must state."""

    def encode(self) -> EncodedMessage:
        """Encode the reply for sending."""
        return EncodedMessage({"rev": self.revision})

    @classmethod
    def decode(cls, event: ResponseReceived, limits: MessageLimits) -> "SetCheckpointReply":
        """Decode a received reply. Raises MessageError if it is invalid."""
        return cls(fields.required(event.properties, "rev", limits.client_bytes))


class GetCollections(msgspec.Struct, frozen=True, gc=False):
    """A request that makes the connection collection-aware and asks for each collection's checkpoint."""

    profile: ClassVar[str] = "getCollections"
    collection: ClassVar[None] = None

    collections: tuple[str, ...]
    """Names of the collections. Other messages identify a collection by its index in this list.

    A name begins with its scope and a dot, unless the scope is the default scope.
    """
    clients: tuple[str, ...]
    """Checkpoint ids, one for each collection, in the same order."""

    def encode(self) -> EncodedMessage:
        """Encode the request for sending."""
        body = _CollectionsBody(list(self.collections), list(self.clients))
        return EncodedMessage({"Profile": self.profile}, msgspec.json.encode(body))

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits) -> "GetCollections":
        """Decode a received request. Raises MessageError if it is invalid."""
        body = fields.body(_COLLECTIONS_BODY, event.body, cls.profile)
        fields.no_more(body.collections, limits.collections, "collections")
        if len(body.collections) != len(body.checkpoint_ids) or not body.collections:
            count, ids = len(body.collections), len(body.checkpoint_ids)
            raise MessageError(
                f"getCollections: the message has {count} collections, but {ids} checkpoint ids"
            )
        for name in body.collections:
            if not _COLLECTION.fullmatch(name):
                raise MessageError(f"getCollections: {name[:80]!r} is not a collection name")
        if len(set(body.collections)) != len(body.collections):
            raise MessageError("getCollections: a collection is listed twice")
        for client in body.checkpoint_ids:
            fields.required({"checkpoint id": client}, "checkpoint id", limits.client_bytes)
        return cls(tuple(body.collections), tuple(body.checkpoint_ids))


class CollectionCheckpoint(msgspec.Struct, frozen=True, gc=False):
    """The checkpoint stored by the receiver of getCollections for one of its collections."""

    revision: str | None = None
    """Revision of the checkpoint; None if there is no checkpoint, or if Sync Gateway omits the revision."""
    body: bytes = b"{}"
    """Body of the checkpoint; an empty object if there is none."""


class GetCollectionsReply(msgspec.Struct, frozen=True, gc=False):
    """The checkpoints of the requested collections, in order; None for a collection that does not exist."""

    checkpoints: tuple[CollectionCheckpoint | None, ...]

    def encode(self) -> EncodedMessage:
        """Encode the reply for sending."""
        items: list[dict[str, msgspec.Raw] | None] = []
        for checkpoint in self.checkpoints:
            if checkpoint is None:
                items.append(None)
                continue
            item = _OBJECT.decode(checkpoint.body)
            if checkpoint.revision is not None:
                item.update(
                    dict.fromkeys(_REVISION_NAMES, msgspec.Raw(msgspec.json.encode(checkpoint.revision)))
                )
            items.append(item)
        return EncodedMessage({}, msgspec.json.encode(items))

    @classmethod
    def decode(cls, event: ResponseReceived, limits: MessageLimits, *, asked: int) -> "GetCollectionsReply":
        """Decode a received reply to a request for `asked` collections.

        Raises MessageError if it is invalid.
        """
        items = fields.body(_OBJECTS, event.body, "the reply to getCollections")
        if len(items) != asked:
            raise MessageError(f"the reply to getCollections has {len(items)} items, not {asked}")
        return cls(tuple([item if item is None else _collection_checkpoint(item, limits) for item in items]))


class _CollectionsBody(msgspec.Struct, frozen=True):
    collections: Sequence[str]
    checkpoint_ids: Sequence[str]


_COLLECTIONS_BODY: Final = msgspec.json.Decoder(_CollectionsBody)


def _collection_checkpoint(item: dict[str, msgspec.Raw], limits: MessageLimits) -> CollectionCheckpoint:
    revision = None
    for name in _REVISION_NAMES:
        if (raw := item.pop(name, None)) is not None:
            revision = fields.body(_STRING, bytes(raw), "a checkpoint's revision")
            fields.required({name: revision}, name, limits.client_bytes)
    return CollectionCheckpoint(revision, _checkpoint(msgspec.json.encode(item), "a checkpoint", limits))


_STRING: Final = msgspec.json.Decoder(str)


def _without_revision(body: bytes) -> bytes:
    """Return the body without its revision. Sync Gateway repeats the revision of the property in the body."""
    if b'"_rev"' not in body:
        return body
    item = _OBJECT.decode(body)
    item.pop("_rev", None)
    return msgspec.json.encode(item)


def _checkpoint(body: bytes, what: str, limits: MessageLimits) -> bytes:
    if len(body) > limits.checkpoint_bytes:
        raise MessageError(
            f"the body of {what} has more than {limits.checkpoint_bytes} bytes",
            code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    fields.body(_OBJECT, body, what)
    return body
