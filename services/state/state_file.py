"""Live state files, such as `recorder.json`, in the run directory. The lights and commands read these files.

Once a second, a daemon writes a new file to the in-memory file system (`/run`) and renames it, so that a
reader never sees a partial file.
"""

import os
from pathlib import Path
from typing import Any, Final

import msgspec

from sync.folders import PUBLIC_FILE, opener

VERSION: Final = 1


def write(path: Path, state: dict[str, Any]) -> None:
    """Replace a daemon's state file. Raise OSError if that fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb", opener=opener(PUBLIC_FILE)) as file:
        file.write(msgspec.json.encode({"version": VERSION, **state}))
    temporary.replace(path)


def read(path: Path) -> dict[str, Any] | None:
    """Return the state that was last written; None if the file is missing or cannot be read."""
    try:
        state = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return state if isinstance(state, dict) and state.get("version") == VERSION else None


def path(run: Path, daemon: str = "recorder") -> Path:
    """Return the path of a daemon's file in the run directory."""
    return run / f"{daemon}.json"
