"""Word of the sync daemon for the recorder: another vessel holds more of the log that is written here.

So it is after a card was put back to an earlier copy as a whole: its files agree with one another, and only
other vessels know better. The next start of the recorder begins a new log then.
"""

from pathlib import Path
from typing import Final

from sync.folders import opening

NAME: Final = "log-goes-on-elsewhere"


def note(data: Path, log: str, words: str) -> None:
    """Leave word that `log` goes on elsewhere; `words` say how that is known. Raises OSError."""
    with open(data / NAME, "w", opener=opening()) as file:
        file.write(f"{log}\n{words}\n")


def told(data: Path, log: str) -> str | None:
    """Return the words if word was left that this log goes on elsewhere; else None."""
    try:
        first, _, words = (data / NAME).read_text(errors="replace").partition("\n")
    except OSError:
        return None
    return words.strip() if first == log else None


def forget(data: Path) -> None:
    """Another log has begun. Raises OSError."""
    (data / NAME).unlink(missing_ok=True)
