"""Folder for the temporary files of a run of the tests: in memory, where that is possible.

Most tests write to stores that flush each commit to the disk. They check what is in the files, and not that
a disk keeps them, so waiting for the disk is lost time. Tests marked `disk` use a folder on a disk
nevertheless. A run that selects the torture or image tests, or has a `TMPDIR` or `--basetemp`, does not use
memory.

The folder is removed when the tests have passed. If tests failed, the folder contains their files, until a
run that starts an hour later or more.
"""

import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
NEEDED: Final = 6_000_000_000
"""Free memory in bytes that a run requires. The files of all tests in progress need about a tenth of it."""
KEPT_S: Final = 3600.0
"""Time in seconds for which the files of failed tests are kept."""
PREFIX: Final = "logboat-"
_MARKS: Final = ("torture", "image")
"""Marks of tests whose files must not be in memory."""


def leaves_out(marks: str) -> bool:
    """Return True if a `-m` expression excludes all tests whose files must not be in memory."""
    return all(re.search(rf"\bnot {mark}\b", marks) for mark in _MARKS)


def make(memory: Path = MEMORY) -> Path | None:
    """Create the folder for this process and return its path; None if there is too little memory.

    Folders of earlier runs that have ended are removed.
    """
    try:
        system = os.statvfs(memory)
    except OSError:
        return None
    free = min(system.f_bavail * system.f_frsize, _available())
    if free < NEEDED or system.f_flag & os.ST_NOEXEC or not os.access(memory, os.W_OK | os.X_OK):
        return None
    for folder in memory.glob(f"{PREFIX}[0-9]*"):
        if _is_left_over(folder):
            shutil.rmtree(folder, ignore_errors=True)
    folder = memory / f"{PREFIX}{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier process with the same id
    folder.mkdir(0o700)
    return folder


def use(folder: Path) -> None:
    """Let this process and its children create their temporary files in the folder."""
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None


def _available() -> int:
    """Return the memory in bytes that processes can use without swapping."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


def _is_left_over(folder: Path) -> bool:
    try:
        return (
            not Path("/proc", folder.name.removeprefix(PREFIX)).exists()
            and time.time() - folder.stat().st_mtime > KEPT_S
        )
    except OSError:  # another run has removed it
        return False
