"""The contents of a vessel's files after a power cut."""

import os
import random
from pathlib import Path

from services.journal.number_witness import path_in


def leave(left: dict[Path, bytes | None]) -> None:
    """Replace the content of each file with the content after the power cut. None means a missing file."""
    for path, content in left.items():
        Path(f"{path}-shm").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)


class Witness:
    """The file of the number witness, on a disk that may lose data that was not flushed."""

    def __init__(self, data: Path) -> None:
        self.path = path_in(data)
        self._durable: bytes | None = None

    def sync(self, descriptor: int) -> None:
        self._durable = os.pread(descriptor, os.fstat(descriptor).st_size, 0)

    def after_cut(self, rng: random.Random) -> bytes | None:
        """Return one of the possible contents of the file after a power cut at this moment."""
        return rng.choice((self.path.read_bytes() if self.path.exists() else None, self._durable))
