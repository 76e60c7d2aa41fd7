"""Tests of outputs that users request through the control socket, and that the lights daemon carries out.

Requests arrive in threads of the control server. Only the daemon's main thread drives pins, so each request
waits until the main thread has started the test.
"""

import contextlib
import os
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from services.system.control_socket import ControlAnswer, OutputTest

from .output_panel import OutputError, OutputPanel

ANSWER_WITHIN_S: Final = 10.0
"""Time in seconds after which a request fails because the main thread has not started the test."""


@dataclass(slots=True, eq=False)
class _Waiting:
    request: OutputTest
    answered: threading.Event = field(default_factory=threading.Event)
    answer: ControlAnswer | None = None


class OutputTests:
    """Queue of the requested tests."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Return a descriptor that is readable when a test was requested."""
        return self._wake

    def handle(self, request: OutputTest) -> ControlAnswer:
        """Wait until the main thread has started a test, and return its answer. Call this from any thread."""
        waiting = _Waiting(request)
        self._waiting.append(waiting)
        os.eventfd_write(self._wake, 1)
        if not waiting.answered.wait(ANSWER_WITHIN_S) or waiting.answer is None:
            with contextlib.suppress(ValueError):  # it has just been taken
                self._waiting.remove(waiting)
            return ControlAnswer.refused(
                f"the lights daemon did not start the test within {ANSWER_WITHIN_S:g} s; run `logboat doctor`"
            )
        return waiting.answer

    def start(self, outputs: OutputPanel, now: float) -> None:
        """Start the requested tests. Only the main thread calls this.

        `now` is the time of the clock that the outputs use.
        """
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        while self._waiting:
            waiting = self._waiting.popleft()
            waiting.answer = _answer(outputs, waiting.request, now)
            waiting.answered.set()


def _answer(outputs: OutputPanel, request: OutputTest, now: float) -> ControlAnswer:
    try:
        return ControlAnswer(ok=True, on=outputs.test(request.output, request.seconds, now))
    except OutputError as error:
        return ControlAnswer.refused(str(error))
