"""One piece of work at a time, in a thread: for what may take long where nobody may wait."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Background(Generic[Result]):
    """Starts the work when asked, unless it is at it; keeps the last result."""

    def __init__(self, work: Callable[[], Result], clock: Callable[[], float]) -> None:
        """`work` raises nothing; `clock`: seconds that never go back."""
        self._work, self._clock = work, clock
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._since = 0.0
        self.result: Result | None = None
        """Of the last time it came to its end; None before the first."""

    @property
    def busy_for(self) -> float | None:
        """For how many seconds it has been at it; None if it is not."""
        thread = self._thread
        return self._clock() - self._since if thread is not None and thread.is_alive() else None

    def start(self) -> None:
        """Begin, unless it is at it."""
        with self._starting:
            if self.busy_for is not None:
                return
            self._since = self._clock()
            # A daemon thread: what hangs in a broken card must not keep the person from leaving.
            thread = threading.Thread(target=self._run, name="files", daemon=True)
            thread.start()
            self._thread = thread

    def wait(self, patience: float) -> None:
        """Wait until it is done, `patience` seconds at most."""
        if self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        self.result = self._work()
