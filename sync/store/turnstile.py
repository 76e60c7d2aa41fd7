"""Takes writers in turn.

SQLite gives its write lock to whoever happens to ask while it is free, so a process that writes one
transaction after the other can keep another waiting for seconds. Here each writer goes through a turnstile
first: who waits for the write lock stands in it, and keeps the one that has just written out until it has
passed.

It is a courtesy and guards nothing: a writer that cannot get through for a second (a stopped process stands
in it, say) goes on without.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

_PATIENCE_S: Final = 1.0
_PAUSE_S: Final = 0.001


class Turnstile:
    """The turnstile of one store, in a file of its own.

    Never the database itself: closing a descriptor of that would drop SQLite's own locks (howtocorrupt, 2.2).
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError:
            self._descriptor = -1  # a folder that cannot be written: nobody writes the store either

    def enter(self) -> None:
        """Wait for the turn, a second at most."""
        if self._descriptor < 0:
            return
        deadline = 0.0
        while not self._try():
            now = time.monotonic()
            deadline = deadline or now + _PATIENCE_S
            if now > deadline:
                return
            time.sleep(_PAUSE_S)

    def leave(self) -> None:
        """Let the next one in."""
        if self._descriptor >= 0:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
