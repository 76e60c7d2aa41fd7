"""Room on the card: what is kept free for the recorder, however full the card is. Pure.

What the recorder must be able to write at any time is bounded: the journal (its ring and its write-ahead log)
and the document store's write-ahead log. The *reserve*, a file, holds room for that, and is given up when
there is no other; as much again is kept free. On a partition smaller than 1 GB all of it is smaller in
proportion.
"""

from dataclasses import dataclass
from typing import Final

from .journal import LOG_PAGES, RING_BYTES

UNDIMINISHED_FROM: Final = 1_000_000_000
FEWEST_PAGES: Final = 50
STORE_LOG_PAGES: Final = 4_000
"""16 MB. Sync moves the document store's log into its file at a quarter of this: it is left to it while it
runs."""
RESERVE_BYTES: Final = 20_000_000
"""The journal's ring and log (4 MB), or the store's log: moving it into the file may take that much more."""


@dataclass(frozen=True, slots=True)
class Room:
    """How the recorder shares out a partition."""

    reserve: int
    """Bytes of the file that is given up first."""
    ring: int
    """Bytes of documented batches that the journal keeps."""
    journal_pages: int
    """Length at which the journal's write-ahead log is moved into its file."""
    store_pages: int
    """Length at which the recorder does so with the document store's."""

    @property
    def store_laid_out(self) -> int:
        """Length that the document store's has from the start: as long as it gets while sync runs."""
        return self.store_pages // 4

    @property
    def spare(self) -> int:
        """Bytes that are kept free; with fewer, history goes."""
        return 2 * self.reserve


def room_on(total: int) -> Room:
    """What a partition of this size has room for."""
    share = min(total / UNDIMINISHED_FROM, 1.0)
    return Room(
        reserve=int(RESERVE_BYTES * share),
        ring=int(RING_BYTES * share),
        journal_pages=max(int(LOG_PAGES * share), FEWEST_PAGES),
        store_pages=max(int(STORE_LOG_PAGES * share), FEWEST_PAGES),
    )
