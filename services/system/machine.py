"""Facts about this machine: its board, its current boot, and the date of its image."""

import os
from pathlib import Path
from typing import Final

from .version import VERSION

_BOARD_FACTS: Final = ("proc/device-tree/serial-number", "sys/class/dmi/id/product_uuid", "etc/machine-id")
"""Files that identify the board, in order of preference.

They contain a Raspberry Pi's serial number, a PC's product UUID, and the installation's machine id.
"""


def board(root: Path = Path("/")) -> str:
    """Return an id that distinguishes this board from other boards; "unknown" if no id can be read."""
    for fact in _BOARD_FACTS:
        text = _read(root / fact)
        if text:
            return text
    return "unknown"


def boot_id(root: Path = Path("/")) -> str:
    """Return the id of the current boot, which changes at every boot (random(4))."""
    return _read(root / "proc/sys/kernel/random/boot_id") or "unknown"


def image_epoch() -> float:
    """Return the date of the system image, in seconds since 1970. The current time cannot be earlier.

    Return 0 if the date is unknown.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    return float(text) if text.isdigit() else 0.0


def logboat_version() -> str:
    """Return the installed version of Logboat."""
    return VERSION


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""
