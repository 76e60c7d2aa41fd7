"""Maintenance: an appliance's root, made writable for a while and closed again by a timer.

The state is a file in the run directory for lights and status. It exists from before the root is opened until
after it is closed, so that a light never shows a closed root while it is open. A restart also closes it,
because the boot mounts it read-only.
"""

import json
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from provisioning import files

STATE: Final = "maintenance.json"
APPLIANCE: Final = Path("usr/lib/logboat/image.json")
"""File below the root that marks an appliance."""
TIMER: Final = "logboat-maintenance-end"
LONGEST_S: Final = 12 * 3600
_UNITS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600}

Run = Callable[[Sequence[str]], None]


class MaintenanceError(Exception):
    """Failure to open or close the root; the text says what to do."""


def seconds(text: str) -> int:
    """Return the seconds of a duration such as `30m`, `90 s` or `2h`. Raise ValueError if it is not valid."""
    match = re.fullmatch(r"(\d+) ?(s|m|min|h)", text.strip())
    wanted = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < wanted <= LONGEST_S:
        text = f"{text!r} is not a valid duration; write up to 12 h, such as 30m or 2h"
        raise ValueError(text)
    return wanted


def run(command: Sequence[str]) -> None:
    """Run a system tool. Raise MaintenanceError with its output if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        text = f"{command[0]} is not installed"
        raise MaintenanceError(text) from error
    if done.returncode:
        text = f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}"
        raise MaintenanceError(text)


def begin(place: Path, duration: int, *, utc: float, root: Path = Path("/"), tool: Run = run) -> None:
    """Open the root for `duration` seconds from now, also if it is open already.

    Raise MaintenanceError or OSError if that fails.
    """
    if not (root / APPLIANCE).exists():
        raise MaintenanceError("this machine is not an appliance: its root file system is not read-only")
    state = {"since": utc, "until": utc + duration}
    files.write(place / STATE, json.dumps(state).encode() + b"\n")
    _forget_timer(tool)
    # Arrange the end before the beginning, so that it comes whatever happens to this process.
    tool(
        [
            *("systemd-run", "--quiet", f"--unit={TIMER}", f"--on-active={duration}s"),
            *("--timer-property=AccuracySec=1s", "/usr/bin/logboat", "maintenance", "--end"),
        ]
    )
    tool(["mount", "-o", "remount,rw", "/"])


def end(place: Path, *, tool: Run = run) -> None:
    """Close the root. Raise MaintenanceError if a process still writes there; then the root stays open."""
    tool(["sync", "-f", "/"])
    try:
        tool(["mount", "-o", "remount,ro", "/"])
    except MaintenanceError as error:
        text = (
            f"{error}\na process is still writing to the root file system: stop it and try again, or "
            "restart the machine"
        )
        raise MaintenanceError(text) from error
    (place / STATE).unlink(missing_ok=True)
    _forget_timer(tool)


def until(place: Path) -> float | None:
    """Return the end of the maintenance, in seconds since 1970; None if the root is closed."""
    try:
        return float(json.loads((place / STATE).read_bytes())["until"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _forget_timer(tool: Run) -> None:
    try:
        tool(["systemctl", "stop", f"{TIMER}.timer"])
    except MaintenanceError:
        return  # no timer is running
