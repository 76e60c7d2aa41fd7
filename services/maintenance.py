"""An appliance's root, writable for a while: opened, told to lights and status, closed by a timer.

The state is a file in the run directory, there from before the root is opened until after it is closed, so
that a light never says "closed" of a root that is not. A restart closes, too: a start mounts it read-only.
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
"""Below the root; what has none is no appliance."""
TIMER: Final = "logboat-maintenance-end"
LONGEST_S: Final = 12 * 3600
_UNITS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600}

Run = Callable[[Sequence[str]], None]


class MaintenanceError(Exception):
    """It could not be opened or closed; the text says what to do."""


def seconds(text: str) -> int:
    """`30m`, `90 s`, `2h`. Raises ValueError."""
    found = re.fullmatch(r"(\d+) ?(s|m|min|h)", text.strip())
    wanted = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < wanted <= LONGEST_S:
        text = f"{text!r} is no time up to 12 h, such as 30m or 2h"
        raise ValueError(text)
    return wanted


def run(command: Sequence[str]) -> None:
    """A tool of the system's. Raises MaintenanceError with what it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        text = f"{command[0]} is not installed"
        raise MaintenanceError(text) from error
    if done.returncode:
        text = f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}"
        raise MaintenanceError(text)


def begin(place: Path, duration: int, *, utc: float, root: Path = Path("/"), tool: Run = run) -> None:
    """Open the root for so many seconds; again: for so many from now. Raises MaintenanceError, OSError."""
    if not (root / APPLIANCE).exists():
        raise MaintenanceError("this is no appliance: its root is not read-only")
    state = {"since": utc, "until": utc + duration}
    files.write(place / STATE, json.dumps(state).encode() + b"\n")
    _forget_timer(tool)
    # The end is arranged before the beginning: whatever happens to whoever typed this, it comes.
    tool(
        [
            *("systemd-run", "--quiet", f"--unit={TIMER}", f"--on-active={duration}s"),
            *("--timer-property=AccuracySec=1s", "/usr/bin/logboat", "maintenance", "--end"),
        ]
    )
    tool(["mount", "-o", "remount,rw", "/"])


def end(place: Path, *, tool: Run = run) -> None:
    """Close it. Raises MaintenanceError: whatever still writes there is named, and it stays open."""
    tool(["sync", "-f", "/"])
    try:
        tool(["mount", "-o", "remount,ro", "/"])
    except MaintenanceError as error:
        text = f"{error}\nsomething writes to the root still: end it and try again, or restart the machine"
        raise MaintenanceError(text) from error
    (place / STATE).unlink(missing_ok=True)
    _forget_timer(tool)


def until(place: Path) -> float | None:
    """When it ends, UTC; None if the root is closed."""
    try:
        return float(json.loads((place / STATE).read_bytes())["until"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _forget_timer(tool: Run) -> None:
    try:
        tool(["systemctl", "stop", f"{TIMER}.timer"])
    except MaintenanceError:
        return  # there is none
