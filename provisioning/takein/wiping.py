"""Secrets that go from where they were taken: overwritten, removed, their room given back to the card.

What this can promise: whoever reads the card through its interface finds them no more. What it cannot: a card
keeps worn and spare blocks of its own, which only its maker's tools, or who takes the chip out, can read.
"""

from collections.abc import Mapping
from pathlib import Path

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
        if digest(found) == taken or b"\0" in found:  # half overwritten: none of ours has a NUL in it
            files.overwrite(path)
            files.remove(path)
    for folder in sorted({Path(name).parent for name in pending}, reverse=True):  # the inner ones first
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
