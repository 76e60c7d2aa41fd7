"""Runs `logboat gnss` for `test_process`, with a fake clock that records each call that would set the clock.

The first argument is the file to which the calls are appended. The system clock is never set.
"""

import sys
import time
from functools import partial
from pathlib import Path
from unittest.mock import patch

from services.cli import main as cli
from services.clocks.kernel_clock import KernelClock
from services.gnss import daemon


class NotedClock:
    """Fake clock that is not synchronised until it is set for the first time."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self._set_at: float | None = None
        self._uncertainty = 16.0

    def read(self) -> KernelClock:
        if self._set_at is None:
            return KernelClock(is_synced=False, max_error_s=16.0)
        grown = (time.monotonic() - self._set_at) * 500e-6  # as the kernel does
        return KernelClock(is_synced=True, max_error_s=self._uncertainty + grown)

    def step(self, by_s: float, *, uncertainty_s: float) -> None:
        self._note("step", by_s, uncertainty_s)

    def slew(self, by_s: float, *, uncertainty_s: float) -> None:
        self._note("slew", by_s, uncertainty_s)

    def confirm(self, *, uncertainty_s: float) -> None:
        self._note("confirm", 0.0, uncertainty_s)

    def _note(self, how: str, by: float, uncertainty: float) -> None:
        self._set_at, self._uncertainty = time.monotonic(), uncertainty
        with self._notes.open("a") as file:
            file.write(f"{how} {by:.3f}\n")


def main() -> int:
    clock = NotedClock(Path(sys.argv[1]))
    with patch.object(daemon, "run", partial(daemon.run, setter=clock)):
        return cli.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
