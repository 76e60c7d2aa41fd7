"""The ledger: a list of durable samples for external tests, written to a file descriptor.

Each sample is a line `sensor,log,seq`.

A line is written only after the commit that makes its sample durable. A slow reader never delays the
recorder, because lines are buffered in memory. If the buffer is full, or the reader has closed the pipe, no
more lines are written, and the recorder continues.
"""

import logging
import os
import select
from collections.abc import Iterable
from typing import Final

log = logging.getLogger(__name__)

AT_ONCE: Final = 4_096
"""Number of bytes that can be written to a pipe without blocking if poll(2) reports the pipe as writable."""
MOST_WAITING: Final = 8_000_000
"""Maximum number of bytes to buffer in memory, enough for about 300,000 lines."""
PATIENCE_S: Final = 5.0


class LedgerFile:
    """Ledger that is written to a file descriptor, which may be a pipe, a socket or a file."""

    def __init__(self, descriptor: int) -> None:
        """Prepare to write to the descriptor. Raise OSError if it is not open."""
        os.fstat(descriptor)
        self._descriptor = descriptor
        self._waiting = bytearray()
        self._ended = False
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def __call__(self, samples: Iterable[tuple[str, str, int]]) -> None:
        """Write a line for each of these durable samples. This method never blocks or raises an exception."""
        if self._ended:
            return
        for sensor, name, sequence in samples:
            self._waiting += f"{sensor},{name},{sequence}\n".encode()
        self._write(patience_s=0.0)
        if len(self._waiting) > MOST_WAITING:
            self._end("the reader is too slow")

    def finish(self, *, patience_s: float = PATIENCE_S) -> None:
        """Write the buffered lines. Give up if the reader accepts no data for `patience_s` seconds."""
        self._write(patience_s=patience_s)
        if self._waiting:
            self._end("the reader is too slow")

    def _write(self, *, patience_s: float) -> None:
        try:
            while self._waiting and self._poll.poll(patience_s * 1000):
                del self._waiting[: os.write(self._descriptor, self._waiting[:AT_ONCE])]
        except OSError as error:
            self._end(error.strerror or str(error))

    def _end(self, why: str) -> None:
        log.warning("the durability feed (--ledger) has stopped, but recording continues: %s", why)
        self._ended = True
        self._waiting.clear()
