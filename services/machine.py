"""What machine this is: its board, its present start, the date of its image."""

import os
from pathlib import Path
from typing import Final

from .version import VERSION

_BOARD_FACTS: Final = ("proc/device-tree/serial-number", "sys/class/dmi/id/product_uuid", "etc/machine-id")
"""The first that can be read names the board: a Pi's serial number, a PC's, else the installation."""


def board(root: Path = Path("/")) -> str:
    """What tells this board from another; "unknown" if nothing does."""
    for fact in _BOARD_FACTS:
        text = _read(root / fact)
        if text:
            return text
    return "unknown"


def boot_id(root: Path = Path("/")) -> str:
    """Changes at every start of the machine (random(4))."""
    return _read(root / "proc/sys/kernel/random/boot_id") or "unknown"


def image_epoch() -> float:
    """The date of the image, seconds since 1970: it cannot be earlier than that. 0 if unknown."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    return float(text) if text.isdigit() else 0.0


def logboat_version() -> str:
    """The installed version."""
    return VERSION


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""
