"""Packs files into one compressed tar file in memory, so that packing works even when the disk is full."""

import io
import tarfile
from collections.abc import Iterable

from .contents import ArchiveFile


def packed(parts: Iterable[ArchiveFile], *, folder: str, utc: float) -> bytes:
    """Return the bytes of a `.tar.gz` with all files in one folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=9) as archive:
        for part in parts:
            data = part.text.encode()
            entry = tarfile.TarInfo(f"{folder}/{part.name}")
            entry.size, entry.mtime, entry.mode = len(data), int(utc), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
