"""`boot.json` in the run directory: how the start's taking-in and set-up ended, for lights and status.

It is there from the start until the next one. Whoever reads it finds in `problems` what the fault light has
to show: each one line, with what to do.
"""

import contextlib
import shutil
from pathlib import Path
from typing import Final

import msgspec

from services import livestate
from services.liveness import Shape
from sync.folders import make_folder

NAME: Final = "boot"
DAEMONS: Final = "logboat"
"""Their user and group."""


class BootState(Shape, frozen=True, kw_only=True):
    """What there is to tell of the start."""

    problems: tuple[str, ...] = ()
    """What could not be taken in or set up: the fault light's."""
    generated: bool = False
    """Whether nobody has said yet which vessel this is: it records under a name of its own."""
    taken: tuple[str, ...] = ()
    """What was new, and is in force now."""
    networks: tuple[str, ...] = ()
    """Networks that are wanted and cannot be, and what to do."""
    radio_key: str = ""
    """The key that the radio was set up with. `3 after`: of the two keys in statement number 3 of the fleet's
    CA, the later one. Empty for the identity's own key."""
    restarts: bool = False
    """Whether the machine is about to restart, for the kernel to learn of the wiring."""


def write(run: Path, state: BootState) -> None:
    """Replace it; the folder is made as the daemons make it. Raises OSError."""
    if not run.exists():
        make_folder(run)
        with contextlib.suppress(LookupError, PermissionError):  # no such user: not an appliance
            shutil.chown(run, DAEMONS, DAEMONS)
            run.chmod(0o2770)
    path = livestate.path(run, NAME)
    livestate.write(path, msgspec.to_builtins(state))
    with contextlib.suppress(LookupError, PermissionError):
        shutil.chown(path, group=DAEMONS)


def read(run: Path) -> BootState:
    """What the last start told; nothing if it told nothing."""
    found = livestate.read(livestate.path(run, NAME))
    try:
        return BootState() if found is None else msgspec.convert(found, BootState)
    except msgspec.ValidationError:
        return BootState()
