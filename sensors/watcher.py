"""One thread that waits for the edges of all GPIO lines.

Owns when a line is looked after: as soon as the kernel has an event for it, or at a time that the line asks
for. What looking after means is the line's business. A line that has just spoken may ask not to be called for
a while (the kernel keeps its events): so a fast line costs as many wakings as it wants, not one an edge.

gpiozero closes forgotten devices from the garbage collector, that is in any thread, anywhere: so the lines
are kept in a dictionary that is only changed and copied in one step each, without a lock, and the one lock
may be entered again.

`Watcher.step` is one round of the thread; it knows no threads, and time comes in by a function.
"""

import logging
import os
import select
import threading
import time
from dataclasses import dataclass
from typing import Final, Protocol

from .eventclock import Monotonic

_log = logging.getLogger(__name__)

_MILLISECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Wake:
    """When a line wants to be called next."""

    at_ns: int | None = None
    """At this time at the latest (monotonic clock); None for no particular time."""
    on_events: bool = True
    """As soon as the kernel has an event, too."""


class Watched(Protocol):
    """A line, as the watcher sees it. May be asked once more after `remove`."""

    @property
    def wake(self) -> Wake:
        """When it wants to be called next; asked anew for each round."""
        ...

    def fileno(self) -> int | None:
        """What is readable when the kernel has an event; None once it is closed."""
        ...

    def service(self, now_ns: int) -> None:
        """Take what there is, do what is due. Must not block, also when there is nothing."""
        ...


class Watcher:
    """The lines being waited for. Safe to use from any thread."""

    def __init__(self, monotonic_ns: Monotonic = time.monotonic_ns) -> None:
        self._monotonic_ns = monotonic_ns
        self._lines: dict[Watched, None] = {}
        self._lock = threading.RLock()
        self._nudge = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread: threading.Thread | None = None
        self._closing = False

    def add(self, line: Watched) -> None:
        """Look after `line` from now on. Nothing happens if that is so already."""
        self._lines[line] = None
        with self._lock:
            if self._closing:
                self._lines.clear()
                raise RuntimeError("the watcher is closed")
            if self._thread is None:
                self._thread = self.start()
        self.nudge()

    def remove(self, line: Watched) -> None:
        """Look after it no longer. Nothing happens if it was not."""
        self._lines.pop(line, None)
        self.nudge()

    def nudge(self) -> None:
        """Begin a new round: some line's `wake` has changed."""
        with self._lock:
            if not self._closing:
                os.eventfd_write(self._nudge, 1)

    def start(self) -> threading.Thread | None:
        """Start the thread."""
        # a daemon: who forgets to close a gpiozero device must still be able to leave Python
        thread = threading.Thread(target=self._run, name="gpio edges", daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Stop the thread and forget the lines; safe to call twice."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            os.eventfd_write(self._nudge, 1)
            thread = self._thread
        self._lines.clear()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        os.close(self._nudge)

    def _run(self) -> None:
        while not self._closing:
            self.step()

    def step(self, timeout_s: float | None = None) -> None:
        """Wait until something is to be done (at most `timeout_s`), and do all that is."""
        lines = self._lines.copy()
        wakes = {line: line.wake for line in lines}
        listening: dict[int, Watched] = {}
        waiting = select.poll()
        waiting.register(self._nudge, select.POLLIN)
        for line, wake in wakes.items():
            fd = line.fileno() if wake.on_events else None
            if fd is not None:
                listening[fd] = line
                waiting.register(fd, select.POLLIN)
        due = [wake.at_ns for wake in wakes.values() if wake.at_ns is not None]
        ready = [fd for fd, _ in waiting.poll(self._wait_ms(due, timeout_s))]
        if self._nudge in ready:
            os.eventfd_read(self._nudge)
        called = {listening[fd] for fd in ready if fd != self._nudge}
        now_ns = self._monotonic_ns()
        called.update(line for line, wake in wakes.items() if wake.at_ns is not None and wake.at_ns <= now_ns)
        for line in called:
            self._service(line, now_ns)

    def _wait_ms(self, due: list[int], timeout_s: float | None) -> int | None:
        waits_ns = [] if timeout_s is None else [round(timeout_s * 1e9)]
        if due:
            waits_ns.append(max(0, min(due) - self._monotonic_ns()))
        # rounded up: to wake up too early is to wake up twice
        return -(-min(waits_ns) // _MILLISECOND) if waits_ns else None

    def _service(self, line: Watched, now_ns: int) -> None:
        try:
            line.service(now_ns)
        except Exception:  # noqa: BLE001
            # lines catch the errors of their own work: this is a fault of ours, and its line's alone
            _log.exception("%s is looked after no longer", line)
            self._lines.pop(line, None)
