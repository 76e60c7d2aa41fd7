"""Segments: append-only files of copied documents, and the format of their records.

A record consists of a magic number, kind, length, CRC-32 and content. The CRC-32 covers the other fields, and
is seeded with the segment's number. Each document is compressed separately, and each record is independent. A
reader can therefore skip damaged bytes, and continue at the magic number of the next record whose checksum is
valid.

Documents are written in blocks: a list of their ids, the documents, and a second copy of the list. The two
lists are more than a page apart. One bad page therefore never destroys both a document and the evidence that
the document existed (`SegmentContent.lost`).
"""

import errno
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final, Self

import msgspec

from sync.durable_files import sync_folder

PAGE: Final = 4_096
MAGIC: Final = b"\xabLc1"
_HEAD: Final = struct.Struct("<4sBII")
_APART: Final = 2 * PAGE
"""Minimum distance between a block's two lists, in bytes. No page then contains parts of both."""


class RecordKind(IntEnum):
    """Kind of a record in a segment."""

    MARK = 1
    """Progress mark: a `Mark` as JSON."""
    LIST = 2
    """Ids of the documents in a block, as compressed JSON."""
    DOCUMENT = 3
    GAP = 4
    """A `gap` document.

    This is a separate kind because gaps must be read before other documents are restored.
    """
    REMOVED = 5
    """Ids of documents that were deliberately removed, as compressed JSON."""
    FILLING = 6


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Progress mark: states which changes have durable copies earlier in the file."""

    store: str
    """Id of the store to which the sequence numbers refer (`Database.uuid`)."""
    through: int
    """Sequence number up to which changes made after `until` have been copied."""
    filled: int = 0
    """Progress of the backfill, which copies changes made before copying began, as a sequence number."""
    until: int = 0
    """Sequence number at which copying began, if the store already had documents."""


class Copy(msgspec.Struct, frozen=True, array_like=True):
    """A copy of a document at one revision."""

    id: str
    rev: str
    history: list[str]
    """Ids of the revision's ancestors, newest first."""
    body: msgspec.Raw

    @property
    def kind(self) -> RecordKind:
        """Kind of the record that stores the document."""
        return RecordKind.GAP if self.id.startswith("gap:") else RecordKind.DOCUMENT


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A record in a segment, whose checksum is valid."""

    start: int
    end: int
    kind: RecordKind
    content: bytes

    def mark(self) -> Mark:
        """Decode the content of this record, which must be of the kind MARK."""
        return msgspec.json.decode(self.content, type=Mark)

    def ids(self) -> list[str]:
        """Decode the content of this record, which must be of the kind LIST or REMOVED."""
        return msgspec.json.decode(zlib.decompress(self.content), type=list[str])

    def copy(self) -> Copy:
        """Decode the content of this record, which must be of the kind DOCUMENT or GAP."""
        expand = zlib.decompressobj(zdict=_COMMON)
        return msgspec.json.decode(expand.decompress(self.content), type=Copy)


@dataclass(slots=True)
class SegmentContent:
    """The readable content of a segment."""

    records: list[SegmentRecord] = field(default_factory=list)
    damaged: list[tuple[int, int]] = field(default_factory=list)
    """Byte ranges that contain no valid record, as (start, end)."""

    @property
    def last_mark(self) -> SegmentRecord | None:
        """The newest mark in the segment; None if there is none."""
        return next((record for record in reversed(self.records) if record.kind is RecordKind.MARK), None)

    def lost(self) -> set[str]:
        """Return the ids of documents that the segment lists but does not contain."""
        named: set[str] = set()
        for record in self.records:
            if record.kind is RecordKind.LIST:
                named.update(record.ids())
        return named - {copy.id for copy in self.copies()} if named else named

    def removed(self) -> set[str]:
        """Return the ids of documents that the segment lists as deliberately removed."""
        return {name for record in self.records if record.kind is RecordKind.REMOVED for name in record.ids()}

    def copies(self) -> Iterator[Copy]:
        """Return an iterator over the copied documents, in the order in which they were written."""
        return (r.copy() for r in self.records if r.kind is RecordKind.DOCUMENT or r.kind is RecordKind.GAP)


def record(kind: RecordKind, content: bytes, segment: int) -> bytes:
    """Encode a record for the segment with this number."""
    return _HEAD.pack(MAGIC, kind, len(content), _checksum(kind, content, segment)) + content


def mark(stands: Mark, segment: int) -> bytes:
    """Encode a record that contains a progress mark."""
    return record(RecordKind.MARK, msgspec.json.encode(stands), segment)


def removed(ids: Sequence[str], segment: int) -> bytes:
    """Encode a record that lists the ids of removed documents."""
    return record(RecordKind.REMOVED, zlib.compress(msgspec.json.encode(ids)), segment)


def block(copies: Iterable[Copy], segment: int) -> bytes:
    """Encode a block of documents, with both lists of their ids."""
    ids, documents = [], []
    for copy in copies:
        ids.append(copy.id)
        shrink = zlib.compressobj(zdict=_COMMON)
        content = shrink.compress(msgspec.json.encode(copy)) + shrink.flush()
        documents.append(record(copy.kind, content, segment))
    listed = record(RecordKind.LIST, zlib.compress(msgspec.json.encode(ids)), segment)
    between = b"".join(documents)
    if len(between) < _APART:
        between += record(RecordKind.FILLING, bytes(_APART - len(between)), segment)
    return listed + between + listed


def parse(data: bytes, segment: int) -> SegmentContent:
    """Decode all valid records in a segment's bytes. Invalid bytes are skipped and raise no exception."""
    content = SegmentContent()
    here = end = 0
    while True:
        here = data.find(MAGIC, here)
        if here < 0:
            break
        whole = _record_at(data, here, segment)
        if whole is None:
            here += 1
            continue
        if here > end:
            content.damaged.append((end, here))
        content.records.append(whole)
        here = end = whole.end
    if end < len(data):
        content.damaged.append((end, len(data)))
    return content


def read(path: Path) -> bytes:
    """Return the bytes of a segment, with zeros in place of pages that cannot be read.

    Raise OSError if the file is missing or cannot be opened.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    pages = []
    with path.open("rb", buffering=0) as file:
        for start in range(0, os.fstat(file.fileno()).st_size, PAGE):
            try:
                pages.append(os.pread(file.fileno(), PAGE, start))
            except OSError:
                pages.append(bytes(PAGE))
    return b"".join(pages)


class FileAccess:
    """Access to files on the card.

    Tests replace this class to simulate failures and the loss of unflushed data.
    """

    def append_to(self, path: Path) -> "AppendOnlyFile":
        """Open a file for appending, and create it if it is missing. Raise OSError if that fails."""
        return AppendOnlyFile(path)

    def sync_folder(self, folder: Path) -> None:
        """Make the directory entries in a folder durable. Raise OSError if that fails."""
        sync_folder(folder)


class AppendOnlyFile:
    """A file to which data is only appended. Every method may raise OSError."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o660)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, data: bytes) -> None:
        """Write bytes to the end of the file, without making them durable."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._handle, left) :]

    def cut(self, size: int) -> None:
        """Truncate the file to `size` bytes."""
        os.ftruncate(self._handle, size)

    def sync(self) -> None:
        """Make appended data durable."""
        os.fdatasync(self._handle)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _record_at(data: bytes, start: int, segment: int) -> SegmentRecord | None:
    if start + _HEAD.size > len(data):
        return None
    _, kind, length, checksum = _HEAD.unpack_from(data, start)
    end = start + _HEAD.size + length
    if end > len(data) or kind not in _KINDS:
        return None
    content = data[start + _HEAD.size : end]
    if _checksum(kind, content, segment) != checksum:
        return None
    return SegmentRecord(start, end, RecordKind(kind), content)


def _checksum(kind: int, content: bytes, segment: int) -> int:
    return zlib.crc32(content, zlib.crc32(struct.pack("<QBI", segment, kind, len(content))))


_KINDS: Final = frozenset(RecordKind)
_COMMON: Final = (
    b'"sequence":,"severity":"","text":"","value":,"raised":{"boot":1,"clock":,"utc":"20"},"cleared":null,"acks":[],'
    b'"condition":"above ","history":[{"clock":,"reason":"removed to make room on the card","when":"'
    b'"bootId":"","previousEnd":{"anchors":[["network","version":"'
    b'["alarm:["boot:["gap:["reading:","1-",[],{"boot":1,"channels":["readings","vessel.'
    b'"],"clock":"synced","end":,"endUtc":"2026-T:Z","first":1,"last":,"log":"","max":,"mean":,"min":0,'
    b'"path":"propulsion.environment.inside.electrical.batteries.tanks.fuel..revolutions.temperature.currentLevel'
    b'.voltage","samples":[[0,0],[1000,],[2000,],[3000,],[4000,],[5000,],[6000,],[7000,],[8000,],[9000,],'
    b'"sensor":"","start":,"startUtc":"2026-T:00.000Z","type":"reading","unit":"Hz","vessel":"","window":300}]'
)
"""Compression dictionary of text that many documents contain, so that even one document compresses well.

Never change the dictionary: existing records could no longer be read. A different text needs a new record
kind.
"""
