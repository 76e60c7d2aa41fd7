"""Blobs: files in a folder beside the store, each named by the SHA-1 of its content, as in Couchbase Lite.

A blob is written to a temporary file, flushed to the card and then renamed. So a file with its final name is
always complete. The digest is verified whenever a blob is read. If no document refers to a blob, the blob is
removed by the second compaction that finds it unused. The first compaction only marks the blob, because a
blob is stored before the document that refers to it.
"""

import base64
import binascii
import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Final

from sync.durable_files import sync_folder
from sync.folders import make_folder
from sync.store import attachments, bodies, rows
from sync.store.engine import Engine
from sync.store.errors import BlobError, translated_os
from sync.store.reader import PAGE

_CHUNK: Final = 64 * 1024
_PREFIX: Final = "sha1-"
_TEMPORARY: Final = ".part-"
_NAME: Final = re.compile("[0-9a-f]{40}")


class BlobStore:
    """Folder that contains the blobs of one document store."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._engine = engine
        self.directory: Final = directory

    def put(self, content: bytes | BinaryIO | Iterable[bytes], *, digest: str | None = None) -> str:
        """Store a blob durably.

        Args:
            content: the bytes of the blob, a file from which to read them, or an iterable of pieces.
            digest: the expected digest; None to accept any content.

        Returns:
            The blob's digest, `sha1-<base64>`.

        Raises:
            BlobError: the bytes do not match `digest`. In this case, nothing is stored.
        """
        try:
            if not self.directory.is_dir():
                make_folder(self.directory)
                sync_folder(self.directory.parent)
            with self.temporary() as (file, temporary):
                sha1 = hashlib.sha1(usedforsecurity=False)
                for piece in _pieces(content):
                    sha1.update(piece)
                    file.write(piece)
                return self.name(file, temporary, sha1.digest(), digest)
        except OSError as error:
            raise translated_os(error, self.directory) from error

    def name(self, file: BinaryIO, temporary: Path, sha1: bytes, digest: str | None) -> str:
        """Make a completely written temporary file a stored blob, by renaming the file durably.

        Args:
            file: the open temporary file.
            temporary: the path of this file.
            sha1: the SHA-1 digest of the file's content.
            digest: the expected digest; None to accept any content.

        Returns:
            The blob's digest, `sha1-<base64>`.

        Raises:
            BlobError: the content does not match `digest`.
        """
        actual = _PREFIX + base64.b64encode(sha1).decode()
        if digest is not None and digest != actual:
            raise BlobError(
                f"blob {digest}: the received bytes have the digest {actual}; request the blob again"
            )
        try:
            file.flush()
            os.fsync(file.fileno())
            with self._engine.writing:  # prevents a compaction from removing the blob at the same time
                self._engine.execute("DELETE FROM unused_blobs WHERE digest = ?", (actual,))
                temporary.replace(self._path(actual))
                sync_folder(self.directory)
        except OSError as error:
            raise translated_os(error, self.directory) from error
        return actual

    def writer(self) -> "BlobWriter":
        """Return a writer for a blob that is received in pieces. The caller must finish or close it."""
        try:
            if not self.directory.is_dir():
                make_folder(self.directory)
                sync_folder(self.directory.parent)
            return BlobWriter(self)
        except OSError as error:
            raise translated_os(error, self.directory) from error

    def has(self, digest: str) -> bool:
        """Return True if a blob with this digest is stored."""
        return self._path(digest).is_file()

    def length(self, digest: str) -> int | None:
        """Return the size of a blob in bytes, or None if the blob is not stored."""
        with contextlib.suppress(FileNotFoundError):
            return self._path(digest).stat().st_size
        return None

    def open(self, digest: str) -> BinaryIO:
        """Open a blob for reading, after verifying its content against the digest.

        Raises:
            BlobError: the blob is missing or damaged.
        """
        file, path = self._open(digest)
        try:
            actual = hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).digest()
            if actual.hex() != path.name:
                raise _damaged(digest, path)
            file.seek(0)
        except OSError as error:
            file.close()
            raise translated_os(error, path) from error
        except BaseException:
            file.close()
            raise
        return file

    def pieces(self, digest: str, size: int = _CHUNK) -> Iterator[bytes]:
        """Yield the content of a blob in pieces of at most `size` bytes, and verify the digest at the end.

        Raises:
            BlobError: the blob is missing, or is damaged, which is detected after the last piece.
        """
        file, path = self._open(digest)
        sha1 = hashlib.sha1(usedforsecurity=False)
        try:
            with file:
                while piece := file.read(size):
                    sha1.update(piece)
                    yield piece
        except OSError as error:
            raise translated_os(error, path) from error
        if sha1.hexdigest() != path.name:
            raise _damaged(digest, path)

    def reopen(self, digest: str) -> BinaryIO:
        """Open a blob whose digest `pieces` has already verified, without verifying it again.

        Raises BlobError if the blob is missing.
        """
        file, _ = self._open(digest)
        return file

    def _open(self, digest: str) -> tuple[BufferedReader, Path]:
        path = self._path(digest)
        try:
            return path.open("rb"), path
        except FileNotFoundError:
            raise BlobError(f"blob {digest} is not stored here") from None
        except OSError as error:
            raise translated_os(error, path) from error

    def read(self, digest: str) -> bytes:
        """Return the content of a blob. Raises BlobError if the blob is missing or damaged."""
        with self.open(digest) as file:
            return file.read()

    def digests(self) -> Iterator[str]:
        """Yield the digests of all stored blobs."""
        with contextlib.suppress(FileNotFoundError):
            for path in self.directory.iterdir():
                if _NAME.fullmatch(path.name) is not None:
                    yield _PREFIX + base64.b64encode(bytes.fromhex(path.name)).decode()

    def size(self) -> int:
        """Return the total size, in bytes, of all blobs."""
        return sum(self.length(digest) or 0 for digest in self.digests())

    def unused_bytes(self) -> int:
        """Return the total size, in bytes, of the blobs that the last call of `collect` found unused.

        The next call removes these blobs if they are still unused.
        """
        with self._engine.reading:
            marked: list[tuple[Any, ...]] = self._engine.execute("SELECT digest FROM unused_blobs").fetchall()
        return sum(self.length(digest) or 0 for (digest,) in marked)

    def collect(self) -> tuple[int, int]:
        """Remove blobs that two consecutive calls have found unused, and abandoned temporary files.

        Returns:
            The number of blobs removed, and their total size in bytes.
        """
        with self._engine.reading:
            start = self._engine.last_sequence()
        used = self._used()
        count = size = 0
        with self._engine.writing:
            for columns in self._engine.execute(
                f"{rows.SELECT} WHERE seq > ? AND flags & {rows.HAS_BLOBS}", (start,)
            ):
                used |= references(rows.sound(columns, self._engine))
            unused = {digest for digest in self.digests() if digest not in used}
            marked = {digest for (digest,) in self._engine.execute("SELECT digest FROM unused_blobs")}
            for digest in unused & marked:
                count += 1
                size += self.length(digest) or 0
                self._path(digest).unlink(missing_ok=True)
            for digest in marked - (unused - marked):
                self._engine.execute("DELETE FROM unused_blobs WHERE digest = ?", (digest,))
            for digest in unused - marked:
                self._engine.execute("INSERT INTO unused_blobs(digest) VALUES (?)", (digest,))
        self._remove_remains()
        return count, size

    def _used(self) -> set[str]:
        """Return the digests of all blobs that documents refer to."""
        used: set[str] = set()
        after = ""
        while True:
            with self._engine.reading:
                page = self._engine.execute(
                    f"{rows.SELECT} WHERE flags & {rows.HAS_BLOBS} AND id > ? ORDER BY id LIMIT {PAGE}",
                    (after,),
                ).fetchall()
            if not page:
                return used
            for columns in page:
                row = rows.sound(columns, self._engine)
                used |= references(row)
                after = row.document_id

    def _path(self, digest: str) -> Path:
        try:
            raw = base64.b64decode(digest.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if not digest.startswith(_PREFIX) or len(raw) != hashlib.sha1(usedforsecurity=False).digest_size:
            raise BlobError(f"{digest[:80]!r} is not a blob digest of the form sha1-<base64>")
        return self.directory / raw.hex()

    @contextlib.contextmanager
    def temporary(self) -> Iterator[tuple[BinaryIO, Path]]:
        """Yield a temporary file and its path.

        The file is locked while it is open. At the end of the context, the file is deleted unless it was
        renamed.
        """
        while True:
            descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=self.directory)
            file = os.fdopen(descriptor, "wb")
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                break
            file.close()  # `collect` deleted the file as abandoned before it was locked
        try:
            with file:
                yield file, Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _remove_remains(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            for path in self.directory.iterdir():
                if path.name.startswith(_TEMPORARY):
                    _remove_if_abandoned(path)


class BlobWriter:
    """Writer of one blob. The blob becomes visible under its digest only when it is complete."""

    def __init__(self, store: BlobStore) -> None:
        """Create a writer. Callers use `BlobStore.writer` instead."""
        self._store = store
        self._stack = contextlib.ExitStack()
        self._file, self._temporary = self._stack.enter_context(store.temporary())
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self.length = 0
        """Number of bytes written so far."""

    def write(self, piece: bytes) -> None:
        """Append bytes to the blob. Raises StoreError if they cannot be written."""
        self._sha1.update(piece)
        self.length += len(piece)
        try:
            self._file.write(piece)
        except OSError as error:
            raise translated_os(error, self._store.directory) from error

    def finish(self, digest: str) -> None:
        """Store the blob durably. If the bytes do not match the digest, raise BlobError and store nothing."""
        with self._stack:
            self._store.name(self._file, self._temporary, self._sha1.digest(), digest)

    def close(self) -> None:
        """Discard the blob unless `finish` has stored it. File system errors are ignored."""
        with contextlib.suppress(OSError):  # on a full card, closing the file fails, as writing does
            self._stack.close()


def _damaged(digest: str, path: Path) -> BlobError:
    return BlobError(f"blob {digest}: {path} is damaged; remove it, and it will be fetched again")


def references(row: rows.DocumentRow) -> set[str]:
    """Return the digests of all blobs to which the stored bodies of a document refer."""
    digests: set[str] = set()
    for node in row.revisions().nodes.values():
        if node.body is not None:
            body = bodies.decode(row.document_id, node.body)
            _collect(body, digests)
            digests |= {entry["digest"] for entry in attachments.attachments_of(body).values()}
    return digests


def _collect(value: object, into: set[str]) -> None:
    if isinstance(value, dict):
        digest = value.get("digest")
        if value.get("@type") == "blob" and isinstance(digest, str):
            into.add(digest)
        for inner in value.values():
            _collect(inner, into)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, into)


def _pieces(content: bytes | BinaryIO | Iterable[bytes]) -> Iterable[bytes]:
    if isinstance(content, bytes):
        return (content,)
    read = getattr(content, "read", None)
    return content if read is None else iter(lambda: bytes(read(_CHUNK)), b"")


def _remove_if_abandoned(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
