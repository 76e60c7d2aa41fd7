"""Wipes secrets from where they were taken: overwritten, removed, their blocks discarded by the card.

A reader of the card through its interface no longer finds them. This cannot be promised for worn and spare
blocks, which the card keeps to itself: its maker's tools, or someone who takes the chip out, can read them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioning import files

from .active_config import digest


def wipe(pending: Mapping[str, str]) -> None:
    """Wipe these files if they still have the SHA-256 that was taken in; a file replaced since stays.

    An emptied folder is removed too. Raises OSError; then, or after a power cut, it can be called again.
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
    for folder in sorted({Path(name).parent for name in pending}, reverse=True):  # the inner ones first
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _is_half_overwritten(content: bytes) -> bool:
    """Return True if a part of a file was overwritten with zeros.

    A single NUL is no sign of that: a text that Windows has saved as UTF-16 has many, and may be new.
    """
    return bytes(_ZEROS) in content or (bool(content) and not content.strip(b"\0"))


_ZEROS: Final = 16
"""Number of consecutive zeros that show overwriting: a card writes whole sectors, and no text has as many."""
