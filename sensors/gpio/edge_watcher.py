"""Thread that waits for the edges of all GPIO lines.

The watcher decides when to call a line: as soon as the kernel has an event for it, or at a time that the line
requests. The line itself handles the events. After a call, a line may request not to be called for a while,
because the kernel buffers its events. A line with many edges can thus limit the number of wake-ups, instead
of causing one for each edge.

The garbage collector closes gpiozero devices that are no longer referenced, in any thread and at any point.
The lines are therefore kept in a dictionary that is only changed and copied by single atomic operations,
without a lock. The watcher's only lock is reentrant.

`EdgeWatcher.step` runs one round of the thread's loop. The method itself starts no thread, and reads the time
from a function that the caller supplies.
"""

import logging
import os
import select
import threading
import time
from dataclasses import dataclass
from typing import Final, Protocol

from .event_clock import Monotonic

_log = logging.getLogger(__name__)

_MILLISECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class NextCall:
    """Condition for the next call of a line's `service`."""

    at_ns: int | None = None
    """Latest time of the call (monotonic clock, ns); None for no particular time."""
    on_events: bool = True
    """True if the line must also be called as soon as the kernel has an event."""


class WatchedLine(Protocol):
    """Interface of a line that the watcher serves; the watcher may query a line once more after `remove`."""

    @property
    def wake(self) -> NextCall:
        """Condition for the next call of the line's `service`. The watcher reads it again in each round."""
        ...

    def fileno(self) -> int | None:
        """Return the file descriptor that becomes readable when the kernel has an event.

        After the line has been closed, return None.
        """
        ...

    def service(self, now_ns: int) -> None:
        """Handle pending events and due work. This method must not block, even if there is nothing to do."""
        ...


class EdgeWatcher:
    """Set of the lines to wait for, and the loop that calls them. It can be used from any thread."""

    def __init__(self, monotonic_ns: Monotonic = time.monotonic_ns) -> None:
        self._monotonic_ns = monotonic_ns
        self._lines: dict[WatchedLine, None] = {}
        self._lock = threading.RLock()
        self._nudge = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread: threading.Thread | None = None
        self._closing = False

    def add(self, line: WatchedLine) -> None:
        """Serve `line` from now on; do nothing if it is already served."""
        self._lines[line] = None
        with self._lock:
            if self._closing:
                self._lines.clear()
                raise RuntimeError("the watcher is closed")
            if self._thread is None:
                self._thread = self.start()
        self.nudge()

    def remove(self, line: WatchedLine) -> None:
        """Stop serving `line`; do nothing if it is not served."""
        self._lines.pop(line, None)
        self.nudge()

    def nudge(self) -> None:
        """Start a new round of the loop. This must be called after the `wake` of a line has changed."""
        with self._lock:
            if not self._closing:
                os.eventfd_write(self._nudge, 1)

    def start(self) -> threading.Thread | None:
        """Start the thread and return it; a subclass that runs the watcher without a thread returns None."""
        # a daemon: a program that forgets to close a gpiozero device must still be able to exit
        thread = threading.Thread(target=self._run, name="gpio edges", daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Stop the thread and remove all lines; safe to call twice."""
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
        """Wait until a line needs service, at most `timeout_s`, and serve every line that needs it."""
        lines = self._lines.copy()
        wakes = {line: line.wake for line in lines}
        listening: dict[int, WatchedLine] = {}
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
        # Rounded up, because waking up too early would require a second wake-up.
        return -(-min(waits_ns) // _MILLISECOND) if waits_ns else None

    def _service(self, line: WatchedLine, now_ns: int) -> None:
        try:
            line.service(now_ns)
        except Exception:  # noqa: BLE001
            # lines handle their own errors of input and output: this is a bug, and must affect only this line
            _log.exception("%s: internal error; edges on this line are no longer recorded", line)
            self._lines.pop(line, None)
