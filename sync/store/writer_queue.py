"""A queue of the processes that wait for the store's write lock.

When SQLite's write lock is free, SQLite grants it to any process that requests it. So a process that writes
one transaction after another can keep another process waiting for seconds. To prevent this, each writer locks
a second lock, the turnstile, before it requests the write lock. It unlocks the turnstile when it has obtained
the write lock. While a writer has locked the turnstile, a process that has just finished writing must wait
for that writer.

The turnstile only makes access fair. SQLite's own lock protects the data. If a writer cannot lock the
turnstile within a second, for example because a stopped process has locked it, the writer continues without
it.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

_PATIENCE_S: Final = 1.0
_PAUSE_S: Final = 0.001


class WriterQueue:
    """Queue of the processes that write to one store. It uses a lock, the turnstile, on a separate file.

    The database file itself cannot be used for this purpose, because closing any of its descriptors would
    release SQLite's own locks (https://sqlite.org/howtocorrupt.html, section 2.2).
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError:
            self._descriptor = -1  # the folder is read-only, so no process can write to the store

    def enter(self) -> None:
        """Lock the turnstile. If this takes longer than one second, continue without the lock."""
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
        """Unlock the turnstile, so that the next writer can enter."""
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
