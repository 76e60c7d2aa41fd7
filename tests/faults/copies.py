"""Copies of a vessel's data folder."""

import os
import shutil
from pathlib import Path
from typing import Final

from services.recorder.writer_thread import reserve

_RESERVE: Final = reserve(Path()).name
"""Name of the file that only keeps space free, and of which the recorder writes no byte."""


def copy_data(source: Path, target: Path, *, without_shared_memory: bool = False) -> Path:
    """Copy a data folder, and return the path of the copy.

    The file that keeps space free is allocated instead of copied, as the recorder does, because it is larger
    than all other files together. `without_shared_memory` leaves out SQLite's files for shared memory, which
    a power cut does not preserve.
    """
    ignore = shutil.ignore_patterns("*-shm") if without_shared_memory else None
    return Path(shutil.copytree(source, target, ignore=ignore, copy_function=_copy))


def _copy(source: str, target: str) -> str:
    if Path(source).name != _RESERVE:
        return str(shutil.copy2(source, target))
    size = Path(source).stat().st_size
    with Path(target).open("xb") as file:
        if size:
            os.posix_fallocate(file.fileno(), 0, size)
    return target
