"""Limits on the messages of a peer.

A message that exceeds a limit is rejected with status 400, or with status 413 if it has too many values.

The limits of BLIP (`sync.blip.limits`) apply to bytes. The limits in this module apply to the decoded
content.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """Limits on the parts of a message. Sizes are in bytes of UTF-8."""

    id_bytes: int = 255
    """Maximum size in bytes of a document id.

    Couchbase Lite accepts ids of up to 255 bytes. Our store rejects ids of more than 250 bytes.
    """
    revision_bytes: int = 150
    """Maximum size in bytes of a revision id.

    It is enough for a generation of ten digits and the longest digest that our store accepts.
    """
    sequence_bytes: int = 1024
    """Maximum size in bytes of a sequence as JSON. Sync Gateway's sequences have up to 62 bytes."""
    history: int = 1000
    """Maximum number of ancestors in a history or in one answer. Couchbase Lite requests at most 50."""
    batch: int = 10_000
    """Maximum number of items in a `changes` or `proposeChanges` message.

    It is also the maximum value of `batch`. Couchbase Lite uses 200.
    """
    client_bytes: int = 255
    """Maximum size in bytes of a checkpoint's id."""
    checkpoint_bytes: int = 256 * 1024
    """Maximum size in bytes of a checkpoint's body: about 10,000 ranges of completed sequences."""
    collections: int = 1000
    """Maximum number of collections on one connection.

    Couchbase Server's limit for a whole cluster is 1,200.
    """
    text_bytes: int = 4096
    """Maximum size in bytes of any other string, such as a filter's name, a filter parameter or a reason."""
    channels: int = 1000
    """Maximum number of channels in one subscription, and of parameters for a filter."""
    document_ids: int = 50_000
    """Maximum number of document ids listed by one subscription."""
    nodes: int = 1_000_000
    """Maximum number of values and keys in one message's JSON, counted by `json_size`.

    A message with more is rejected with status 413.
    """


DEFAULT: Final = MessageLimits()
APPLIANCE: Final = MessageLimits(batch=1000, nodes=60_000)
"""Limits for a machine with 512 MiB of memory.

A 256 KiB document, the largest that peers may send to such a machine, has about 50,000 values if it contains
only four-digit numbers. Documents that Logboat creates have at most 10,000 values.
"""
