"""The parts as one compressed tar file, built in memory, so that it works with a full disk."""

import io
import tarfile
from collections.abc import Iterable

from .contents import ArchiveFile


def packed(parts: Iterable[ArchiveFile], *, folder: str, utc: float) -> bytes:
    """Return the bytes of a `.tar.gz` whose files are all in one folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=9) as archive:
        for part in parts:
            data = part.text.encode()
            entry = tarfile.TarInfo(f"{folder}/{part.name}")
            entry.size, entry.mtime, entry.mode = len(data), int(utc), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
