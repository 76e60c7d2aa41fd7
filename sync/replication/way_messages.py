"""Logboat's own message, which no other peer is sent: by which ways a vessel gets the others' documents."""

from typing import ClassVar, Final

import msgspec

from sync.blip import RequestReceived
from sync.replication import fields
from sync.replication.fields import Encoded
from sync.replication.limits import Limits

_BODY: Final = msgspec.json.Decoder(dict[str, tuple[str, ...]])


class Ways(msgspec.Struct, frozen=True):
    """Tells, for each vessel whose documents the sender has, the path they took to it. There is no reply."""

    profile: ClassVar[str] = "logboat/ways"

    paths: dict[str, tuple[str, ...]]
    """To each vessel the path from the sender, which is not in it: `{"brigid": ("argo", "brigid")}`."""
    collection: int | None = None

    def encode(self) -> Encoded:
        """As it is sent."""
        properties = fields.request(self.profile, self.collection)
        return Encoded(properties, msgspec.json.encode(self.paths), no_reply=True)

    @classmethod
    def decode(cls, event: RequestReceived, limits: Limits) -> "Ways":
        """As it was received."""
        paths = fields.body(_BODY, event.body, cls.profile)
        fields.no_more(list(paths), limits.vessels, "vessels")
        return cls(paths, fields.collection(event.properties, limits))
