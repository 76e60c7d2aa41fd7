"""A message that announces the routes by which other vessels' documents arrive.

Only Logboat uses this message. It is not part of the Couchbase protocol.
"""

from typing import ClassVar, Final

import msgspec

from sync.blip import RequestReceived
from sync.replication import fields
from sync.replication.fields import EncodedMessage
from sync.replication.limits import MessageLimits

MOST_VESSELS: Final = 500
"""Maximum number of vessels whose routes are announced in one message."""
_BODY: Final = msgspec.json.Decoder(dict[str, tuple[str, ...]])


class RoutesMessage(msgspec.Struct, frozen=True):
    """Announcement of the routes by which other vessels' documents reach the sender. No reply is sent."""

    profile: ClassVar[str] = "logboat/ways"

    paths: dict[str, tuple[str, ...]]
    """Path from the sender to each vessel, excluding the sender, such as `{"brigid": ("argo", "brigid")}`."""

    def encode(self) -> EncodedMessage:
        """Encode the announcement for sending."""
        properties = fields.request(self.profile, None)
        return EncodedMessage(properties, msgspec.json.encode(self.paths), no_reply=True)

    @classmethod
    def decode(cls, event: RequestReceived, _limits: MessageLimits) -> "RoutesMessage":
        """Decode a received announcement. Raises MessageError if it is invalid."""
        paths = fields.body(_BODY, event.body, cls.profile)
        fields.no_more(list(paths), MOST_VESSELS, "vessels")
        return cls(paths)
