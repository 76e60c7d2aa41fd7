"""`errors.log` on the data partition: recent errors, which the in-memory journal loses in a power cut.

The log consists of two files of at most `LIMIT` bytes each. Several daemons append whole lines. Appended
lines are made durable at most once every `SYNC_EVERY_S` seconds. If the disk is full, lines are dropped and
counted. A daemon that fails repeatedly at startup does not fill the log, because a line that repeats a recent
line is counted but not written again for a while.
"""

import fcntl
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from .limits import same
from .lines import LogLine, StoredLogLine, parse

NAME: Final = "errors.log"
OLDER: Final = "errors.log.1"
LIMIT: Final = 128 * 1024
SYNC_EVERY_S: Final = 5.0
REPEATED_WITHIN_S: Final = 600.0
_TAIL: Final = 4_096
"""Number of bytes at the end of the file that are searched for an earlier copy of a new line."""
_MODE: Final = 0o660
"""File mode of the log, which gives all daemons write access through their common group."""


class ErrorLog:
    """Writer of `errors.log`, for use by one thread. Each process has its own writer."""

    def __init__(self, data: Path) -> None:
        """Set the paths in the data folder `data`, without reading or writing files."""
        self._path, self._older = data / NAME, data / OLDER
        self._synced_at = float("-inf")
        self._waiting: int | None = None
        self.lost = 0
        """Number of lines that could not be written since the last successful write."""
        self._again = 0

    def append(self, line: LogLine, *, utc: float, clock: float, now: float) -> None:
        """Append a line, unless it repeats a recent line. Failures are not raised, but counted in `lost`.

        `utc` is in seconds since 1970, and `clock` in seconds since the board started. `now` is the time of a
        monotonic clock, in seconds.
        """
        try:
            file = self._open()
        except OSError:
            self.lost += 1
            return
        try:
            tail = _tail(file)
            if _is_among(tail, line, utc, clock):
                self._again += 1
                return
            kept = StoredLogLine(utc, clock, replace(line, again=line.again + self._again), self.lost)
            begin = "" if not tail or tail.endswith("\n") else "\n"
            data = f"{begin}{kept}\n".encode(errors="replace")
            if os.fstat(file).st_size + len(data) > LIMIT:
                file = self._turn_over(file)
            if os.write(file, data) != len(data):
                self.lost += 1  # the disk is full, and only part of the line was written
                return
            self.lost = self._again = 0
            file = self._keep(file)
            self.sync(now)
        except OSError:
            self.lost += 1
        finally:
            if file >= 0:
                os.close(file)

    def sync(self, now: float, *, at_once: bool = False) -> None:
        """Make the appended lines durable if a sync is due or `at_once` is True. No exception is raised."""
        if self._waiting is None or not (at_once or self.is_due(now)):
            return
        file, self._waiting = self._waiting, None
        self._synced_at = now
        try:
            os.fsync(file)
        except OSError:
            self.lost += 1
        finally:
            os.close(file)

    def is_due(self, now: float) -> bool:
        """Return True if at least `SYNC_EVERY_S` seconds have passed since the last sync."""
        return now - self._synced_at >= SYNC_EVERY_S

    @property
    def waits(self) -> bool:
        """True if any appended line is not durable yet."""
        return self._waiting is not None

    def _keep(self, file: int) -> int:
        """Keep the file open for a later `sync`.

        Return the file descriptor that was kept before, which the caller must close, or -1.
        """
        before, self._waiting = self._waiting, file
        return -1 if before is None else before

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        is_new = not self._path.exists()
        file = os.open(self._path, flags, _MODE)
        if is_new:
            os.fchmod(file, _MODE)
        return file

    def _turn_over(self, file: int) -> int:
        """Rename the full file to `OLDER`, and return a new file. Only one process renames the file."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return file  # another process is renaming it now
        try:
            if os.fstat(file).st_ino == self._path.stat().st_ino:
                self._path.replace(self._older)
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
        fresh = self._open()
        os.close(file)
        return fresh


def read(data: Path) -> Iterator[StoredLogLine]:
    """Yield the saved lines, oldest first. Incomplete lines are skipped."""
    for name in (OLDER, NAME):
        try:
            text = (data / name).read_text(errors="replace")
        except OSError:
            continue
        yield from filter(None, map(parse, text.splitlines()))


def recent(data: Path, *, utc: float, within_s: float) -> list[StoredLogLine]:
    """Return the lines from the last `within_s` seconds.

    This includes lines with a later time, which were written while the clock was wrong.
    """
    return [kept for kept in read(data) if utc - kept.utc < within_s]


def _tail(file: int) -> str:
    size = os.fstat(file).st_size
    return os.pread(file, _TAIL, max(0, size - _TAIL)).decode(errors="replace")


def _is_among(tail: str, line: LogLine, utc: float, clock: float) -> bool:
    """Return True if `tail` contains the same message from the last `REPEATED_WITHIN_S` seconds.

    The earlier message may be from this boot or from an earlier boot.
    """
    for text in deque(tail.splitlines(), maxlen=10):
        kept = parse(text) if f" what={line.what} " in text else None
        if kept is None or (kept.line.daemon, kept.line.what) != (line.daemon, line.what):
            continue
        is_near = 0 <= clock - kept.clock < REPEATED_WITHIN_S or 0 <= utc - kept.utc < REPEATED_WITHIN_S
        if is_near and same(kept.line.text) == same(line.text):
            return True
    return False
