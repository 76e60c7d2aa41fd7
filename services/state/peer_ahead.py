"""A note from the sync daemon to the recorder: another vessel has more of the log that is written here.

That happens after a card was restored as a whole from an earlier copy: its files agree with one another, and
only other vessels know better. The next start of the recorder then begins a new log.
"""

from pathlib import Path
from typing import Final

from sync.folders import opening

NAME: Final = "log-goes-on-elsewhere"


def note(data: Path, log: str, words: str) -> None:
    """Note that `log` continues elsewhere; `words` says how that is known. Raise OSError if that fails."""
    with open(data / NAME, "w", opener=opening()) as file:
        file.write(f"{log}\n{words}\n")


def told(data: Path, log: str) -> str | None:
    """Return the words of the note if this log continues elsewhere, else None."""
    try:
        first, _, words = (data / NAME).read_text(errors="replace").partition("\n")
    except OSError:
        return None
    return words.strip() if first == log else None


def forget(data: Path) -> None:
    """Remove the note, after another log has begun. Raise OSError if that fails."""
    (data / NAME).unlink(missing_ok=True)
