"""Sets up logging when a daemon starts, in the same way for all daemons.

A separate thread writes every line to standard error, which goes to the systemd journal. That thread also
writes errors to `errors.log`. Other threads only put lines into a queue, so no commit waits for the systemd
journal or the card.
"""

import contextlib
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from .error_log import ErrorLog
from .limits import Limiter
from .lines import Foreground, LogLine, journal_level, of_exception, of_record

MOST_WAITING: Final = 1_000
"""Maximum number of queued lines. This limits memory use if the systemd journal stops accepting lines."""
_IDLE_S: Final = 1.0
_ENDS_WITHIN_S: Final = 3.0
_ONLY_KEPT: Final = "only_kept"
"""Name of the attribute that marks a record that should be saved but not printed.

Such a record was already written to standard error.
"""


@dataclass(frozen=True, slots=True)
class _Job:
    line: LogLine
    level: int
    is_shown: bool = True


class _Writer(threading.Thread):
    """Thread that writes log lines in the order in which they were queued."""

    def __init__(self, stream: TextIO, kept: ErrorLog | None) -> None:
        super().__init__(name="log", daemon=True)
        self._stream, self._kept = stream, kept
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._to_journal = "JOURNAL_STREAM" in os.environ
        self.dropped = 0

    def put(self, job: _Job) -> None:
        """Put a job into the queue, or drop it if the queue is full. Never block."""
        if self._queue.qsize() >= MOST_WAITING:
            self.dropped += 1
        else:
            self._queue.put(job)

    def finish(self) -> None:
        """Write the queued lines, waiting at most `_ENDS_WITHIN_S` seconds."""
        self._queue.put(None)
        self.join(_ENDS_WITHIN_S)

    def run(self) -> None:
        while True:
            try:
                job = self._queue.get(
                    timeout=_IDLE_S if self._kept is not None and self._kept.waits else None
                )
            except queue.Empty:
                job = _IDLE
            if self._kept is not None:
                self._kept.sync(time.monotonic(), at_once=job is None)
            if job is None:
                return
            if job is not _IDLE:
                self._write(job)

    def _write(self, job: _Job) -> None:
        if job.is_shown:
            head = journal_level(job.level) if self._to_journal else ""
            with contextlib.suppress(OSError, ValueError):  # no process reads standard error any more
                self._stream.write(f"{head}{job.line}\n")
                self._stream.flush()
        if job.level >= logging.ERROR and self._kept is not None:
            clock = time.clock_gettime(time.CLOCK_BOOTTIME)
            self._kept.append(job.line, utc=time.time(), clock=clock, now=time.monotonic())


_IDLE: Final = _Job(LogLine("", "", "", ""), 0)


class _Handler(logging.Handler):
    """Log handler that queues records, unless the same message was logged too often."""

    def __init__(self, daemon: str, writer: _Writer) -> None:
        super().__init__()
        self._daemon, self._writer = daemon, writer
        self._limiter = Limiter()
        self._levels: dict[str, tuple[int, str]] = {}
        self._told_at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._emit(record, time.monotonic())
        except Exception:  # noqa: BLE001  # a record that cannot be written must not end its thread
            self.handleError(record)

    def _emit(self, record: logging.LogRecord, now: float) -> None:
        line = of_record(record, self._daemon)
        place = f"{record.pathname}:{record.lineno}"
        self._levels[place] = (record.levelno, line.what)
        if now - self._told_at >= 1.0:
            self._told_at = now
            self.tell_kept_back(now)
        again = self._limiter.admit(place, line.text, now)
        if again is not None:
            line = LogLine(line.level, line.daemon, line.what, line.text, again)
            self._writer.put(_Job(line, record.levelno, not getattr(record, _ONLY_KEPT, False)))

    def tell_kept_back(self, now: float) -> None:
        """Log the counts of suppressed messages whose limiting period is over."""
        for place, words, count in self._limiter.due(now):
            level, what = self._levels[place]
            name = logging.getLevelName(level).lower()
            line = LogLine(name, self._daemon, what, words or "further messages, not written", count)
            self._writer.put(_Job(line, min(level, logging.WARNING)))


@contextlib.contextmanager
def running(daemon: str, data: Path | None) -> Iterator[None]:
    """Set up a daemon's logging for the duration of the context.

    Records go to standard error, and errors also to `errors.log` in `data`. An exception that ends the
    daemon, in any thread, is also logged as an error.
    """
    writer = _Writer(sys.stderr, None if data is None else ErrorLog(data))
    handler = _Handler(daemon, writer)
    root = logging.getLogger()
    level_before, hook_before = root.level, threading.excepthook
    writer.start()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    threading.excepthook = _thread_ended
    try:
        yield
    except Exception as error:
        log.critical("stopping: %s", of_exception(error, error.__traceback__), extra={_ONLY_KEPT: True})
        raise
    finally:
        threading.excepthook = hook_before
        root.removeHandler(handler)
        root.setLevel(level_before)
        handler.tell_kept_back(float("inf"))
        writer.finish()


@contextlib.contextmanager
def in_foreground() -> Iterator[None]:
    """Print warnings on standard error, without control characters, while a command runs interactively.

    If a daemon has set up its own handlers, those are used instead.
    """
    before = logging.lastResort
    logging.lastResort = _to_person(logging.WARNING)
    try:
        yield
    finally:
        logging.lastResort = before


@contextlib.contextmanager
def talkative() -> Iterator[None]:
    """Print all log records on standard error, without control characters, while a server runs.

    Use this function for a server that a user runs in the foreground.
    """
    root = logging.getLogger()
    level_before, handler = root.level, _to_person(logging.INFO)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level_before)


def _to_person(level: int) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)
    handler.setFormatter(Foreground())
    return handler


def fatal(text: str) -> None:
    """Write the reason for a daemon's exit to standard error, unchanged, and to `errors.log`."""
    sys.stderr.write(f"{text}\n")
    log.critical("%s", text, extra={_ONLY_KEPT: True})


def _thread_ended(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit:
        return
    name = "?" if args.thread is None else args.thread.name
    error = args.exc_value if args.exc_value is not None else args.exc_type()
    log.critical("thread %s has stopped: %s", name, of_exception(error, args.exc_traceback))


log = logging.getLogger("services.daemon")
