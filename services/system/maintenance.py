"""Maintenance: makes an appliance's root file system writable until a timer makes it read-only again.

A file in the run directory shows that maintenance is in progress; the lights and `logboat status` read it.
The file is created before the root file system becomes writable, and removed after it is read-only again. The
lights therefore show maintenance for as long as the file system is writable. A restart also ends maintenance,
because the boot mounts the root file system read-only.
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
"""File below the root directory whose presence identifies an appliance."""
TIMER: Final = "logboat-maintenance-end"
LONGEST_S: Final = 12 * 3600
_UNITS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600}

Run = Callable[[Sequence[str]], None]


class MaintenanceError(Exception):
    """The root file system could not be made writable or read-only. The error message states the remedy."""


def seconds(text: str) -> int:
    """Return the number of seconds in a duration such as `30m`, `90 s` or `2h`.

    Raise ValueError if the duration is invalid.
    """
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
    """Make the root file system writable for `duration` seconds from now.

    If it is already writable, only the end of maintenance changes.

    Raise MaintenanceError or OSError if that fails.
    """
    if not (root / APPLIANCE).exists():
        raise MaintenanceError("this machine is not an appliance: its root file system is not read-only")
    state = {"since": utc, "until": utc + duration}
    files.write(place / STATE, json.dumps(state).encode() + b"\n")
    _forget_timer(tool)
    # Schedule the end first, so that maintenance ends even if this process is killed.
    tool(
        [
            *("systemd-run", "--quiet", f"--unit={TIMER}", f"--on-active={duration}s"),
            *("--timer-property=AccuracySec=1s", "/usr/bin/logboat", "maintenance", "--end"),
        ]
    )
    tool(["mount", "-o", "remount,rw", "/"])


def end(place: Path, *, tool: Run = run) -> None:
    """Make the root file system read-only.

    Raise MaintenanceError, and leave it writable, if a process still writes to it.
    """
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
    """Return the time at which maintenance ends, in seconds since 1970; None if none is in progress."""
    try:
        return float(json.loads((place / STATE).read_bytes())["until"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _forget_timer(tool: Run) -> None:
    try:
        tool(["systemctl", "stop", f"{TIMER}.timer"])
    except MaintenanceError:
        return  # no timer is running
