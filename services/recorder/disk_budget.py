"""Free space on the card that is reserved for the recorder. Pure.

What the recorder must be able to write at any time is limited: the journal (its ring and its write-ahead log)
and the document store's write-ahead log. The *reserve* is a file that occupies as much space, and is given up
when there is no other space. As much again is kept free. On a partition smaller than 1 GB all sizes are
reduced in proportion.
"""

from dataclasses import dataclass
from typing import Final

from services.journal.journal import LOG_PAGES, RING_BYTES

UNDIMINISHED_FROM: Final = 1_000_000_000
FEWEST_PAGES: Final = 50
STORE_LOG_PAGES: Final = 4_000
"""Pages of the document store's write-ahead log, 16 MB.

Sync moves that log into its file at a quarter of this, so the recorder leaves it to sync while sync runs.
"""
RESERVE_BYTES: Final = 20_000_000
"""Bytes for the journal's ring and log (4 MB), or the store's log: moving it may take as much again."""


@dataclass(frozen=True, slots=True)
class DiskBudget:
    """The recorder's division of a partition."""

    reserve: int
    """Size in bytes of the file that is given up first."""
    ring: int
    """Bytes of documented batches that the journal keeps."""
    journal_pages: int
    """Number of pages at which the journal's write-ahead log is moved into its file."""
    store_pages: int
    """Number of pages at which the recorder moves the document store's log."""

    @property
    def store_laid_out(self) -> int:
        """Number of pages that the document store's log has from the start, reached while sync runs."""
        return self.store_pages // 4

    @property
    def spare(self) -> int:
        """Number of bytes that are kept free; with less, history is removed."""
        return 2 * self.reserve


def disk_budget_of(total: int) -> DiskBudget:
    """Return the division of a partition of `total` bytes."""
    share = min(total / UNDIMINISHED_FROM, 1.0)
    return DiskBudget(
        reserve=int(RESERVE_BYTES * share),
        ring=int(RING_BYTES * share),
        journal_pages=max(int(LOG_PAGES * share), FEWEST_PAGES),
        store_pages=max(int(STORE_LOG_PAGES * share), FEWEST_PAGES),
    )
