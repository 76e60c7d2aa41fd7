"""Every message of replication: one place to take them from, and to read the requests of a peer with.

    event = …                                   # a sync.blip.RequestReceived
    request = messages.decode(event)            # GetCheckpoint, SubChanges, Rev …; or MessageError
    addressing.admit(request)                   # is `collection` as this connection's mode wants it?
    …
    reply = ChangesReply(answers, Terms(deltas=True)).encode()
    connection.send_response(event.number, reply.properties, reply.body, compressed=reply.compressed)

A MessageError is answered as it is: `send_error(event.number, error.code, error.text, domain=error.domain)`.
Replies are read by the class that the request calls for: `ChangesReply.decode(event, limits, asked=200)`.
Properties that nobody here knows are passed over, as the protocol's later versions need it.
"""

from enum import Enum
from typing import Final

from sync.blip import BLIP_DOMAIN, RequestReceived
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
    Answer,
    Change,
    Changes,
    ChangesReply,
    Gone,
    Proposal,
    ProposeChanges,
    ProposeChangesReply,
    Terms,
    Verdict,
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
from sync.replication.fields import Encoded
from sync.replication.limits import APPLIANCE, DEFAULT, Limits
from sync.replication.revision_messages import GetRev, GetRevReply, NoRev, Rev
from sync.replication.subscription import BY_CHANNEL, SubChanges, Versioning
from sync.replication.way_messages import Ways

__all__ = [
    "APPLIANCE",
    "BY_CHANNEL",
    "DEFAULT",
    "LITECORE_DOMAIN",
    "NOT_WANTED",
    "SEND",
    "Addressing",
    "Answer",
    "Change",
    "Changes",
    "ChangesReply",
    "CollectionCheckpoint",
    "Encoded",
    "Failure",
    "GetAttachment",
    "GetCheckpoint",
    "GetCheckpointReply",
    "GetCollections",
    "GetCollectionsReply",
    "GetRev",
    "GetRevReply",
    "Gone",
    "Limits",
    "LiteCoreCode",
    "MessageError",
    "Mode",
    "NoRev",
    "Proof",
    "Proposal",
    "ProposeChanges",
    "ProposeChangesReply",
    "ProveAttachment",
    "ProveAttachmentReply",
    "Request",
    "Rev",
    "SetCheckpoint",
    "SetCheckpointReply",
    "SubChanges",
    "Terms",
    "Verdict",
    "Versioning",
    "Ways",
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
    | Ways
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
        Ways,
    )
}


def decode(event: RequestReceived, limits: Limits = DEFAULT) -> Request:
    """What a peer asks for.

    Raises:
        MessageError: it is malformed or over a limit; of a kind that nobody here knows: BLIP 404, by which
            peers see that they must do without.
    """
    kind = _REQUESTS.get(event.profile)
    if kind is None:
        raise MessageError(f"no handler for {event.profile[:80]!r}", code=404, domain=BLIP_DOMAIN)
    return kind.decode(event, limits)


class Mode(Enum):
    """How the messages of a connection name their collection."""

    UNDECIDED = "undecided"
    """No message has passed yet."""
    DEFAULT = "default"
    """Not at all: they are about the default collection."""
    COLLECTIONS = "collections"
    """All by their index in the list of getCollections."""


class Addressing:
    """Holds one connection to one mode, which its first message decides, whoever sent that."""

    __slots__ = ("_count", "mode")

    def __init__(self) -> None:
        self.mode = Mode.UNDECIDED
        self._count = 0

    def admit(self, request: Request) -> None:
        """Take note of a request that was received, or is about to be sent.

        Raises:
            MessageError: it does not go with the mode, or names a collection that is not in the list.
        """
        if isinstance(request, GetCollections):
            if self.mode is not Mode.UNDECIDED:
                raise MessageError("getCollections must be the first message of a connection")
            self.mode, self._count = Mode.COLLECTIONS, len(request.collections)
            return
        if isinstance(request, Ways):
            return  # about vessels, not about documents: it may come at any time
        index = request.collection
        if self.mode is Mode.COLLECTIONS:
            if index is None:
                raise MessageError(
                    f"{request.profile}: after getCollections, each message needs 'collection'"
                )
            if index >= self._count:
                raise MessageError(f"{request.profile}: collection {index} of {self._count} does not exist")
        elif index is not None:
            raise MessageError(f"{request.profile}: 'collection' needs getCollections as the first message")
        else:
            self.mode = Mode.DEFAULT
