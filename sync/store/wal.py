"""The file of SQLite's write-ahead log: its preallocation, and reading beyond a damaged frame.

SQLite reads a log up to the first frame with a wrong checksum. It treats all later frames as part of a commit
that a power cut interrupted. But if a frame in the middle was damaged afterwards, the frames after it contain
commits that were durable. The two cases can be distinguished: each commit is flushed to the card before the
next one is written, so a power cut leaves at most one unfinished commit.

The layout is that of https://sqlite.org/fileformat2.html, section 4.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final

import apsw

HEADER: Final = 32
FRAME_HEADER: Final = 24
PAGE: Final = 4096
"""SQLite's default page size in bytes, which is also the block size of the file system."""
_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}
"""Magic numbers in a log's header, each with the byte order of checksums that it stands for."""


class UnreadFrames(Enum):
    """Kind of content that follows the part of a write-ahead log that SQLite reads."""

    NOTHING = "nothing"
    ONE_COMMIT = "one commit at most"
    """At most one commit. A power cut interrupted it, or it was damaged after it had become durable."""
    COMMITS = "commits"
    """Several commits. All but the last had been durable, so the log was damaged after they were written."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of the write-ahead log, which contains one page as it was written by one commit."""

    page: int
    offset: int
    """Offset of the page's content in the log, in bytes."""
    pages: int
    """Size of the database in pages, if this is the last frame of a commit; 0 in other frames."""


@dataclass(frozen=True, slots=True)
class Log:
    """The frames of one write-ahead log."""

    seen: tuple[Frame, ...]
    """Frames of the commits that SQLite reads, in order."""
    beyond: tuple[Frame, ...]
    """Frames of the same log after those in `seen`, except frames with a wrong checksum."""

    @property
    def pages(self) -> int:
        """Size of the database, in pages, after the last commit that SQLite reads; 0 if there is none."""
        return self.seen[-1].pages if self.seen else 0


def length(frames: int, size: int) -> int:
    """Return the size, in bytes, of a write-ahead log with `frames` frames for pages of `size` bytes."""
    return HEADER + frames * (FRAME_HEADER + size)


def lay_out(path: Path, frames: int, *, size: int = PAGE) -> None:
    """Extend the log of an open database with zeros to the size of `frames` frames, if it is shorter.

    While a log grows, the file system writes three additional blocks per commit. Preallocation avoids these
    writes. Raises OSError if the log cannot be written.
    """
    log = path.with_name(path.name + "-wal")
    missing = length(frames, size) - (log.stat().st_size if log.exists() else 0)
    if missing > 0:
        with log.open("ab") as file:  # if the log has grown in the meantime, zeros are still only appended
            file.write(bytes(missing))
            file.flush()
            os.fdatasync(file.fileno())


def page_size(header: bytes) -> int:
    """Return the page size of a database, in bytes, from the header of its log."""
    return int.from_bytes(header[8:12])


def read(file: BinaryIO, size: int) -> Log:
    """Return every readable frame of a write-ahead log. `size` is the page size in bytes."""
    header = _header(file, size)
    if header is None:
        return Log((), tuple(_frames(file, size, *_guess(file, size), sums=None)))
    order, salts, sums = header
    read_frames: list[Frame] = []
    pending: list[Frame] = []
    for frame in _frames(file, size, order, salts, sums=sums, to_the_first_fault=True):
        pending.append(frame)
        if frame.pages:
            read_frames += pending
            pending.clear()
    beyond = (
        _frames(file, size, order, salts, sums=sums)
        if _is_longer(file, size, len(read_frames), salts)
        else ()
    )
    known = {frame.offset for frame in read_frames}
    return Log(tuple(read_frames), tuple(frame for frame in beyond if frame.offset not in known))


def unseen(path: Path) -> UnreadFrames:
    """Classify what the log of the database at `path` contains beyond the part that SQLite reads.

    SQLite itself verifies the part that it reads. The database must not be open. Raises OSError if the log
    cannot be read, and apsw.Error if SQLite cannot open the database.
    """
    log = path.with_name(path.name + "-wal")
    if not log.exists() or log.stat().st_size <= HEADER:
        return UnreadFrames.NOTHING
    size, applied = _seen_by_sqlite(path)
    with log.open("rb") as file:
        header = _header(file, size)
        if header is None:
            return UnreadFrames.COMMITS if _guess(file, size)[1] else UnreadFrames.NOTHING
        beyond = [
            head for at, head in _heads(file, size) if at >= length(applied, size) and head[8:16] == header[1]
        ]
    commits = sum(1 for head in beyond if head[4:8] != bytes(4))
    if not beyond:
        return UnreadFrames.NOTHING
    return UnreadFrames.COMMITS if commits > 1 else UnreadFrames.ONE_COMMIT


def _seen_by_sqlite(path: Path) -> tuple[int, int]:
    """Return the page size in bytes, and the number of frames in the log that SQLite reads."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
        frames, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        return int(connection.pragma("page_size")), max(frames, 0)
    finally:
        connection.close(True)


def _header(file: BinaryIO, size: int) -> tuple[str, bytes, tuple[int, int]] | None:
    """Return the byte order, salts and checksum from a log's header; None if the header is damaged."""
    file.seek(0)
    header = file.read(HEADER)
    order = _MAGIC.get(int.from_bytes(header[:4])) if len(header) == HEADER else None
    if order is None or page_size(header) != size:
        return None
    sums = _checksum(header[:24], (0, 0), order)
    return (order, header[16:24], sums) if struct.unpack(">II", header[24:]) == sums else None


def _guess(file: BinaryIO, size: int) -> tuple[str, bytes]:
    """Return the byte order and the salts of the newest log in a file whose header is damaged.

    Both are taken from the first frame whose checksum continues the checksum of the frame before it. Frames
    of older logs come later in the file. If there is no such frame, the salts are empty.
    """
    before: bytes | None = None
    for offset, head in _heads(file, size):
        if before is not None and before[8:16] == head[8:16] != bytes(8):
            file.seek(offset + FRAME_HEADER)
            content = file.read(size)
            for order in _MAGIC.values():
                if _follows(head, content, _sums(before), order):
                    return order, head[8:16]
        before = head
    return "<", b""


def _heads(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and header of each complete frame, including frames that remain from older logs."""
    end = os.fstat(file.fileno()).st_size
    for offset in range(HEADER, end - FRAME_HEADER - size + 1, FRAME_HEADER + size):
        file.seek(offset)
        yield offset, file.read(FRAME_HEADER)


def _frames(
    file: BinaryIO,
    size: int,
    order: str,
    salts: bytes,
    *,
    sums: tuple[int, int] | None,
    to_the_first_fault: bool = False,
) -> Iterator[Frame]:
    """Yield the frames with the given salts.

    A frame with a wrong checksum is omitted. A frame cannot be checked if the header of the frame before it
    is damaged. Such a frame is yielded nevertheless, because rows have their own checksums.

    Args:
        file: the log.
        size: the page size in bytes.
        order: the byte order of the checksums, for `struct`.
        salts: the salts in the log's header.
        sums: the running checksum before the first frame; None if unknown.
        to_the_first_fault: True to stop where SQLite stops reading.
    """
    for offset, head in _heads(file, size):
        is_ours = head[8:16] == salts
        if is_ours:
            file.seek(offset + FRAME_HEADER)
            if sums is None or _follows(head, file.read(size), sums, order):
                page, pages = struct.unpack_from(">II", head)
                yield Frame(page, offset + FRAME_HEADER, pages)
            elif to_the_first_fault:
                return
        elif to_the_first_fault:
            return
        sums = _sums(head) if is_ours else None


def _is_longer(file: BinaryIO, size: int, frames: int, salts: bytes) -> bool:
    """Return True if the log contains a frame with the given salts after the first `frames` frames."""
    return any(at >= length(frames, size) and head[8:16] == salts for at, head in _heads(file, size))


def _sums(head: bytes) -> tuple[int, int]:
    first, second = struct.unpack_from(">II", head, 16)
    return first, second


def _follows(head: bytes, content: bytes, sums: tuple[int, int], order: str) -> bool:
    return _checksum(content, _checksum(head[:8], sums, order), order) == _sums(head)


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    """Return the running checksum after `data`. `sums` is the running checksum before it."""
    first, second = sums
    for one, two in struct.iter_unpack(order + "II", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
