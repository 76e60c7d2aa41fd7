"""`boot.json` in the run directory: the result of the last boot, for the lights and `logboat status`.

The file is kept until the next boot. The fault light shows whether the file contains any entries under
`problems` or `unused` (files that were not used). Each entry is one line that says what to do.
"""

import contextlib
import shutil
from pathlib import Path
from typing import Annotated, Final

import msgspec

from sync.folders import make_folder

from . import state_file
from .described import described
from .liveness import Shape

NAME: Final = "boot"
DAEMONS: Final = "logboat"
"""Name of the user and of the group under which the daemons run."""


class BootState(Shape, frozen=True, kw_only=True):
    """Result of the appliance's last boot: problems, unused files, and what was set up."""

    problems: Annotated[
        tuple[str, ...], described("Failures to apply files or to set something up, each with what to do.")
    ] = ()
    unused: Annotated[
        tuple[str, ...],
        described(
            "Files on the card that were probably meant for Logboat, but are not used, each with what to do.",
            optional=True,
        ),
    ] = ()
    generated: Annotated[
        bool,
        described("True if no vessel id is configured, so that the vessel records under a generated one."),
    ] = False
    taken: Annotated[tuple[str, ...], described("Names of the new files that were applied.")] = ()
    networks: Annotated[
        tuple[str, ...], described("Networks that are configured but cannot be set up, each with what to do.")
    ] = ()
    radio_key: Annotated[
        str,
        described(
            "Key with which the radio was set up: number of the statement from the fleet's "
            "CA, and which of its two keys; '' for the key in the identity.",
            pattern="^([0-9]+ (before|after))?$",
            optional=True,
        ),
    ] = ""
    restarts: Annotated[
        bool, described("True if the machine is about to restart, so that the kernel reads the new wiring.")
    ] = False


def write(run: Path, state: BootState) -> None:
    """Replace `boot.json`, creating the run directory if it is missing. Raise OSError if that fails."""
    if not run.exists():
        make_folder(run)
        # the user `logboat` does not exist, so this is not an appliance
        with contextlib.suppress(LookupError, PermissionError):
            shutil.chown(run, DAEMONS, DAEMONS)
            run.chmod(0o2770)
    path = state_file.path(run, NAME)
    state_file.write(path, msgspec.to_builtins(state))
    with contextlib.suppress(LookupError, PermissionError):
        shutil.chown(path, group=DAEMONS)


def read(run: Path) -> BootState:
    """Return the result of the last boot. If there is none, return a result with all default values."""
    content = state_file.read(state_file.path(run, NAME))
    try:
        return BootState() if content is None else msgspec.convert(content, BootState)
    except msgspec.ValidationError:
        return BootState()
