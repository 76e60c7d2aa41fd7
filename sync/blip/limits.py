"""Limits on a peer's use of a connection, and BLIP's constants for flow control, with their sources.

This module sets a limit on all data whose size a peer determines. A connection uses at most about
`arriving_bytes` + `inflated_bytes` + 300 kB of memory. The 300 kB are for the two deflate streams. This does
not include complete requests and queued replies. The caller must stop reading frames when there are too many
of them.
"""

import zlib
from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

BIG_FRAME: Final = 16 * KIB
"""Maximum number of a message's bytes in one frame.

LiteCore and go-blip send frames of this size. The WebSocket library of go-blip rejects frames of more than
twice this size.
"""
SMALL_FRAME: Final = 4 * KIB
"""Maximum number of a message's bytes in one frame while an urgent message waits.

LiteCore and go-blip use the same value.
"""
ACKNOWLEDGE_EVERY: Final = 50_000
"""Number of received bytes of one message between acknowledgements (BLIP protocol, section 3.7)."""
WINDOW: Final = 128_000
"""Maximum number of unacknowledged bytes of one outgoing message (BLIP protocol, section 3.7)."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of one connection.

    If the peer exceeds a limit, the error named there ends the connection.
    """

    frame_bytes: int = 64 * KIB
    """Maximum size in bytes of a received frame (`FrameTooLargeError`). Peers send frames of about 16 KiB."""
    inflated_bytes: int = 17 * MIB
    """Maximum size in bytes of a frame after inflation (`InflatedTooLargeError`).

    Deflate compresses at most 1032 : 1, and LiteCore compresses as much content into a 16 KiB frame
    as fits. A valid frame of a body that consists only of spaces can therefore inflate to 16.1 MiB.
    """
    message_bytes: int = 24 * MIB
    """Maximum size in bytes of a message (`MessageTooLargeError`).

    Sync Gateway accepts documents of up to 20 MiB. A reply that the caller requested in parts is
    not subject to this limit.
    """
    kept_bytes: int = 24 * MIB
    """Maximum size in bytes of a message whose body is kept in memory.

    The body of a longer message is discarded as it arrives. A request is then reported with `too_large`, and
    a reply as error 413. The connection continues.
    """
    properties_bytes: int = 100 * KIB
    """Maximum size in bytes of a message's encoded properties (`PropertiesTooLargeError`), as in LiteCore."""
    properties: int = 256
    """Maximum number of properties of a message (`TooManyPropertiesError`).

    The replication protocol uses about ten.
    """
    unanswered_requests: int = 4096
    """Maximum number of requests to which the reply is not completely sent (`TooManyRequestsError`)."""
    arriving_messages: int = 2048
    """Maximum number of incomplete messages (`TooManyArrivingError`)."""
    arriving_bytes: int = 64 * MIB
    """Maximum memory in bytes for all incomplete messages combined (`ArrivingTooLargeError`)."""
    unacknowledged_bytes: int = 256 * KIB
    """Maximum number of unacknowledged bytes of one received message (`FlowControlIgnoredError`).

    A peer that follows the protocol exceeds `WINDOW` by at most one frame.
    """
    window_bits: int = zlib.MAX_WBITS
    """Base-two logarithm of the size of the outgoing deflate window. The peer does not need this value."""
    memory_level: int = 8
    """Memory level of deflate (zlib).

    A connection uses 256 KiB with `window_bits` 15 and level 8, or 128 KiB with 14 and 7.
    """


APPLIANCE: Final = ConnectionLimits(
    message_bytes=24 * MIB,
    kept_bytes=MIB,
    arriving_messages=512,
    arriving_bytes=6 * MIB,
    unanswered_requests=2048,
    window_bits=14,
    memory_level=7,
)
"""Limits for each peer of a machine that has 512 MiB of memory and up to a hundred peers.

Documents on such a machine have at most 256 KiB, and messages from other vessels about 150 KiB. Another
vessel sends up to 4 MiB of revisions before it waits for replies, and LiteCore sends 2 MiB. The smaller
deflate window makes compressed documents 2 % larger.
"""
