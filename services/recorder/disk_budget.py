"""Space on the card that is reserved for the recorder.

At any time, the recorder must be able to write the journal (with its *ring buffer* of batches that are kept
after their samples were written to documents), the journal's write-ahead log, and the document store's
write-ahead log. The sizes of all three are limited. The *reserve* is a file of about their combined size,
which is deleted when no other space is left. The same amount of space is also kept free. On a partition
smaller than 1 GB, all sizes are reduced in proportion.
"""

from dataclasses import dataclass
from typing import Final

from services.journal.journal import LOG_PAGES, RING_BYTES

UNDIMINISHED_FROM: Final = 1_000_000_000
FEWEST_PAGES: Final = 50
STORE_LOG_PAGES: Final = 4_000
"""Maximum length of the document store's write-ahead log, in pages (16 MB).

The sync daemon checkpoints that log at a quarter of this length, so the recorder does not checkpoint the log
while the sync daemon runs.
"""
RESERVE_BYTES: Final = 20_000_000
"""Size of the reserve in bytes.

The reserve is large enough for the journal's ring buffer and write-ahead log (4 MB). It is also large enough
for a checkpoint of the store's write-ahead log, which may add as much data as the log contains.
"""


@dataclass(frozen=True, slots=True)
class DiskBudget:
    """The recorder's allocation of space on a partition."""

    reserve: int
    """Size in bytes of the reserve, the file that is deleted to make space."""
    ring: int
    """Maximum size of the journal's ring buffer, in bytes.

    The ring buffer contains batches that are kept after their samples were written to documents.
    """
    journal_pages: int
    """Number of pages at which the journal's write-ahead log is checkpointed."""
    store_pages: int
    """Number of pages at which the recorder checkpoints the document store's write-ahead log."""

    @property
    def store_laid_out(self) -> int:
        """Number of pages to allocate for the document store's write-ahead log at startup.

        The log reaches this size while the sync daemon runs.
        """
        return self.store_pages // 4

    @property
    def spare(self) -> int:
        """Minimum free space in bytes. If less space is free, history is removed."""
        return 2 * self.reserve


def disk_budget_of(total: int) -> DiskBudget:
    """Return the allocation for a partition of `total` bytes."""
    share = min(total / UNDIMINISHED_FROM, 1.0)
    return DiskBudget(
        reserve=int(RESERVE_BYTES * share),
        ring=int(RING_BYTES * share),
        journal_pages=max(int(LOG_PAGES * share), FEWEST_PAGES),
        store_pages=max(int(STORE_LOG_PAGES * share), FEWEST_PAGES),
    )
