"""The file of a write-ahead log: laid out before it is needed, and read where it is broken in the middle.

SQLite reads a log up to the first frame whose checksum is wrong and takes the rest for what a power cut left
of an unfinished commit. After a page of the log went bad that rest is commits that were durable. What tells
them apart: a commit is synchronised before the next is written, so a power cut leaves one commit unfinished
at most.

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
"""SQLite's own choice of a page's size, and a block of the file system."""
_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}
"""The magic number tells in which byte order the checksums were made."""


class Unseen(Enum):
    """What there is in a log beyond what SQLite reads of it."""

    NOTHING = "nothing"
    ONE_COMMIT = "one commit at most"
    """Either power was cut while it was written, or it was durable and a page of it went bad."""
    COMMITS = "commits"
    """All of them but the last were durable: the log is damaged."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One page as one commit left it."""

    page: int
    offset: int
    """Where its content begins in the log."""
    pages: int
    """Of the database, in the last frame of a commit; else 0."""


@dataclass(frozen=True, slots=True)
class Log:
    """The frames of one log."""

    seen: tuple[Frame, ...]
    """Those of commits that SQLite reads."""
    beyond: tuple[Frame, ...]
    """Those after them, broken ones left out."""

    @property
    def pages(self) -> int:
        """The database's pages after the last commit that SQLite reads; 0 if there is none."""
        return self.seen[-1].pages if self.seen else 0


def length(frames: int, size: int) -> int:
    """Bytes of a log of so many frames."""
    return HEADER + frames * (FRAME_HEADER + size)


def lay_out(path: Path, frames: int, *, size: int = PAGE) -> None:
    """Make the log of a database that is open so long, with zeros, unless it is.

    While a log grows, each commit costs the file system three blocks of its own; afterwards none.
    Raises OSError.
    """
    log = path.with_name(path.name + "-wal")
    missing = length(frames, size) - (log.stat().st_size if log.exists() else 0)
    if missing > 0:
        with log.open("ab") as file:  # at its end, wherever that is by then: SQLite writes over it
            file.write(bytes(missing))
            file.flush()
            os.fdatasync(file.fileno())


def page_size(header: bytes) -> int:
    """Of the database, as its log's header says."""
    return int.from_bytes(header[8:12])


def read(file: BinaryIO, size: int) -> Log:
    """Every frame of this page size that can be read."""
    header = _header(file, size)
    if header is None:
        return Log((), tuple(_frames(file, size, *_guess(file, size), sums=None)))
    order, salts, sums = header
    seen: list[Frame] = []
    pending: list[Frame] = []
    for frame in _frames(file, size, order, salts, sums=sums, to_the_first_fault=True):
        pending.append(frame)
        if frame.pages:
            seen += pending
            pending.clear()
    beyond = _frames(file, size, order, salts, sums=sums) if _is_longer(file, size, len(seen), salts) else ()
    known = {frame.offset for frame in seen}
    return Log(tuple(seen), tuple(frame for frame in beyond if frame.offset not in known))


def unseen(path: Path) -> Unseen:
    """Look for it in the log of the database at `path`. Takes work for what is there, not for what is sound.

    Nobody may have the database open. Raises apsw.Error if SQLite cannot open it, OSError.
    """
    log = path.with_name(path.name + "-wal")
    if not log.exists() or log.stat().st_size <= HEADER:
        return Unseen.NOTHING
    size, seen = _seen_by_sqlite(path)
    with log.open("rb") as file:
        header = _header(file, size)
        if header is None:
            return Unseen.COMMITS if _guess(file, size)[1] else Unseen.NOTHING
        beyond = [
            head for at, head in _heads(file, size) if at >= length(seen, size) and head[8:16] == header[1]
        ]
    commits = sum(1 for head in beyond if head[4:8] != bytes(4))
    if not beyond:
        return Unseen.NOTHING
    return Unseen.COMMITS if commits > 1 else Unseen.ONE_COMMIT


def _seen_by_sqlite(path: Path) -> tuple[int, int]:
    """Page size, and how many frames of the log SQLite reads."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
        frames, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        return int(connection.pragma("page_size")), max(frames, 0)
    finally:
        connection.close(True)


def _header(file: BinaryIO, size: int) -> tuple[str, bytes, tuple[int, int]] | None:
    """Byte order, salts and checksum of a log's header; None if it is broken."""
    file.seek(0)
    header = file.read(HEADER)
    order = _MAGIC.get(int.from_bytes(header[:4])) if len(header) == HEADER else None
    if order is None or page_size(header) != size:
        return None
    sums = _checksum(header[:24], (0, 0), order)
    return (order, header[16:24], sums) if struct.unpack(">II", header[24:]) == sums else None


def _guess(file: BinaryIO, size: int) -> tuple[str, bytes]:
    """Byte order and salts, from the first frame that continues the one before it; no salts if none does.

    What is left of older logs begins further back than the newest.
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
    """Offset and header of each frame that is there as a whole, whoever's it is."""
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
    """Frames with these salts. `sums`: the running checksum before the first; None if it is not known.

    A frame whose checksum is wrong is left out; one after a header that is broken cannot be checked, and is
    taken: rows have checksums of their own.
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
    """Whether the log goes on after so many frames."""
    return any(at >= length(frames, size) and head[8:16] == salts for at, head in _heads(file, size))


def _sums(head: bytes) -> tuple[int, int]:
    first, second = struct.unpack_from(">II", head, 16)
    return first, second


def _follows(head: bytes, content: bytes, sums: tuple[int, int], order: str) -> bool:
    return _checksum(content, _checksum(head[:8], sums, order), order) == _sums(head)


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    """The log's running checksum."""
    first, second = sums
    for one, two in struct.iter_unpack(order + "II", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
