"""BLIP, version 3: a protocol that carries messages in frames, used by Couchbase Lite and Sync Gateway.

A caller needs only `BlipConnection`, `ConnectionLimits`, the events and the errors. The modules, in the order
in which a message passes through them, first on the sending and then on the receiving side:

- `properties`, `varint`, `replies`: the format of messages
- `outgoing`: queued messages, and the order of their frames
- `codec`, `frames`: encoding and decoding of frames: header, compression, checksum
- `states`: the frames that are allowed in each state
- `incoming`: received multi-frame messages that are still incomplete
- `events`: the events reported to the caller
- `connection`: the connection, which uses all modules above
- `limits`, `errors`: limits on a peer, and the errors raised when the peer exceeds them
"""

from sync.blip.connection import BlipConnection
from sync.blip.errors import BlipError, BodyUnavailableError, ConnectionOverError, LocalError, ViolationError
from sync.blip.events import (
    Acknowledged,
    ErrorReceived,
    Event,
    RequestReceived,
    ResponsePart,
    ResponseReceived,
)
from sync.blip.limits import APPLIANCE, ConnectionLimits
from sync.blip.outgoing import BodySource
from sync.blip.replies import BLIP_DOMAIN, HTTP_DOMAIN, Code
from sync.blip.states import ConnectionState

__all__ = [
    "APPLIANCE",
    "BLIP_DOMAIN",
    "HTTP_DOMAIN",
    "Acknowledged",
    "BlipConnection",
    "BlipError",
    "BodySource",
    "BodyUnavailableError",
    "Code",
    "ConnectionLimits",
    "ConnectionOverError",
    "ConnectionState",
    "ErrorReceived",
    "Event",
    "LocalError",
    "RequestReceived",
    "ResponsePart",
    "ResponseReceived",
    "ViolationError",
]
