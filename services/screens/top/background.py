"""Runs slow work on a background thread, one call at a time, for callers that must not block."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Background(Generic[Result]):
    """Runner that calls a function on a background thread, one call at a time, and stores the last result."""

    def __init__(self, work: Callable[[], Result], clock: Callable[[], float]) -> None:
        """Set the function to run, which must not raise an exception. `clock` returns monotonic seconds."""
        self._work, self._clock = work, clock
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._since = 0.0
        self.result: Result | None = None
        """Result of the last completed call; None before the first result."""

    @property
    def busy_for(self) -> float | None:
        """Number of seconds since the running call started; None if no call is running."""
        thread = self._thread
        return self._clock() - self._since if thread is not None and thread.is_alive() else None

    def start(self) -> None:
        """Start the work, unless it is already running."""
        with self._starting:
            if self.busy_for is not None:
                return
            self._since = self._clock()
            # This is a daemon thread, so that work that is blocked by a faulty card does not prevent the
            # program from exiting.
            thread = threading.Thread(target=self._run, name="files", daemon=True)
            thread.start()
            self._thread = thread

    def wait(self, patience: float) -> None:
        """Wait until the running call has ended, but no longer than `patience` seconds."""
        if self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        self.result = self._work()
