"""Creation of folders and files that other users cannot write to, regardless of the umask.

Setting the mode after creation would be too late, because another process may already have opened the file.
So each file is created with its final mode. A umask can only remove permissions from that mode.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

SHARED: Final = 0o770
"""Mode of folders that the daemons share through a common group."""
SHARED_FILE: Final = 0o660
OWN: Final = 0o700
"""Mode of folders that contain secrets."""
OWN_FILE: Final = 0o600
PUBLIC: Final = 0o755
PUBLIC_FILE: Final = 0o644
OTHERS: Final = 0o007
"""Mode bits with the permissions of users other than the owner and the group."""


def make_folder(path: Path, mode: int = SHARED) -> None:
    """Create a folder and its missing parents with at most the permissions in `mode`.

    Raises OSError if a folder cannot be created.
    """
    missing = []
    while not path.is_dir():
        missing.append(path)
        if path.parent == path:
            break
        path = path.parent
    for each in reversed(missing):
        try:
            os.mkdir(each, mode)  # noqa: PTH102 -- sets the mode of every folder, not only of the last
        except FileExistsError:
            if not each.is_dir():
                raise


def opener(mode: int = SHARED_FILE) -> Callable[[str, int], int]:
    """Return an opener for `open` that creates files with at most the permissions in `mode`."""
    return lambda path, flags: os.open(path, flags | os.O_CLOEXEC, mode)


@contextlib.contextmanager
def restricted_umask() -> Iterator[None]:
    """Run a block in which new files grant no permissions to other users, unless their mode is changed."""
    before = os.umask(OTHERS)
    os.umask(before | OTHERS)
    try:
        yield
    finally:
        os.umask(before)
