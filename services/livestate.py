"""Live state: `recorder.json` and `sync.json` in the run directory, what lights and commands look at.

Written whole once a second to memory (`/run`), renamed into place, so that a reader never sees half of it.
"""

import os
from pathlib import Path
from typing import Any, Final

import msgspec

from sync.folders import PUBLIC_FILE, opening

VERSION: Final = 1


def write(path: Path, state: dict[str, Any]) -> None:
    """Replace the file. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb", opener=opening(PUBLIC_FILE)) as file:
        file.write(msgspec.json.encode({"version": VERSION, **state}))
    temporary.replace(path)


def read(path: Path) -> dict[str, Any] | None:
    """What was last written; None if there is nothing, or nothing that can be read."""
    try:
        state = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return state if isinstance(state, dict) and state.get("version") == VERSION else None


def path(run: Path, daemon: str = "recorder") -> Path:
    """A daemon's file within the run directory."""
    return run / f"{daemon}.json"
