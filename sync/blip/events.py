"""Events that a connection reports to its owner: small immutable records.

They are msgspec structs rather than dataclasses, because each message creates one. A struct takes 0.1 µs, and
a frozen dataclass takes 0.7 µs.
"""

import msgspec


class RequestReceived(msgspec.Struct, frozen=True, gc=False):
    """A complete request. Unless `no_reply` is True, answer it with `send_response` or `send_error`."""

    number: int
    properties: dict[str, str]
    body: bytes
    urgent: bool = False
    compressed: bool = False
    no_reply: bool = False
    too_large: bool = False
    """True if the body exceeded `ConnectionLimits.kept_bytes`, so that `body` is empty."""

    @property
    def profile(self) -> str:
        """The requested operation; empty if the request does not state it."""
        return self.properties.get("Profile", "")

    def bare(self) -> "RequestReceived":
        """Return a copy without properties and body, for a request that only needs a reply."""
        return RequestReceived(
            self.number, {}, b"", self.urgent, self.compressed, self.no_reply, self.too_large
        )


class ResponsePart(msgspec.Struct, frozen=True, gc=False):
    """The next bytes of a response's body, if the response was requested in parts.

    `ResponseReceived` follows the last part.
    """

    number: int
    data: bytes


class ResponseReceived(msgspec.Struct, frozen=True, gc=False):
    """A complete response to request `number`.

    If the body was reported in parts, `body` is empty.
    """

    number: int
    properties: dict[str, str]
    body: bytes


class ErrorReceived(msgspec.Struct, frozen=True, gc=False):
    """An error with which the peer replied to request `number`."""

    number: int
    domain: str
    """Domain of the error code: `BLIP` by default. Sync Gateway uses `HTTP`."""
    code: int
    """Error code; 0 if it is missing or not a 32-bit integer."""
    message: str
    properties: dict[str, str]


class Acknowledged(msgspec.Struct, frozen=True, gc=False):
    """The peer's acknowledgement of part of a long message. Callers can use it to show progress."""

    number: int
    is_reply: bool
    """True if the message is our reply to the peer's request `number`; False if it is our request."""
    frame_bytes: int
    """Number of bytes of the message's frames that the peer has received."""


Event = RequestReceived | ResponsePart | ResponseReceived | ErrorReceived | Acknowledged
