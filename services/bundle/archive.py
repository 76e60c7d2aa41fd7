"""Packs files into a compressed tar archive in memory, so that packing works even if the disk is full."""

import io
import tarfile
from collections.abc import Iterable

from .contents import ArchiveFile


def packed(parts: Iterable[ArchiveFile], *, folder: str, utc: float) -> bytes:
    """Return a `.tar.gz` archive in which all files are in `folder`. `utc` is their modification time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=9) as archive:
        for part in parts:
            data = part.text.encode()
            entry = tarfile.TarInfo(f"{folder}/{part.name}")
            entry.size, entry.mtime, entry.mode = len(data), int(utc), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
