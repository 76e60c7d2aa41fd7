"""Permissions of the files in use: root owns them, and the daemons' group may read them.

Files that root uses, and the folders above them, must belong to root. A file from any other user is not
trusted.
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
    """Return the daemons' group id, or -1 (no change) if there is no such group or no root access."""
    try:
        return grp.getgrnam(GROUP).gr_gid if os.geteuid() == 0 else -1
    except KeyError:
        return -1


def mode() -> int:
    """Return the mode of a file that only its owner, and the daemons' group if it exists, may read."""
    return files.SECRET if group() == -1 else READABLE


def make_folder(path: Path) -> None:
    """Create a folder for files in use if it does not exist, and set its permissions; raises OSError."""
    folders.make_folder(path, files.FOLDER)
    os.chown(path, -1, group())
    path.chmod(files.FOLDER if group() == -1 else FOLDER)


def is_ours(path: Path) -> bool:
    """Return True if only the current user owns and can write a folder, or if the folder does not exist.

    A link to a folder is not accepted.
    """
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
