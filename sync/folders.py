"""Folders and files that others may not write, whatever the umask is when they are made.

A mode that is set after something was made comes too late: somebody else may have been there before. So what
is made has its mode from the beginning. A umask only takes away from that.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

SHARED: Final = 0o770
"""A folder of the daemons: whoever is in their group works with it."""
SHARED_FILE: Final = 0o660
OWN: Final = 0o700
"""A folder with secrets."""
OWN_FILE: Final = 0o600
PUBLIC: Final = 0o755
PUBLIC_FILE: Final = 0o644
OTHERS: Final = 0o007
"""What others may do with a file."""


def make_folder(path: Path, mode: int = SHARED) -> None:
    """Make a folder, and those above it that are not there, of this mode at most. Raises OSError."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        if path.parent == path:
            break
        path = path.parent
    for each in reversed(missing):
        try:
            os.mkdir(each, mode)  # noqa: PTH102 -- the modes of all are given, not only of the last
        except FileExistsError:
            if not each.is_dir():
                raise


def opening(mode: int = SHARED_FILE) -> Callable[[str, int], int]:
    """Return an opener for `open`: a file that it makes has this mode at most."""
    return lambda path, flags: os.open(path, flags | os.O_CLOEXEC, mode)


@contextlib.contextmanager
def closed_to_others() -> Iterator[None]:
    """While a command runs, nothing that it makes is open to others, unless its mode is set so."""
    before = os.umask(OTHERS)
    os.umask(before | OTHERS)
    try:
        yield
    finally:
        os.umask(before)
