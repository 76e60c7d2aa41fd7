"""What was made before is kept under a digest of all that it was made of: a second build takes it there.

A thing is made under another name and renamed when it is whole, so that what is found is whole.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def digest(inputs: Any) -> str:
    """Of anything that JSON can say: the same for the same, wherever it is."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def kept(folder: Path, name: str, key: str, make: Callable[[Path], None]) -> Path:
    """The file `name` that was made of `key`; `make` writes it to the path it is given, if need be.

    Of each name the newest two are kept. Raises OSError, and what `make` raises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem, _, suffix = name.partition(".")
    path = folder / f"{stem}-{key[:16]}.{suffix}"
    if path.exists():
        os.utime(path)
        return path
    partial = folder / f".{path.name}.part"
    partial.unlink(missing_ok=True)
    try:
        make(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    for old in sorted(folder.glob(f"{stem}-*.{suffix}"), key=lambda each: each.stat().st_mtime)[:-2]:
        old.unlink()
    return path
