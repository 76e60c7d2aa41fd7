"""A note from the sync daemon to the recorder: another vessel has later samples of this vessel's current log.

This happens if a whole card is restored from an earlier copy. The card's files agree with one another, and
only other vessels have evidence of the later state. The next start of the recorder then begins a new log.

A boot document with this vessel's own signature proves that the log was continued after the copy was made. A
reading has no signature, so any vessel in the fleet could invent one. Unsigned evidence therefore ends a log
at most once a day, even across restarts.
"""

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sync import durable_files
from sync.folders import opener

NAME: Final = "log-goes-on-elsewhere"
BELIEVED: Final = "log-ended-unsigned"
"""Name of the file that records which log last ended because of an unsigned note, and when it ended."""
AGAIN_S: Final = 86_400.0
"""Minimum interval between the ends of two logs because of unsigned notes, in seconds."""
_SIGNED: Final = "signed"


@dataclass(frozen=True, slots=True)
class Note:
    """A note for the recorder: the documents of other vessels show that they have later samples of a log."""

    words: str
    is_signed: bool


def note(data: Path, log: str, words: str, *, is_signed: bool = False) -> None:
    """Record that other vessels have later samples of `log`. Raise OSError if that fails.

    `words` describes the evidence. An unsigned note does not replace a signed note.
    """
    before = read(data, log)
    if before is not None and before.is_signed and not is_signed:
        return
    with open(data / NAME, "w", opener=opener()) as file:
        file.write(f"{log}\n{words}\n" + (f"{_SIGNED}\n" if is_signed else ""))


def read(data: Path, log: str) -> Note | None:
    """Return the note that other vessels have later samples of `log`; None if there is none."""
    try:
        first, *rest = (data / NAME).read_text(errors="replace").splitlines()
    except (OSError, ValueError):
        return None
    if first != log:
        return None
    is_signed = rest[1:] == [_SIGNED]
    return Note((rest[0] if is_signed else " ".join(rest)).strip(), is_signed)


def may_believe(data: Path, log: str, utc: float) -> bool:
    """Return True if an unsigned note may end `log` at `utc`, in seconds since 1970.

    The note may end `log` if no log has ended because of an unsigned note within the last day, or if an
    earlier attempt to end `log` was interrupted. If the clock is wrong by more than a day, in either
    direction, the note may also end `log`.
    """
    try:
        when, *names = (data / BELIEVED).read_text().split()
        last = float(when)
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        last, names = math.nan, []
    if math.isfinite(last):
        return names == [log] or abs(utc - last) >= AGAIN_S
    with contextlib.suppress(OSError):  # replace the unreadable file, which starts a new period of one day
        remember(data, "", utc)
    return False


def remember(data: Path, log: str, utc: float) -> None:
    """Record durably that `log` ends now because of an unsigned note. Raise OSError if that fails."""
    fresh = data / f".{BELIEVED}.new"
    durable_files.create(fresh, f"{utc:.3f} {log}\n".encode())
    durable_files.rename(fresh, data / BELIEVED)


def forget(data: Path) -> None:
    """Remove the note after a new log has begun. Raise OSError if that fails."""
    (data / NAME).unlink(missing_ok=True)
