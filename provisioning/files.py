"""Writes files so that each is either complete or absent, even if writing is interrupted at any point.

Every lasting change to a file system goes through this module. It has one function for each step, so that a
test can interrupt a change at any step.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from sync.folders import OWN_FILE, opener

SECRET: Final = 0o600
PUBLIC: Final = 0o644
FOLDER: Final = 0o700
_ON_FAT: Final = "LOGBOAT.TMP"
"""Name of a new file until it is complete; a file with this name is left over from an interruption."""


def write(path: Path, content: bytes, *, mode: int = PUBLIC, group: int = -1) -> None:
    """Replace a file's content durably; raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchown(descriptor, -1, group)
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_on_fat(path: Path, content: bytes) -> None:
    """Replace a file's content durably on a file system without modes; raises OSError."""
    temporary = path.with_name(_ON_FAT)
    try:
        with open(temporary, "wb", opener=opener(OWN_FILE)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def rename(old: Path, new: Path) -> None:
    """Rename a file or folder durably; raises OSError."""
    old.rename(new)
    sync_folder(new.parent)


def remove(path: Path) -> None:
    """Remove a file or a whole folder, if it exists; raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    sync_folder(path.parent)


def overwrite(path: Path) -> None:
    """Overwrite a file's content with zeros, on the medium itself if it allows that; raises OSError."""
    with path.open("r+b", buffering=0) as file:
        left = os.fstat(file.fileno()).st_size
        while left:
            left -= file.write(bytes(min(left, 2**20)))
        os.fsync(file.fileno())


def read_back(path: Path) -> bytes:
    """Return a file's content, read from the medium rather than from memory if possible; raises OSError."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()


def sync_folder(path: Path) -> None:
    """Make the names of the files in a folder durable; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
