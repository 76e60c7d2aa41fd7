"""Secrets that go from where they were taken: overwritten, removed, their room given back to the card.

What this can promise: whoever reads the card through its interface finds them no more. What it cannot: a card
keeps worn and spare blocks of its own, which only its maker's tools, or who takes the chip out, can read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioning import files

from .inforce import digest


def wipe(pending: Mapping[str, str]) -> None:
    """Wipe these files, each with the SHA-256 of what was taken in: what has been put there since stays.

    An emptied folder goes too. Raises OSError; then, or after a power cut, it can be called again.
    """
    for name, taken in pending.items():
        path = Path(name)
        try:
            found = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if digest(found) == taken or _is_half_overwritten(found):
            files.overwrite(path)
            files.remove(path)
    for folder in sorted({Path(name).parent for name in pending}, reverse=True):  # the inner ones first
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _is_half_overwritten(content: bytes) -> bool:
    """Return whether zeros were written over a part of it.

    A single NUL is no sign of that: a text that Windows has saved as UTF-16 has many, and may be new.
    """
    return bytes(_ZEROS) in content or (bool(content) and not content.strip(b"\0"))


_ZEROS: Final = 16
"""In one piece: a card writes whole sectors, and no text has as many."""
