"""Durable changes to files: after a power cut, each file has either its old or its new content.

The new content is written to a temporary file in the same folder and flushed to disk. Then that file is
renamed to replace the old one, and the folder is flushed too. Only this module flushes folders. A module that
keeps a file open, such as the journal, flushes that file itself.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .folders import PUBLIC_FILE, SHARED_FILE, opener


class NewFile(NamedTuple):
    """A file to be written durably: its path, content, mode and group."""

    path: Path
    content: bytes
    mode: int
    """The exact mode of the file, regardless of the umask."""
    group: int = -1
    """Group id of the file; -1 for the process's group."""


def write(path: Path, content: bytes, *, mode: int = PUBLIC_FILE, group: int = -1) -> None:
    """Replace a file's content durably. `mode` is the file's exact mode. Raises OSError if this fails."""
    write_all([NewFile(path, content, mode, group)])


def write_all(files: Iterable[NewFile]) -> None:
    """Replace the content of files durably, one after the other, in the given order.

    No file is replaced before the new content of every file has been written. Raises OSError if this fails.
    """
    import tempfile  # not imported above, because it loads modules that most users of this module do not need

    written: list[tuple[Path, Path]] = []
    try:
        for path, content, mode, group in files:
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            written.append((Path(name), path))
            with os.fdopen(descriptor, "wb") as file:
                os.fchown(descriptor, -1, group)
                os.fchmod(descriptor, mode)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
        for temporary, path in written:
            rename(temporary, path)
    finally:
        for temporary, _ in written:
            temporary.unlink(missing_ok=True)


def create(path: Path, content: bytes, *, mode: int = SHARED_FILE) -> None:
    """Write a file directly, without a temporary file, and make its content durable.

    The umask may remove permissions from `mode`. The file's name is not durable until `sync_folder` is called
    for its folder. Use this only for files that no reader can find yet. Raises OSError if this fails.
    """
    with open(path, "wb", opener=opener(mode)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def rename(old: Path, new: Path) -> None:
    """Rename a file or folder durably. An existing file is replaced. Raises OSError if this fails."""
    old.rename(new)
    sync_folder(new.parent)


def sync_folder(path: Path) -> None:
    """Flush a folder, so that the names of its files are durable. Raises OSError if this fails."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
