"""What a connection tells its owner: one small immutable record for each thing that happened.

They are msgspec structs rather than dataclasses because one is made for every message: 0.1 µs each, against
0.7 µs for a frozen dataclass.
"""

import msgspec


class RequestReceived(msgspec.Struct, frozen=True, gc=False):
    """A whole request. Unless `no_reply`, it waits for `send_response` or `send_error` with its number."""

    number: int
    properties: dict[str, str]
    body: bytes
    urgent: bool = False
    compressed: bool = False
    no_reply: bool = False
    too_large: bool = False
    """Whether its body was longer than is kept here, and is not given."""

    @property
    def profile(self) -> str:
        """What is asked for; empty if the request does not say."""
        return self.properties.get("Profile", "")


class ResponsePart(msgspec.Struct, frozen=True, gc=False):
    """The next bytes of the body of a response that was asked for in parts; `ResponseReceived` ends it."""

    number: int
    data: bytes


class ResponseReceived(msgspec.Struct, frozen=True, gc=False):
    """A whole response to request `number`; its body is empty if it was delivered in parts."""

    number: int
    properties: dict[str, str]
    body: bytes


class ErrorReceived(msgspec.Struct, frozen=True, gc=False):
    """Request `number` failed, says the peer."""

    number: int
    domain: str
    """`BLIP` unless the peer says otherwise; Sync Gateway says `HTTP`."""
    code: int
    """0 if the peer gave none, or one that is not a 32-bit integer."""
    message: str
    properties: dict[str, str]


class Acknowledged(msgspec.Struct, frozen=True, gc=False):
    """The peer has this much of a long message of ours; for showing progress."""

    number: int
    is_reply: bool
    """Whether the message is our reply to the peer's request `number`, or our own request `number`."""
    frame_bytes: int
    """Bytes of its frames, as sent, that have arrived."""


Event = RequestReceived | ResponsePart | ResponseReceived | ErrorReceived | Acknowledged
