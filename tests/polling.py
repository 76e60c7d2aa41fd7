"""Polling for the effects of other processes and tasks that send no notification.

The pause before the next check is proportional to the cost of a check. A check takes processor time, or time
of the event loop, that the awaited process or task also needs.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

PATIENCE_S: Final = 60.0
"""Time in seconds that a condition may take to become true on a busy machine, before the test fails."""
LEAST_PAUSE_S: Final = 0.01
PAUSE_PER_COST: Final = 4
"""Ratio of the pause to the cost of a check, so that checking takes at most a fifth of the time."""

T = TypeVar("T")


class _Waiting:
    def __init__(self, what: str | Callable[[], str], within: float) -> None:
        self._what, self._within, self._began = what, within, time.monotonic()

    def ask(self, holds: Callable[[], T | None]) -> tuple[T | None, float]:
        """Return the answer and the pause before the next check. Fail after the time limit."""
        asked = time.monotonic()
        answer = holds()
        return answer, self.pause(answer, asked)

    def pause(self, answer: object, asked: float) -> float:
        """Return the pause after a check that began at `asked`. Fail after the time limit."""
        if not answer and asked - self._began > self._within:
            what = self._what if isinstance(self._what, str) else self._what()
            raise AssertionError(f"not within {self._within:g} s: {what}")
        return max(LEAST_PAUSE_S, PAUSE_PER_COST * (time.monotonic() - asked))


def wait_until(
    holds: Callable[[], T | None], what: str | Callable[[], str], *, within: float = PATIENCE_S
) -> T:
    """Poll a condition until it is true, and return the answer.

    Args:
        holds: function that checks the condition and returns the answer.
        what: description of the condition, or a function that returns a description of the state on timeout.
        within: seconds after which the test fails if the answer is still not true.
    """
    waiting = _Waiting(what, within)
    while True:
        answer, pause = waiting.ask(holds)
        if answer:
            return answer
        time.sleep(pause)


async def until(
    holds: Callable[[], T | None], what: str | Callable[[], str], *, within: float = PATIENCE_S
) -> T:
    """Poll a condition until it is true without blocking the event loop, and return the answer.

    See `wait_until` for the arguments.
    """
    waiting = _Waiting(what, within)
    while True:
        answer, pause = waiting.ask(holds)
        if answer:
            return answer
        await asyncio.sleep(pause)


async def until_awaited(
    holds: Callable[[], Awaitable[T | None]], what: str | Callable[[], str], *, within: float = PATIENCE_S
) -> T:
    """Poll an awaitable condition until it is true, and return the answer. See `wait_until`."""
    waiting = _Waiting(what, within)
    while True:
        asked = time.monotonic()
        answer = await holds()
        pause = waiting.pause(answer, asked)
        if answer:
            return answer
        await asyncio.sleep(pause)
