"""Whose the files in force are: root's, who acts on them; the daemons' group may read them.

What root acts on must be root's own, down from its folder: one that somebody else has put in its place is not
believed.
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
    """The daemons' group; -1, which changes nothing, where there is none."""
    try:
        return grp.getgrnam(GROUP).gr_gid if os.geteuid() == 0 else -1
    except KeyError:
        return -1


def mode() -> int:
    """Of a file that nobody else may read."""
    return files.SECRET if group() == -1 else READABLE


def make_folder(path: Path) -> None:
    """A folder of ours, if it is not there. Raises OSError."""
    folders.make_folder(path, files.FOLDER)
    os.chown(path, -1, group())
    path.chmod(files.FOLDER if group() == -1 else FOLDER)


def is_ours(path: Path) -> bool:
    """Whether a folder is ours, and no link to another; one that is not there is nobody else's."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return True
    return (
        found.st_uid == os.geteuid() and not found.st_mode & 0o022 and path.is_dir() and not path.is_symlink()
    )
