"""Close codes of the WebSocket connections that BLIP uses.

`websockets.frames.CloseCode` has the same codes. It is not used for two reasons. Importing it loads 20
modules, which takes longer than importing all of `sync.blip`. It also lacks Couchbase Lite's own code.
"""

from enum import IntEnum


class CloseCode(IntEnum):
    """The reason why a connection was closed (RFC 6455, section 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    """The peer is shutting down, and may restart."""
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS = 1005
    """The close frame contained no code. This code is never sent."""
    ABNORMAL = 1006
    """The connection ended without a close frame. This code is never sent."""
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    RECONNECT = 4001
    """Couchbase Lite's own code, which requests that the peer connect again.

    After `GOING_AWAY`, Couchbase Lite does not connect again.
    """
