"""Exceptions of the document store.

::

    StoreError                    base class; the message names the file, the problem and the remedy
    ├── DocumentError             a document that cannot be stored: not an object, too deep, reserved keys …
    ├── ConflictError             a write whose parent is not the current revision
    ├── BlobError                 a blob that is missing, or whose bytes do not match its digest
    ├── BusyError                 another process held the write lock for longer than the timeout
    ├── FullError                 no space is left on the file system
    ├── ReadOnlyError             the file or its file system cannot be written
    ├── InputOutputError          the operating system failed to read or write the file
    ├── DamagedError              the file's contents are not what was written; it must be salvaged
    └── UnsupportedError          the file has a newer schema or is not a store, or SQLite is too old

apsw's exceptions never leave the store, because `translated` converts them to these exceptions.
"""

import errno
import re
from pathlib import Path
from typing import Final

import apsw


class StoreError(Exception):
    """Base class of the exceptions of the document store."""


class DocumentError(StoreError, ValueError):
    """A document, id, revision or history that the store does not accept."""


class ConflictError(StoreError):
    """A write whose parent is not the document's current revision."""

    def __init__(self, text: str, *, current: str | None) -> None:
        super().__init__(text)
        self.current: str | None = current
        """The current revision; None if there is no such document."""


class BlobError(StoreError):
    """A blob that is missing, or whose contents do not match its digest."""


class BusyError(StoreError):
    """A write failed because another process held the write lock for too long."""


class FullError(StoreError):
    """No space is left on the store's file system."""


class ReadOnlyError(StoreError):
    """The store's file or its file system cannot be written."""


class InputOutputError(StoreError):
    """The operating system failed to read or write the store's file."""


class DamagedError(StoreError):
    """A file of the store is damaged: its contents are not what was written to it."""

    def __init__(self, text: str, *, path: Path) -> None:
        super().__init__(text)
        self.path: Path = path
        """Path of the damaged file."""


class UnsupportedError(StoreError):
    """The version of the store's file or of the SQLite library is not supported."""


_TRANSLATIONS: Final[tuple[tuple[type[apsw.Error], type[StoreError], str], ...]] = (
    (apsw.BusyError, BusyError, "another process holds the lock; try again"),
    (apsw.LockedError, BusyError, "another process holds the lock; try again"),
    (apsw.FullError, FullError, "the file system is full; free some space"),
    (apsw.ReadOnlyError, ReadOnlyError, "cannot be written; is the file system mounted read-only?"),
    (apsw.PermissionsError, ReadOnlyError, "no permission; check the owner of the file and its folder"),
    (apsw.CantOpenError, InputOutputError, "cannot be opened; check the folder and its permissions"),
    (apsw.IOError, InputOutputError, "reading or writing failed; check the card and the kernel's log"),
    (apsw.TooBigError, DocumentError, "too big for the store"),
)


def damaged(path: Path, what: str) -> DamagedError:
    """Return the error to raise for a file whose contents are not what was written to it."""
    return DamagedError(f"{path}: damaged: {what}; check and salvage the file", path=path)


def translated(error: apsw.Error, path: Path) -> StoreError:
    """Return the StoreError for an error raised by apsw, with the file's path in the message."""
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)) or lacks_names(error):
        return damaged(path, str(error))
    for theirs, ours, remedy in _TRANSLATIONS:
        if isinstance(error, theirs):
            return ours(f"{path}: {remedy} ({error})")
    return StoreError(f"{path}: {type(error).__name__}: {error}")


def lacks_names(error: apsw.Error) -> bool:
    """Return True if SQLite reports that a table or column named in a statement does not exist.

    The store's SQL statements are constant, so such a report means that the schema in the file is damaged.
    """
    return isinstance(error, apsw.SQLError) and _LACKING.search(str(error)) is not None


_LACKING: Final = re.compile(
    r"no such (?:table|column|index)|has no column named|no such collation"
    r"|does not match any PRIMARY KEY or UNIQUE"
)
"""Pattern of SQLite's messages about missing names (`resolve.c`, `insert.c`, `build.c` and `upsert.c`)."""

_ERRNOS: Final[dict[int, tuple[type[StoreError], str]]] = {
    errno.ENOSPC: (FullError, "the file system is full; free some space"),
    errno.EDQUOT: (FullError, "the disk quota is used up; free some space"),
    errno.EROFS: (ReadOnlyError, "cannot be written; is the file system mounted read-only?"),
    errno.EACCES: (ReadOnlyError, "no permission; check the owner of the file and its folder"),
    errno.EPERM: (ReadOnlyError, "no permission; check the owner of the file and its folder"),
}


def translated_os(error: OSError, path: Path) -> StoreError:
    """Return the StoreError for an OSError, with the file's path in the message."""
    ours, remedy = _ERRNOS.get(
        error.errno or 0, (InputOutputError, "reading or writing failed; check the card and the kernel's log")
    )
    return ours(f"{path}: {remedy} ({error.strerror or error})")
