"""Files that are there whole, or not at all, whatever is interrupted when."""

import os
import tempfile
from pathlib import Path
from typing import Final

SECRET: Final = 0o600
PUBLIC: Final = 0o644
FOLDER: Final = 0o700


def write(path: Path, content: bytes, *, mode: int = PUBLIC) -> None:
    """Replace a file's content durably. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
