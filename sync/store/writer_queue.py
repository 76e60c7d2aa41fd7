"""A queue for the write lock.

SQLite gives its write lock to any process that asks while it is free. So a process that writes one
transaction after another can keep another process waiting for seconds. Here each writer first passes a
turnstile. A writer that waits for the write lock occupies it. The process that has just written must then
wait its turn.

The turnstile is a courtesy and protects nothing. A writer that cannot pass within a second continues without
it, for example because a stopped process occupies it.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

_PATIENCE_S: Final = 1.0
_PAUSE_S: Final = 0.001


class WriterQueue:
    """The turnstile of one store, in a separate file.

    The database file itself cannot be used: closing a descriptor of it would drop SQLite's own locks
    (howtocorrupt,
    2.2).
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError:
            self._descriptor = -1  # the folder is read-only, so nobody writes the store either

    def enter(self) -> None:
        """Wait for the turn, at most one second."""
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
        """Let the next writer enter."""
        if self._descriptor >= 0:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the turnstile's file descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
