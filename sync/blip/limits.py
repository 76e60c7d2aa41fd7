"""How much a peer may ask of one connection, and BLIP's constants of flow control, each with its source.

Everything that a peer can make grow has a limit here. What a connection can hold at most for its peer is
about `arriving_bytes` + `inflated_bytes` + 300 kB for the two deflate contexts; the requests handed up and
the replies queued are the caller's, who stops reading while it has enough.
"""

import zlib
from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

BIG_FRAME: Final = 16 * KIB
"""Bytes of a message in one frame. LiteCore and go-blip send frames of this size, and go-blip's WebSocket
library refuses more than twice as much."""
SMALL_FRAME: Final = 4 * KIB
"""The same while something urgent waits behind it, so that it waits less (LiteCore and go-blip do so)."""
ACKNOWLEDGE_EVERY: Final = 50_000
"""Bytes of one message received between acknowledgements (BLIP protocol, section 3.7)."""
WINDOW: Final = 128_000
"""Bytes of one message sent without acknowledgement before it pauses (BLIP protocol, section 3.7)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may do on one connection; beyond any of these it is over, with the error named."""

    frame_bytes: int = 64 * KIB
    """One frame as it comes from the transport (`FrameTooLargeError`). Peers send about 16 KiB."""
    inflated_bytes: int = 17 * MIB
    """One compressed frame unpacked (`InflatedTooLargeError`). Deflate packs 1032 : 1 at most, and LiteCore
    fills a 16 KiB frame as full as it will go, so a blank body makes an honest frame of 16.1 MiB."""
    message_bytes: int = 24 * MIB
    """One whole message (`MessageTooLargeError`). Sync Gateway takes documents of up to 20 MiB; a reply that
    was asked for in parts is not limited by this."""
    kept_bytes: int = 24 * MIB
    """One whole message of which the body is kept. That of a longer one is dropped as it comes: a request is
    handed up as `too_large`, a reply as an error 413, and the connection goes on."""
    properties_bytes: int = 100 * KIB
    """All properties of a message, encoded (`PropertiesTooLargeError`); LiteCore's own limit."""
    properties: int = 256
    """Properties of a message (`TooManyPropertiesError`); the replication protocol uses ten or so."""
    unanswered_requests: int = 4096
    """Requests received whose reply is not yet wholly sent (`TooManyRequestsError`)."""
    arriving_messages: int = 2048
    """Messages begun and not ended (`TooManyArrivingError`)."""
    arriving_bytes: int = 64 * MIB
    """Bytes held of messages begun and not ended, all together (`ArrivingTooLargeError`)."""
    unacknowledged_bytes: int = 256 * KIB
    """Bytes of one message received beyond what was acknowledged (`FlowControlIgnoredError`). A peer that
    keeps to the protocol stays within `WINDOW` and one frame."""
    window_bits: int = zlib.MAX_WBITS
    """Base-two logarithm of the window that our deflate looks back in; the peer's need not be told."""
    memory_level: int = 8
    """How much memory deflate takes (zlib): with 15 and 8, 256 KiB a connection, with 14 and 7, 128 KiB."""


APPLIANCE: Final = Limits(
    message_bytes=24 * MIB,
    kept_bytes=MIB,
    arriving_messages=512,
    arriving_bytes=6 * MIB,
    unanswered_requests=2048,
    window_bits=14,
    memory_level=7,
)
"""What a machine of 512 MiB takes from each of a hundred peers. Documents there have 256 KiB at most, and the
messages of peers that know us some 150 KiB. A peer of ours has up to 4 MiB of revisions on their way at once,
and LiteCore 2 MiB. The smaller window makes recorded readings 2 % longer on the wire."""
