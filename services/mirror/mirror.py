"""Second copies of a vessel's own finished documents: readings, gaps, alarms and boots.

The copies are stored beside `log.db`, in append-only files of about 8 MB: `DATA/copies/<number>.seg`
(`segment_file`). Copying follows the document store's sequence numbers with a delay of a few minutes. Until a
document's copy is durable, the journal's ring buffer keeps the batches from which the document was made
(`Journal.release_copies`). So each sample is always in two files.

The files are flushed to the card only at the end of a copying round. Then a *mark* is written, which states
the sequence number up to which copies are durable. After a restart, copying continues from the newest mark,
so some documents are copied twice. This is harmless, because only the newest copy of a document is used.

Written data is never changed. A whole segment is removed when it is damaged, or when most of its documents
were deliberately removed from the store. Before the segment is removed, its remaining documents are appended
to the newest segment.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from sync.documents import DocumentType
from sync.folders import make_folder
from sync.store import Database
from sync.store.revisions import generation

from . import segment_file
from .segment_file import AppendOnlyFile, Copy, FileAccess, Mark, SegmentContent, parse, read

log = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 8_000_000
LOOKED_AT: Final = 2_000
"""Maximum number of changes to read at a time, including changes to other vessels' documents."""
BLOCK_BYTES: Final = 256_000
"""Approximate maximum size of the document bodies in a block, in bytes."""
AT_ONCE: Final = 10_000
"""Number of recent changes to copy first if the store already contains documents when copying begins.

This is more than the number of changes whose batches fit into the journal's ring buffer. Older changes are
copied gradually by `fill`.
"""
FILL_BYTES: Final = 1_000_000
"""Approximate maximum size of the document bodies that one call of `fill` copies, in bytes."""
MARK_AFTER: Final = 50_000
"""Number of changes after which a progress mark is written even if no document had to be copied."""
KINDS: Final = (DocumentType.READING, DocumentType.GAP, DocumentType.ALARM, DocumentType.BOOT)


@dataclass(frozen=True, slots=True)
class RetiredSegment:
    """Counts of the documents in a segment that was removed."""

    kept: int
    """Number of documents that were appended again because their copies are still needed."""
    healed: int
    """Number of damaged documents that were appended again from the store."""


def folder_in(data: Path) -> Path:
    """Return the folder of the copies in a data folder."""
    return data / "copies"


def numbers(folder: Path) -> list[int]:
    """Return the numbers of the existing segments, oldest first."""
    return sorted(int(file.stem) for file in folder.glob("*.seg") if file.stem.isdecimal())


def segment(folder: Path, number: int) -> Path:
    """Return the path of a segment, a file with copies of documents."""
    return folder / f"{number:06}.seg"


def contents(folder: Path, *, newest: bool = False) -> Iterator[tuple[int, SegmentContent]]:
    """Yield the number and readable content of each segment, oldest first.

    If `newest` is True, read only the newest segment.

    Raise OSError if a segment cannot be read.
    """
    for number in numbers(folder)[-1:] if newest else numbers(folder):
        yield number, parse(read(segment(folder, number)), number)


@dataclass(slots=True)
class Survey:
    """Findings from reading all copies of documents once."""

    segments: int = 0
    """Number of segments."""
    size: int = 0
    """Size of all segments, in bytes."""
    damaged: list[tuple[int, int]] = field(default_factory=list)
    """Damaged segments, each with the number of damaged byte ranges in it."""
    mark: Mark | None = None
    """Newest progress mark in the copies (see `Mark`); None if there is none."""
    there: set[tuple[str, str]] = field(default_factory=set)
    """Document id and revision of each copy."""


def survey(folder: Path, *, progress: Callable[[], None] = lambda: None) -> Survey:
    """Read all copies once, and return the findings. Raise OSError if the copies cannot be read.

    `progress` is called after each document.
    """
    result = Survey()
    for number, content in contents(folder):
        progress()
        result.segments += 1
        result.size += segment(folder, number).stat().st_size
        if content.damaged:
            result.damaged.append((number, len(content.damaged)))
        if content.last_mark is not None:
            result.mark = content.last_mark.mark()
        for copy in content.copies():
            progress()
            result.there.add((copy.id, copy.rev))
    return result


def uncopied(
    copies: Survey, database: Database, vessel: str, *, progress: Callable[[], None] = lambda: None
) -> list[str]:
    """Return the ids of documents that are in the store and had a durable copy, but whose copy has been lost.

    The result does not include documents that have not been copied yet. Raise StoreError if the store cannot
    be read.
    """
    state = copies.mark
    if state is None or state.store != database.uuid:
        return []  # copying will start again from the beginning
    missing, since = [], 0
    while changes := database.changes(since, limit=LOOKED_AT):
        progress()
        since = changes[-1].sequence
        missing += [
            change.id
            for change in changes
            if (change.sequence <= state.filled or state.until < change.sequence <= state.through)
            and is_own(change.id, vessel)
            and not change.deleted
            and (change.id, change.rev) not in copies.there
        ]
    return missing


class CopyWriter:
    """Writer of copies, for use by one thread. After a method has raised OSError, open a new writer."""

    def __init__(
        self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, files: FileAccess | None = None
    ) -> None:
        self.folder = folder
        self.damaged: set[int] = set()
        """Numbers of the segments known to be damaged, which should be retired."""
        self._files = files or FileAccess()
        self._segment_bytes = segment_bytes
        self._mark: Mark | None = None
        self._reach: int | None = None
        """Sequence number up to which changes have been copied.

        The most recent copies may not be durable yet.
        """
        self._again: set[str] = set()
        """Ids of documents that were lost from the newest segment and must be copied again."""
        self._fresh = False
        """True if there is appended data that is not yet durable."""
        self._new_name = False
        make_folder(folder)
        there = numbers(folder)
        self._number = there[-1] if there else 0
        self._file: AppendOnlyFile | None = None
        self._size = 0
        for number in reversed(there):
            if self._resume(number):
                break

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def bytes_on_disk(self) -> int:
        """Return the size of all segments, in bytes."""
        return sum(file.stat().st_size for file in self.folder.glob("*.seg"))

    def follow(self, database: Database, vessel: str) -> bool:
        """Copy recent changes, up to a limit.

        Return True if all changes have been copied. In that case, all copies are durable. Raise StoreError if
        documents cannot be read.
        """
        state = self._begin(database)
        reach = state.through if self._reach is None else self._reach
        changes = database.changes(reach, limit=LOOKED_AT)
        wanted = [change for change in changes if is_own(change.id, vessel) and not change.deleted]
        self._append_documents(database, ((change.id, change.rev) for change in wanted))
        self._reach = changes[-1].sequence if changes else reach
        if len(changes) == LOOKED_AT:
            return False
        if self._fresh or self._reach - state.through > MARK_AFTER:
            self._settle(msgspec.structs.replace(state, through=self._reach))
        return True

    def fill(self, database: Database, vessel: str) -> bool:
        """Copy some documents that were stored before copying began; return True if more remain to be copied.

        Call this method only right after `follow` has returned True. Raise StoreError if documents cannot be
        read.
        """
        state = self._begin(database)
        if state.filled >= state.until:
            return False
        changes = database.changes(state.filled, limit=LOOKED_AT)
        upto, size, wanted = state.filled, 0, []
        for change in changes:
            if change.sequence > state.until or size >= FILL_BYTES:
                break
            upto = change.sequence
            if is_own(change.id, vessel) and not change.deleted:
                size += change.size
                wanted.append((change.id, change.rev))
        if size < FILL_BYTES and (len(changes) < LOOKED_AT or changes[-1].sequence > state.until):
            upto = state.until
        self._append_documents(database, wanted)
        through = state.through if self._reach is None else self._reach
        self._settle(msgspec.structs.replace(state, through=through, filled=upto))
        return upto < state.until

    def forget(self, ids: Iterable[str]) -> None:
        """Record that documents were deliberately removed, so that they are not restored.

        This is needed only for documents whose removal no floor records.
        """
        gone = list(ids)
        if gone:
            self._append(segment_file.removed(gone, self._writable()))

    def rebase(self, database: Database, *, before: int) -> None:
        """Adjust the progress mark after the store was repaired and documents were restored from copies.

        The repair gave the store a new uuid. `before` is the store's last sequence number before documents
        were restored.
        """
        last, state = database.last_sequence, self._mark
        if state is None:
            return  # copying continues at the end of the store
        self._reach = None
        self._settle(
            Mark(
                database.uuid,
                # Restored documents have copies. Older documents also have copies, unless they changed after
                # the last copy.
                through=last if before <= state.through else state.through,
                filled=min(state.filled, before),
                until=min(state.until, before),
            )
        )

    def retire(self, number: int, database: Database, *, most: float = 1.0) -> RetiredSegment | None:
        """Remove a segment, after appending its documents that are still needed to the newest segment.

        Documents that are damaged in the segment are appended from the store.

        If more than the fraction `most` of the segment would still be needed, do not remove it, and return
        None. Raise StoreError if documents cannot be read.
        """
        if number == self._number:
            self._next()
        state = self._begin(database)
        file = segment(self.folder, number)
        content = parse(read(file), number)
        all_bytes, kept_bytes = 0, 0
        kept: dict[str, str] = {}
        for copy in content.copies():
            all_bytes += len(copy.body)
            if _counts(copy, database):
                kept_bytes += len(copy.body)
                kept[copy.id] = copy.rev
        if kept_bytes > most * all_bytes:
            return None
        self._append_copies(copy for copy in content.copies() if kept.get(copy.id) == copy.rev)
        if number != numbers(self.folder)[0]:  # older segments may still contain copies of these documents
            self.forget(content.removed())
        healed = self._append_current(database, content.lost())
        self._settle(state)
        file.unlink()
        self.damaged.discard(number)
        return RetiredSegment(kept=len(kept), healed=healed)

    def copy_again(self, database: Database, ids: Iterable[str]) -> int:
        """Copy the current revisions of documents whose copies were lost, and return the number of copies.

        Raise StoreError if documents cannot be read.
        """
        state = self._begin(database)
        healed = self._append_current(database, ids)
        self._settle(state)
        return healed

    def make_room(self, database: Database) -> int:
        """Remove segments, oldest first.

        Stop at the first one in which more than half of the content is needed.

        Return the number of bytes freed. Raise StoreError if documents cannot be read.
        """
        before = self.bytes_on_disk()
        for number in numbers(self.folder)[:-1]:
            if self.retire(number, database, most=0.5) is None:
                break
        return before - self.bytes_on_disk()

    def is_sound(self, number: int) -> bool:
        """Return True if a segment is undamaged; if not, add its number to `damaged`."""
        if parse(read(segment(self.folder, number)), number).damaged:
            self.damaged.add(number)
        return number not in self.damaged

    def _resume(self, number: int) -> bool:
        """Read a segment's progress mark, and prepare the newest segment for appending.

        Return True if the segment contains a mark.
        """
        content = parse(read(segment(self.folder, number)), number)
        mark = content.last_mark
        if mark is not None:
            self._mark = mark.mark()
        if number == self._number:
            self._size = content.records[-1].end if content.records else 0
            if any(start < self._size for start, _ in content.damaged):
                self.damaged.add(number)  # makes the next record begin a new segment
            else:
                self._file = self._files.append_to(segment(self.folder, number))
                self._again = content.lost()
                if content.damaged:  # a power cut left the segment incomplete, or its last page is bad
                    self._file.cut(self._size)
        return mark is not None

    def _begin(self, database: Database) -> Mark:
        """Return the progress mark from which copying of this store continues."""
        state, last = self._mark, database.last_sequence
        if state is None or state.store != database.uuid:
            until = max(last - AT_ONCE, 0)
            state = Mark(database.uuid, through=until, filled=0, until=until)
            self._reach = None
        elif state.through > last:
            # The store lost its latest changes with the end of its write-ahead log. New changes will reuse
            # their sequence numbers.
            state = msgspec.structs.replace(state, through=last)
            self._reach = None
        if state is not self._mark:
            self._mark, self._fresh = state, True
        if self._again:
            again, self._again = self._again, set()
            self._append_current(database, again)
        return state

    def _append_current(self, database: Database, ids: Iterable[str]) -> int:
        """Copy the current revisions of existing documents in `ids`, and return the number of copies."""
        current = [(name, rev) for name, (rev, deleted) in database.current(ids).items() if not deleted]
        self._append_documents(database, current)
        return len(current)

    def _append_documents(self, database: Database, wanted: Iterable[tuple[str, str]]) -> None:
        self._append_copies(_from_store(database, wanted))

    def _append_copies(self, copies: Iterable[Copy]) -> None:
        some: list[Copy] = []
        size = 0
        for copy in copies:
            some.append(copy)
            size += len(copy.body)
            if size >= BLOCK_BYTES:
                self._append(segment_file.block(some, self._writable()))
                some.clear()
                size = 0
        if some:
            self._append(segment_file.block(some, self._writable()))

    def _writable(self) -> int:
        """Return the number of the segment to append the next record to. Begin a new segment if necessary."""
        if self._file is None or self._size >= self._segment_bytes:
            self._next()
        return self._number

    def _next(self) -> None:
        if self._file is not None:
            self._file.sync()
        self.close()
        self._number += 1
        self._file = self._files.append_to(segment(self.folder, self._number))
        self._size, self._new_name = 0, True
        if self._mark is not None:
            self._append(segment_file.mark(self._mark, self._number))

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        self._file.append(data)
        self._size += len(data)
        self._fresh = True

    def _sync(self) -> None:
        if self._file is not None:
            self._file.sync()
        if self._new_name:
            self._files.sync_folder(self.folder)
            self._new_name = False
        self._fresh = False

    def _settle(self, state: Mark) -> None:
        """Make appended data durable, then write a progress mark that records this."""
        self._sync()
        self._mark = state
        self._append(segment_file.mark(state, self._writable()))
        # the mark need not be durable: without it, some documents are copied twice
        self._fresh = False


def is_own(document_id: str, vessel: str) -> bool:
    """Return True if the document belongs in the copies of a vessel's own documents."""
    return document_id.startswith(tuple(f"{kind}:{vessel}:" for kind in KINDS))


def _from_store(database: Database, wanted: Iterable[tuple[str, str]]) -> Iterator[Copy]:
    for document_id, rev in wanted:
        revision = database.revision(document_id, rev)
        if revision is not None:  # None if the document has changed again; that change will be copied
            yield Copy(document_id, rev, revision.history, msgspec.Raw(revision.raw))


def _counts(copy: Copy, database: Database) -> bool:
    """Return True if a document that the store has lost must be restored from this copy."""
    current = database.current([copy.id]).get(copy.id)
    if current is None:
        # A floor shows that readings were removed. Alarms are removed only to free space on the card.
        return not copy.id.startswith(f"{DocumentType.ALARM}:") and not database.floor(copy.id)
    return current[0] == copy.rev or generation(current[0]) < generation(copy.rev)
