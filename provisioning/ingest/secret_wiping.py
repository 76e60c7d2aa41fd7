"""Wipes secrets after they were applied, by overwriting and removing the files.

The secrets can then no longer be read through the card's interface. Copies may remain in worn and spare
blocks, which the card hides. The manufacturer's tools, or someone who removes the chip, can read them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioning import files

from .active_config import digest


def wipe(pending: Mapping[str, str]) -> None:
    """Wipe each file, by path, that still has the recorded SHA-256; a file replaced since then is kept.

    A folder that becomes empty is removed too. Raises OSError. The function can be called again after an
    error or a power cut.
    """
    for name, taken in pending.items():
        path = Path(name)
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if digest(content) == taken or _is_half_overwritten(content):
            files.overwrite(path)
            files.remove(path)
    for folder in sorted({Path(name).parent for name in pending}, reverse=True):  # inner folders first
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _is_half_overwritten(content: bytes) -> bool:
    """Return True if a part of the file was overwritten with zeros.

    A single NUL is not proof. A file that Windows has saved as UTF-16 contains many, and may be a new file.
    """
    return bytes(_ZEROS) in content or (bool(content) and not content.strip(b"\0"))


_ZEROS: Final = 16
"""Number of consecutive zero bytes that show that a file was overwritten.

Cards write whole sectors, and no text contains this many zero bytes.
"""
