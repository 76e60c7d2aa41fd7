"""`boot.json` in the run directory: the result of the boot, for lights and status.

It exists from one boot to the next. Its `problems` are what the fault light shows: each is one line that
includes what to do.
"""

import contextlib
import shutil
from pathlib import Path
from typing import Final

import msgspec

from sync.folders import make_folder

from . import state_file
from .liveness import Shape

NAME: Final = "boot"
DAEMONS: Final = "logboat"
"""User and group of the daemons."""


class BootState(Shape, frozen=True, kw_only=True):
    """Results of the boot."""

    problems: tuple[str, ...] = ()
    """Failures to apply files or to set something up, shown by the fault light."""
    generated: bool = False
    """True if the vessel is not configured yet, and records under a generated name."""
    taken: tuple[str, ...] = ()
    """Files that were new, and are in force now."""
    networks: tuple[str, ...] = ()
    """Networks that are configured but not possible, and what to do."""
    radio_key: str = ""
    """The key that the radio was set up with; empty for the identity's own key.

    `3 after` means the later of the two keys in statement number 3 of the fleet's CA.
    """
    restarts: bool = False
    """True if the machine is about to restart, so that the kernel reads the wiring."""


def write(run: Path, state: BootState) -> None:
    """Replace the file, and create the folder in the same way as the daemons. Raise OSError if that fails."""
    if not run.exists():
        make_folder(run)
        with contextlib.suppress(LookupError, PermissionError):  # no such user: not an appliance
            shutil.chown(run, DAEMONS, DAEMONS)
            run.chmod(0o2770)
    path = state_file.path(run, NAME)
    state_file.write(path, msgspec.to_builtins(state))
    with contextlib.suppress(LookupError, PermissionError):
        shutil.chown(path, group=DAEMONS)


def read(run: Path) -> BootState:
    """Return the results of the last boot; the defaults if there are none."""
    content = state_file.read(state_file.path(run, NAME))
    try:
        return BootState() if content is None else msgspec.convert(content, BootState)
    except msgspec.ValidationError:
        return BootState()
