"""Decides when the recorder's writer thread writes, checks and removes copies.

A *round* copies every document that has changed since the last round, and makes the copies durable. Rounds
take place at startup, every ten minutes, at a clean stop, and when the journal's ring buffer is full of
batches whose documents have no copy. A round is divided into steps, which alternate with the documenter's
steps. Problems with the copies do not delay other work: they are reported, and copying is retried.
"""

import logging
import time
from pathlib import Path
from typing import Final

from services.documents.retention import RemovedCounts
from services.journal.journal import Journal
from sync.store import Database

from .mirror import SEGMENT_BYTES, CopyWriter, folder_in, is_own, numbers
from .segment_file import FileAccess

log = logging.getLogger(__name__)

ROUND_MS: Final = 600_000
FILL_MS: Final = 60_000
"""Interval between steps that copy documents written before copying began, in milliseconds."""
SCRUB_MS: Final = 86_400_000
"""Interval between checks of the segments, in milliseconds. Each check reads the next full segment."""
RETRY_MS: Final = 60_000
LEAST_SEGMENT: Final = 64_000
SHARE: Final = 100
"""Divisor of the card's budget: the quotient is the maximum size of a segment.

Segments are small because only whole segments are removed.
"""


class MirrorScheduler:
    """Scheduler that decides when a vessel's documents are copied, for use by one thread."""

    def __init__(
        self, data: Path, *, vessel: str, journal: Journal, budget: int, files: FileAccess | None = None
    ) -> None:
        self.fault: str | None = None
        """Reason why copies cannot be written now; None if they can."""
        self._folder, self._vessel, self._journal, self._files = folder_in(data), vessel, journal, files
        self._segment_bytes = min(max(budget // SHARE, LEAST_SEGMENT), SEGMENT_BYTES)
        self._copies: CopyWriter | None = None
        self._round: int | None = None
        """Number of the batch up to which the current round copies documents; None between rounds."""
        self._round_ms: int | None = None
        self._filled_ms = self._looked_ms = 0
        self._failed_ms: int | None = None
        self._is_filled = False
        journal.release_copies(0)

    def bytes_on_disk(self) -> int:
        """Return the size of the copies in bytes."""
        return sum(file.stat().st_size for file in self._folder.glob("*.seg"))

    def work(self, database: Database, *, documented: int, now_ms: int, finish: bool) -> None:
        """Do one step of the work that is due. If `finish` is True, complete the whole round.

        `documented` is the number of the last batch whose samples are all in documents. Raise StoreError if
        documents cannot be read.
        """
        if self._failed_ms is not None and now_ms - self._failed_ms < RETRY_MS and not finish:
            return
        try:
            copies = self._opened()
            if self._round is None and (finish or self._is_due(now_ms)):
                self._round = documented
            if self._round is not None:
                self._scrub_next(copies, database, now_ms, finish=finish)
            elif not finish:
                self._maintain(copies, database, now_ms)
        except OSError as error:
            self._fail(f"cannot copy documents to {self._folder}: {error.strerror or error}", now_ms)
            return
        if self.fault is not None:
            log.warning("copying documents works again")
        self.fault, self._failed_ms = None, None

    def follow_removal(self, database: Database, removed: RemovedCounts, *, now_ms: int) -> None:
        """Update the copies after documents were removed to free space. Raise StoreError if that fails."""
        try:
            copies = self._opened()
            copies.forget(name for name in removed.alarm_ids if is_own(name, self._vessel))
            freed = copies.make_room(database)
        except OSError as error:
            self._fail(f"cannot free space in {self._folder}: {error.strerror or error}", now_ms)
            return
        if freed > 0:
            log.warning("freed space: removed %d bytes of copies", freed)

    def close(self) -> None:
        """Close the files. The next call of `work` opens them again."""
        if self._copies is not None:
            self._copies.close()
        self._copies = self._round = None

    def _opened(self) -> CopyWriter:
        if self._copies is None:
            self._copies = CopyWriter(self._folder, segment_bytes=self._segment_bytes, files=self._files)
        return self._copies

    def _is_due(self, now_ms: int) -> bool:
        return self._round_ms is None or now_ms - self._round_ms >= ROUND_MS or self._journal.wants_copies

    def _scrub_next(self, copies: CopyWriter, database: Database, now_ms: int, *, finish: bool) -> None:
        assert self._round is not None
        done = copies.follow(database, self._vessel)
        while finish and not done:
            done = copies.follow(database, self._vessel)
        if done:
            self._journal.release_copies(self._round)
            self._round, self._round_ms = None, now_ms

    def _maintain(self, copies: CopyWriter, database: Database, now_ms: int) -> None:
        """Do work that is not urgent: copy older documents, check segments, and repair damaged ones."""
        if not self._is_filled and now_ms - self._filled_ms >= FILL_MS:
            self._filled_ms = now_ms
            self._is_filled = not copies.fill(database, self._vessel)
        elif now_ms - self._looked_ms >= SCRUB_MS:
            if self._looked_ms:
                self._scrub(copies)
            self._looked_ms = now_ms
        elif copies.damaged:
            number = min(copies.damaged)
            retired = copies.retire(number, database)
            if retired is not None:
                log.warning(
                    "%s: segment %d was damaged: %d documents copied again",
                    self._folder,
                    number,
                    retired.healed,
                )

    def _scrub(self, copies: CopyWriter) -> None:
        full = numbers(self._folder)[:-1]
        if full:
            copies.is_sound(full[int(time.time() // 86_400) % len(full)])

    def _fail(self, words: str, now_ms: int) -> None:
        if words != self.fault:
            log.error("%s", words)
        self.fault, self._failed_ms = words, now_ms
        self.close()
