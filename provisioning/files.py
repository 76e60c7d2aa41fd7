"""Writes files so that each is either complete or absent, even if writing is interrupted at any point.

Every permanent change to the files on a card uses this module. It has one function for each step, so that a
test can interrupt a change at any step. Steps that other packages need too are in `sync.durable_files`.
"""

import os
import shutil
from pathlib import Path
from typing import Final

from sync import durable_files
from sync.durable_files import rename, sync_folder, write
from sync.folders import OWN, OWN_FILE, PUBLIC_FILE

__all__ = [
    "FOLDER",
    "PUBLIC",
    "SECRET",
    "overwrite",
    "read_back",
    "remove",
    "rename",
    "sync_folder",
    "write",
    "write_on_fat",
]

SECRET: Final = OWN_FILE
PUBLIC: Final = PUBLIC_FILE
FOLDER: Final = OWN
_ON_FAT: Final = "LOGBOAT.TMP"
"""Temporary name of a new file until it is complete.

A file that still has this name is left over from an interrupted change.
"""


def write_on_fat(path: Path, content: bytes) -> None:
    """Replace a file's content durably on a file system without permission bits; raises OSError."""
    temporary = path.with_name(_ON_FAT)
    try:
        durable_files.create(temporary, content, mode=SECRET)
        durable_files.rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file or a whole folder, if it exists; raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    sync_folder(path.parent)


def overwrite(path: Path) -> None:
    """Overwrite a file's content with zeros, in place if the medium allows this; raises OSError."""
    with path.open("r+b", buffering=0) as file:
        left = os.fstat(file.fileno()).st_size
        while left:
            left -= file.write(bytes(min(left, 2**20)))
        os.fsync(file.fileno())


def read_back(path: Path) -> bytes:
    """Return a file's content, read from the medium instead of the cache if possible. Raises OSError."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()
