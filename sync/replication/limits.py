"""How much one message of a peer may hold; beyond any of these it is refused with 400.

BLIP's own limits (`sync.blip.limits`) bound the bytes; these bound what is made of them.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a message's parts. Sizes are bytes of UTF-8, counts are items."""

    id_bytes: int = 255
    """A document id. Couchbase Lite takes up to 255; our store refuses single documents above 250."""
    revision_bytes: int = 150
    """A revision id: ten digits of generation, and our store's longest digest."""
    sequence_bytes: int = 1024
    """A sequence, as JSON. Sync Gateway's have up to 62 bytes."""
    history: int = 1000
    """Ancestors in a history, or known ancestors in one answer. Couchbase Lite asks for 50 at most."""
    batch: int = 10_000
    """Items of `changes` or `proposeChanges`, or asked for by `batch`. Couchbase Lite uses 200."""
    client_bytes: int = 255
    """The id of a checkpoint."""
    checkpoint_bytes: int = 256 * 1024
    """The body of a checkpoint: about 10,000 ranges of completed sequences."""
    collections: int = 1000
    """Collections of one connection; Couchbase Server's limit for a whole cluster is 1,200."""
    text_bytes: int = 4096
    """Any other text: a filter's name, one of its parameters, a reason."""
    channels: int = 1000
    """Channels named by one subscription, and parameters of a filter."""
    vessels: int = 500
    """Vessels to which ways are told."""
    document_ids: int = 50_000
    """Documents named by one subscription."""
    nodes: int = 1_000_000
    """Values and keys in the JSON of one message, as `json_size` counts them: 413 for more."""


DEFAULT: Final = Limits()
APPLIANCE: Final = Limits(batch=1000, nodes=60_000)
"""What a machine of 512 MiB takes. A document of 256 KiB, the most that peers may bring there, that is all
numbers with four digits has some 50,000. Our own have 10,000 at most."""
