"""All messages of the replication protocol in one place, and the decoding of a peer's requests.

    event = …                                   # a sync.blip.RequestReceived
    request = messages.decode(event)            # GetCheckpoint, SubChanges, Rev …; or MessageError
    addressing.admit(request)                   # does `collection` match this connection's mode?
    …
    reply = ChangesReply(answers, DeliveryTerms(deltas=True)).encode()
    connection.send_response(event.number, reply.properties, reply.body, compressed=reply.compressed)

A MessageError is sent to the peer as the answer: `send_error(event.number, error.code, error.text,
domain=error.domain)`. A reply is decoded by the class for that kind of reply: `ChangesReply.decode(event,
limits, asked=200)`. Unknown properties are ignored, as later versions of the protocol require.
"""

from enum import Enum
from typing import Final

from sync.blip import BLIP_DOMAIN, Code, RequestReceived
from sync.replication.blob_messages import (
    GetAttachment,
    Proof,
    ProveAttachment,
    ProveAttachmentReply,
    proof,
)
from sync.replication.change_messages import (
    NOT_WANTED,
    SEND,
    AnnouncedChange,
    Answer,
    Changes,
    ChangesReply,
    DeliveryTerms,
    Proposal,
    ProposalAnswer,
    ProposeChanges,
    ProposeChangesReply,
    RemovalFlags,
)
from sync.replication.checkpoint_messages import (
    CollectionCheckpoint,
    GetCheckpoint,
    GetCheckpointReply,
    GetCollections,
    GetCollectionsReply,
    SetCheckpoint,
    SetCheckpointReply,
)
from sync.replication.errors import LITECORE_DOMAIN, Failure, LiteCoreCode, MessageError
from sync.replication.fields import EncodedMessage
from sync.replication.limits import APPLIANCE, DEFAULT, MessageLimits
from sync.replication.revision_messages import GetRev, GetRevReply, NoRev, Rev
from sync.replication.subscription import BY_CHANNEL, SubChanges, Versioning

__all__ = [
    "APPLIANCE",
    "BY_CHANNEL",
    "DEFAULT",
    "LITECORE_DOMAIN",
    "NOT_WANTED",
    "SEND",
    "Addressing",
    "AnnouncedChange",
    "Answer",
    "Changes",
    "ChangesReply",
    "CollectionCheckpoint",
    "DeliveryTerms",
    "EncodedMessage",
    "Failure",
    "GetAttachment",
    "GetCheckpoint",
    "GetCheckpointReply",
    "GetCollections",
    "GetCollectionsReply",
    "GetRev",
    "GetRevReply",
    "LiteCoreCode",
    "MessageError",
    "MessageLimits",
    "Mode",
    "NoRev",
    "Proof",
    "Proposal",
    "ProposalAnswer",
    "ProposeChanges",
    "ProposeChangesReply",
    "ProveAttachment",
    "ProveAttachmentReply",
    "RemovalFlags",
    "Request",
    "Rev",
    "SetCheckpoint",
    "SetCheckpointReply",
    "SubChanges",
    "Versioning",
    "decode",
    "proof",
]

Request = (
    GetCheckpoint
    | SetCheckpoint
    | GetCollections
    | SubChanges
    | Changes
    | ProposeChanges
    | Rev
    | NoRev
    | GetRev
    | GetAttachment
    | ProveAttachment
)

_REQUESTS: Final[dict[str, type[Request]]] = {
    kind.profile: kind
    for kind in (
        GetCheckpoint,
        SetCheckpoint,
        GetCollections,
        SubChanges,
        Changes,
        ProposeChanges,
        Rev,
        NoRev,
        GetRev,
        GetAttachment,
        ProveAttachment,
    )
}


def decode(event: RequestReceived, limits: MessageLimits = DEFAULT) -> Request:
    """Decode a request from a peer.

    Raises:
        MessageError: the request is malformed or over a limit. The error for a request of an unknown kind has
            BLIP code 404, which means that this kind is not supported.
    """
    kind = _REQUESTS.get(event.profile)
    if kind is None:
        raise MessageError(f"no handler for {event.profile[:80]!r}", code=Code.NOT_FOUND, domain=BLIP_DOMAIN)
    return kind.decode(event, limits)


class Mode(Enum):
    """The way in which a connection's messages identify their collection."""

    UNDECIDED = "undecided"
    """No message has been sent or received yet, so both modes are still possible."""
    DEFAULT = "default"
    """Messages name no collection. They apply to the default collection."""
    COLLECTIONS = "collections"
    """Every message contains an index into the list of collections that getCollections has sent."""


class Addressing:
    """Checks that all messages on one connection identify their collection in the same way (see `Mode`).

    The first message in either direction determines the mode.
    """

    __slots__ = ("_count", "mode")

    def __init__(self) -> None:
        self.mode = Mode.UNDECIDED
        self._count = 0

    def admit(self, request: Request) -> None:
        """Check a request that was received or will be sent.

        Raises:
            MessageError: the request does not match the mode, or names a collection that is not in the list.
        """
        if isinstance(request, GetCollections):
            if self.mode is not Mode.UNDECIDED:
                raise MessageError("getCollections must be the first message of a connection")
            self.mode, self._count = Mode.COLLECTIONS, len(request.collections)
            return
        index = request.collection
        if self.mode is Mode.COLLECTIONS:
            if index is None:
                raise MessageError(
                    f"{request.profile}: after getCollections, each message needs 'collection'"
                )
            if index >= self._count:
                raise MessageError(f"{request.profile}: collection {index} of {self._count} does not exist")
        elif index is not None:
            raise MessageError(
                f"{request.profile}: 'collection' is allowed only if getCollections was the first message"
            )
        else:
            self.mode = Mode.DEFAULT
