"""Permissions of the files in force: root owns them, and the daemons' group may read them.

Files on which root acts, and the folders above them, must belong to root: a file that someone else has put in
place is not trusted.
"""

import grp
import os
from pathlib import Path
from typing import Final

from provisioning import files
from sync import folders
from sync.fleet.identity_names import GROUP

FOLDER: Final = 0o750
READABLE: Final = 0o640


def group() -> int:
    """Return the id of the daemons' group, or -1, which changes nothing, if there is no such group."""
    try:
        return grp.getgrnam(GROUP).gr_gid if os.geteuid() == 0 else -1
    except KeyError:
        return -1


def mode() -> int:
    """Return the mode of a file that no other user may read."""
    return files.SECRET if group() == -1 else READABLE


def make_folder(path: Path) -> None:
    """Make a folder that belongs to us, if it does not exist; raises OSError."""
    folders.make_folder(path, files.FOLDER)
    os.chown(path, -1, group())
    path.chmod(files.FOLDER if group() == -1 else FOLDER)


def is_ours(path: Path) -> bool:
    """Return True if a folder belongs to us and is not a link; a missing folder counts as ours."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return True
    return (
        status.st_uid == os.geteuid()
        and not status.st_mode & 0o022
        and path.is_dir()
        and not path.is_symlink()
    )
