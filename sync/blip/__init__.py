"""BLIP, version 3: messages over a transport of frames, as Couchbase Lite and Sync Gateway speak it.

`Connection` is all that a caller needs, with `Limits`, the events and the errors. The modules, in the order
in which a message passes them on its way out and in again:

- `properties`, `varint`, `replies`: a message's form
- `outgoing`: queued messages, and whose turn it is
- `codec`, `frames`: frames sealed and opened: header, compression, checksum
- `states`: which frames may come when
- `incoming`: messages of several frames, until they are whole
- `events`: what the caller is told
- `connection`: all of these together
- `limits`, `errors`: what a peer may do, and what happens when it does more
"""

from sync.blip.connection import Connection
from sync.blip.errors import BlipError, BodyUnavailableError, ConnectionOverError, LocalError, ViolationError
from sync.blip.events import (
    Acknowledged,
    ErrorReceived,
    Event,
    RequestReceived,
    ResponsePart,
    ResponseReceived,
)
from sync.blip.limits import APPLIANCE, Limits
from sync.blip.outgoing import Source
from sync.blip.replies import BLIP_DOMAIN, HTTP_DOMAIN, Code
from sync.blip.states import State

__all__ = [
    "APPLIANCE",
    "BLIP_DOMAIN",
    "HTTP_DOMAIN",
    "Acknowledged",
    "BlipError",
    "BodyUnavailableError",
    "Code",
    "Connection",
    "ConnectionOverError",
    "ErrorReceived",
    "Event",
    "Limits",
    "LocalError",
    "RequestReceived",
    "ResponsePart",
    "ResponseReceived",
    "Source",
    "State",
    "ViolationError",
]
