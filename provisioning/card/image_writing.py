"""Writes an image to a card or a file, reads it back, and makes it bootable only once it is complete.

The first sector, with the partition table, is cleared first and written last. If writing is interrupted, the
card therefore does not boot, and can simply be written again. A file gets its final name only at the end.
Ranges of zeros in the image are not written. Instead, the device is asked to clear them. If it cannot clear
a range, the range is read, and zeros are written if it contains other bytes.
"""

import ctypes
import gzip
import hashlib
import lzma
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from provisioning.card.partitions import SECTOR
from provisioning.card.target import Target
from provisioning.errors import CardError

CHUNK: Final = 4 * 2**20
BLOCK: Final = 64 * 2**10
"""Size of the blocks that are written or skipped, in bytes. On cards, many smaller writes are slow."""
_KEEP_SIZE_AND_PUNCH: Final = 0x01 | 0x02
"""Mode of fallocate(2) that clears a range.

On a block device, the call fails if the device can clear a range only by writing zeros.
"""

SUMS: Final = "SHA256SUMS"
"""Name of the file with the digests of all files that `make image` writes."""

Progress = Callable[[str, int, int | None], None]
"""Progress callback. Its arguments are the activity, the bytes done so far, and the total or None."""


@dataclass(slots=True)
class WriteRecord:
    """Record of the written data: offset, length and SHA-256 of each piece, and the sector to write last."""

    pieces: list[tuple[int, int, bytes]] = field(default_factory=list)
    first_sector: bytes = b""
    size: int = 0


def size_of(image: Path) -> int | None:
    """Return the size in bytes of an image on the card, or None for a compressed image.

    Raises CardError if the image does not exist.
    """
    if not image.is_file():
        text = f"{image}: the image does not exist"
        raise CardError(text)
    return None if image.suffix in (".xz", ".gz") else image.stat().st_size


def check_digest(image: Path) -> str | None:
    """Compare an image file with its digest in `IMAGE.sha256` or `SHA256SUMS` in the same folder.

    Returns the name of the file that contains the digest, or None if neither file lists the image. Raises
    CardError if the digest differs.
    """
    own = image.with_name(f"{image.name}.sha256")
    for beside in (own, image.with_name(SUMS)):
        wanted = _listed_digest(beside, image.name, is_own=beside == own)
        if wanted is None:
            continue
        with image.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                text = f"{image}: the image does not match {beside.name}; download or build the image again"
                raise CardError(text)
        return beside.name
    return None


@contextmanager
def open_target(target: Target) -> Iterator[tuple[int, Path]]:
    """Open the target for writing, and provide its file descriptor and a path for external tools.

    A file has a temporary name until the context ends without an error. Raises CardError.
    """
    path = target.path if target.is_device else target.path.with_name(f"{target.path.name}.part")
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if target.is_device else os.O_CREAT | os.O_TRUNC)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        hint = "; try again with sudo" if isinstance(error, PermissionError) else ""
        text = f"{path}: cannot be written: {error.strerror}{hint}"
        raise CardError(text) from error
    try:
        yield descriptor, path
        os.fsync(descriptor)
        if not target.is_device:
            path.replace(target.path)
    except OSError as error:
        text = (
            f"{path}: {error.strerror or error}; the card cannot be booted now; write it again, or use"
            " another card"
        )
        raise CardError(text) from error
    finally:
        os.close(descriptor)
        if not target.is_device:
            path.unlink(missing_ok=True)


def write(image: Path, descriptor: int, *, is_device: bool, progress: Progress) -> WriteRecord:
    """Write the image except its first sector, and return the record of the written data.

    Raises CardError if the image is damaged, and OSError if the target fails.
    """
    os.pwrite(descriptor, bytes(SECTOR), 0)
    os.fsync(descriptor)
    done, total = WriteRecord(), size_of(image)
    for chunk in _chunks(image):
        if not done.size:
            done.first_sector, chunk = chunk[:SECTOR], bytes(SECTOR) + chunk[SECTOR:]  # noqa: PLW2901
        for start, length, is_zero in _runs(chunk):
            offset = done.size + start
            if not is_zero:
                piece = chunk[start : start + length]
                _write_at(descriptor, piece, offset)
                done.pieces.append((offset, length, hashlib.sha256(piece).digest()))
            elif is_device:
                _clear(descriptor, offset, length)
        done.size += len(chunk)
        progress("writing", done.size, total)
    if not is_device:
        os.ftruncate(descriptor, done.size)
    os.fsync(descriptor)
    return done


def verify(descriptor: int, written: WriteRecord, progress: Progress) -> None:
    """Read every written piece back from the medium. Raises CardError if a piece differs."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    total, so_far = sum(length for _, length, _ in written.pieces), 0
    for offset, length, digest in written.pieces:
        if hashlib.sha256(os.pread(descriptor, length, offset)).digest() != digest:
            text = f"the data read back at byte {offset} differs from what was written; use another card"
            raise CardError(text)
        so_far += length
        progress("verifying", so_far, total)


def finish(descriptor: int, written: WriteRecord) -> None:
    """Write the first sector, which makes the card bootable; raises CardError, OSError."""
    os.pwrite(descriptor, written.first_sector, 0)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    if os.pread(descriptor, SECTOR, 0) != written.first_sector:
        text = "the first sector cannot be written; use another card"
        raise CardError(text)


def _chunks(image: Path) -> Iterator[bytes]:
    try:
        with _unpacked(image) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (lzma.LZMAError, gzip.BadGzipFile, EOFError, OSError) as error:
        text = f"{image}: cannot be read: {error}; download or build the image again"
        raise CardError(text) from error


def _unpacked(image: Path) -> IO[bytes] | lzma.LZMAFile | gzip.GzipFile:
    if image.suffix == ".xz":
        return lzma.open(image, "rb")
    if image.suffix == ".gz":
        return gzip.open(image, "rb")
    return image.open("rb")


def _listed_digest(sums: Path, name: str, *, is_own: bool) -> str | None:
    """Return the digest of `name` from a file in the format of sha256sum, or None if the file lists none.

    If `is_own` is True, the file contains a single digest, which may have no file name.
    """
    if not sums.is_file():
        return None
    rows = [line.split() for line in sums.read_text(errors="replace").splitlines() if line.strip()]
    for row in rows:
        if len(row) > 1 and Path(row[-1].lstrip("*")).name == name:
            return row[0].lower()
    return rows[0][0].lower() if is_own and rows else None


def _runs(chunk: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield the start and length of each run of zero or non-zero blocks, and True for a run of zeros."""
    begin, kind, nothing = 0, None, bytes(BLOCK)
    for start in range(0, len(chunk), BLOCK):
        block = chunk[start : start + BLOCK]
        is_zero = block == nothing[: len(block)]
        if kind is not None and is_zero != kind:
            yield begin, start - begin, kind
            begin = start
        kind = is_zero
    if kind is not None:
        yield begin, len(chunk) - begin, kind


def _write_at(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count


def _clear(descriptor: int, offset: int, length: int) -> None:
    if _punch(descriptor, offset, length):
        return
    while length:
        step = min(length, CHUNK)
        if os.pread(descriptor, step, offset).strip(b"\0"):
            _write_at(descriptor, bytes(step), offset)
        offset, length = offset + step, length - step


def _punch(descriptor: int, offset: int, length: int) -> bool:
    """Make the kernel clear a range of bytes. Return True on success."""
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    span = ctypes.c_longlong(offset), ctypes.c_longlong(length)
    return int(fallocate(descriptor, _KEEP_SIZE_AND_PUNCH, *span)) == 0
