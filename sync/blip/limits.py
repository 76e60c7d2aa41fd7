"""Limits of what a peer may do on a connection, and BLIP's flow control constants, with their sources.

Everything whose size a peer determines has a limit here. A connection holds at most about `arriving_bytes` +
`inflated_bytes` + 300 kB for the two deflate contexts. Complete requests and queued replies are not included:
the caller must stop reading when it has too many.
"""

import zlib
from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

BIG_FRAME: Final = 16 * KIB
"""Bytes of a message in one frame.

LiteCore and go-blip send frames of this size, and go-blip's WebSocket library refuses more than twice as
much.
"""
SMALL_FRAME: Final = 4 * KIB
"""Bytes of a message in one frame while an urgent message waits, as in LiteCore and go-blip."""
ACKNOWLEDGE_EVERY: Final = 50_000
"""Bytes of one message received between acknowledgements (BLIP protocol, section 3.7)."""
WINDOW: Final = 128_000
"""Bytes of one message sent without acknowledgement before it pauses (BLIP protocol, section 3.7)."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of one connection. If the peer exceeds one, the connection ends with the named error."""

    frame_bytes: int = 64 * KIB
    """Maximum bytes of a frame from the transport (`FrameTooLargeError`). Peers send about 16 KiB."""
    inflated_bytes: int = 17 * MIB
    """Maximum bytes of an inflated frame (`InflatedTooLargeError`).

    Deflate compresses 1032 : 1 at most, and LiteCore fills a 16 KiB frame as full as possible, so a blank
    body makes a valid frame of 16.1 MiB.
    """
    message_bytes: int = 24 * MIB
    """Maximum bytes of a message (`MessageTooLargeError`).

    Sync Gateway accepts documents of up to 20 MiB. A reply requested in parts is not subject to this limit.
    """
    kept_bytes: int = 24 * MIB
    """Maximum bytes of a message whose body is held.

    The body of a longer message is discarded as it arrives. A request is then reported with `too_large`, and
    a reply as an error 413. The connection continues.
    """
    properties_bytes: int = 100 * KIB
    """Maximum bytes of a message's encoded properties (`PropertiesTooLargeError`); LiteCore's own limit."""
    properties: int = 256
    """Maximum number of properties (`TooManyPropertiesError`); the replication protocol uses about ten."""
    unanswered_requests: int = 4096
    """Maximum number of requests whose reply is not completely sent (`TooManyRequestsError`)."""
    arriving_messages: int = 2048
    """Maximum number of incomplete messages (`TooManyArrivingError`)."""
    arriving_bytes: int = 64 * MIB
    """Maximum total bytes held for incomplete messages (`ArrivingTooLargeError`)."""
    unacknowledged_bytes: int = 256 * KIB
    """Maximum unacknowledged bytes of one received message (`FlowControlIgnoredError`).

    A peer that follows the protocol stays within `WINDOW` and one frame.
    """
    window_bits: int = zlib.MAX_WBITS
    """Base-two logarithm of the size of our deflate window, which the peer need not know."""
    memory_level: int = 8
    """Memory level of deflate (zlib): with 15 and 8, 256 KiB a connection, with 14 and 7, 128 KiB."""


APPLIANCE: Final = ConnectionLimits(
    message_bytes=24 * MIB,
    kept_bytes=MIB,
    arriving_messages=512,
    arriving_bytes=6 * MIB,
    unanswered_requests=2048,
    window_bits=14,
    memory_level=7,
)
"""Limits of a machine with 512 MiB for each of a hundred peers.

Documents there have 256 KiB at most, and messages of peers that know us about 150 KiB. One of our own peers
has up to 4 MiB of revisions in flight, and LiteCore 2 MiB. The smaller window makes documents 2 % longer
on the wire.
"""
