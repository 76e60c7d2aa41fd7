"""The subChanges message, which requests a changes feed."""

from enum import Enum
from typing import ClassVar, Final

import msgspec

from sync.blip import RequestReceived
from sync.replication import fields
from sync.replication.errors import LITECORE_DOMAIN, LiteCoreCode, MessageError
from sync.replication.fields import EncodedMessage
from sync.replication.limits import MessageLimits

BY_CHANNEL: Final = "sync_gateway/bychannel"
"""Name of the filter for `channels`. Sync Gateway supports no other filter."""

_FLAGS: Final = {
    "continuous": "continuous",
    "active_only": "activeOnly",
    "revocations": "revocations",
    "send_replacements": "sendReplacementRevs",
    "future": "future",
    "is_gateway": "client_sgr2",
}
"""Names of the Boolean fields of `SubChanges`, each with the name of its property."""
_OWN: Final = frozenset(
    {"Profile", "collection", "since", "batch", "filter", "channels", "versioning", *_FLAGS.values()}
)


class Versioning(Enum):
    """The form of the revision ids that a peer uses."""

    REV_TREES = "rev-trees"
    VERSION_VECTORS = "version-vectors"


class SubChanges(msgspec.Struct, frozen=True, kw_only=True):
    """A request for the changes after a sequence. The peer sends them in `changes` messages.

    An empty `changes` message ends the list. If the subscription is continuous, later changes follow. Sync
    Gateway rejects `document_ids` in a continuous subscription.
    """

    profile: ClassVar[str] = "subChanges"

    since: str | None = None
    """Last sequence that the subscriber has received, as JSON; None for the beginning."""
    batch: int | None = None
    """Maximum number of items in one `changes` message; None to let the peer choose."""
    continuous: bool = False
    active_only: bool = False
    """True to omit deleted documents."""
    revocations: bool = False
    """True to also announce documents to which the subscriber has lost access."""
    send_replacements: bool = False
    """True if a newer revision may be sent instead of a requested one that no longer exists."""
    future: bool = False
    """True to announce only changes from now on; `since` is then ignored."""
    is_gateway: bool = False
    """True if the subscriber is an active Sync Gateway.

    It rejects `changes` messages without `Changes.insists`.
    """
    versioning: Versioning = Versioning.REV_TREES
    channels: tuple[str, ...] = ()
    """Channels of the documents; empty for all.

    If channels are given, the filter BY_CHANNEL is sent, and `filter` is not set.
    """
    filter: str | None = None
    """Name of a filter other than BY_CHANNEL."""
    parameters: dict[str, str] = {}
    """Parameters of the filter in `filter`."""
    document_ids: tuple[str, ...] = ()
    """Ids of the documents; empty for all, as in Couchbase Lite and Sync Gateway."""
    collection: int | None = None

    def encode(self) -> EncodedMessage:
        """Encode the request for sending.

        Raises:
            ValueError: a channel is empty or contains a comma, which cannot be encoded.
        """
        properties = fields.request(self.profile, self.collection)
        fields.put(properties, "since", self.since)
        fields.put(properties, "batch", self.batch)
        for field, name in _FLAGS.items():
            fields.put_flag(properties, name, value=getattr(self, field))
        properties["versioning"] = self.versioning.value
        if self.channels:
            for channel in self.channels:
                if not channel or "," in channel:
                    raise ValueError(
                        f"channel {channel!r}: a channel name must not be empty or contain a comma"
                    )
            properties["filter"] = BY_CHANNEL
            properties["channels"] = ",".join(self.channels)
        elif self.filter is not None:
            if not _OWN.isdisjoint(self.parameters):
                raise ValueError(f"filter {self.filter!r}: a parameter has the name of a subChanges property")
            properties["filter"] = self.filter
            properties.update(self.parameters)
        body = msgspec.json.encode({"docIDs": self.document_ids}) if self.document_ids else b""
        return EncodedMessage(properties, body)

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits) -> "SubChanges":
        """Decode a received request. Raises MessageError if it is invalid."""
        properties = event.properties
        name = fields.text(properties, "filter", limits.text_bytes) or None
        by_channel = name == BY_CHANNEL
        return cls(
            since=fields.sequence(properties, "since", limits),
            batch=_batch(properties, limits),
            versioning=_versioning(properties.get("versioning")),
            channels=_channels(properties, limits) if by_channel else (),
            filter=None if by_channel else name,
            parameters={} if by_channel or name is None else _parameters(properties, limits),
            document_ids=_document_ids(event.body, limits),
            collection=fields.collection(properties, limits),
            **{field: fields.boolean(properties, name) for field, name in _FLAGS.items()},
        )


class _Body(msgspec.Struct, frozen=True):
    document_ids: list[str] | None = msgspec.field(default=None, name="docIDs")


_BODY: Final = msgspec.json.Decoder(_Body)


def _batch(properties: dict[str, str], limits: MessageLimits) -> int | None:
    """Return the requested batch size, but not more than the limit; None if the request contains none."""
    batch = fields.integer(properties, "batch", least=1)
    return None if batch is None else min(batch, limits.batch)


def _versioning(name: str | None) -> Versioning:
    if name is None:
        return Versioning.REV_TREES
    try:
        return Versioning(name)
    except ValueError:
        text = f"revision ids of type {name[:80]!r} are not supported"
        raise MessageError(text, code=LiteCoreCode.NOT_IMPLEMENTED, domain=LITECORE_DOMAIN) from None


def _channels(properties: dict[str, str], limits: MessageLimits) -> tuple[str, ...]:
    channels = tuple([name for name in properties.get("channels", "").split(",") if name])
    if not channels:
        raise MessageError(f"the filter {BY_CHANNEL} requires 'channels'")
    fields.no_more(channels, limits.channels, "channels")
    return channels


def _parameters(properties: dict[str, str], limits: MessageLimits) -> dict[str, str]:
    parameters = {name: value for name, value in properties.items() if name not in _OWN}
    if "channels" in properties:
        raise MessageError(f"'channels' is only allowed with the filter {BY_CHANNEL}")
    fields.no_more(list(parameters), limits.channels, "parameters of a filter")
    for name in parameters:
        fields.text(parameters, name, limits.text_bytes)
    return parameters


def _document_ids(body: bytes, limits: MessageLimits) -> tuple[str, ...]:
    if not body:
        return ()
    ids = fields.body(_BODY, body, "subChanges").document_ids or ()
    fields.no_more(ids, limits.document_ids, "document ids")
    return tuple([fields.document_id(document_id, limits) for document_id in ids])
