"""A cache of results, kept under a digest of all their inputs, so that a second build reuses them.

A result is made under another name and renamed when it is complete, so that every file in the cache is
complete.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def digest(inputs: Any) -> str:
    """Return a digest of any value that JSON can express; equal values have equal digests on any machine."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached(folder: Path, name: str, key: str, make: Callable[[Path], None]) -> Path:
    """Return the file `name` for the inputs' digest `key`; `make` writes it to a given path if it is missing.

    The newest two files of each name are kept. Raises OSError, and whatever `make` raises.
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
