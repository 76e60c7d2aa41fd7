"""Cache of results, each stored under a digest of all its inputs, so that later builds can reuse it.

A result is written under a temporary name and renamed once it is complete, so that every file in the cache is
complete.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def digest(inputs: Any) -> str:
    """Return a digest of a JSON-serialisable value. Equal values have equal digests on every machine."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached(folder: Path, name: str, key: str, make: Callable[[Path], None]) -> Path:
    """Return the path of the cached file `name` for the inputs with the digest `key`.

    If the file is missing, `make` is called with a path, and must write the file there. Only the newest two
    files with each name are kept. Raises OSError, and any exception from `make`.
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
