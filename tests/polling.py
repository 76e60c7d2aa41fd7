"""Polling of conditions that depend on other processes or tasks, which send no notification.

The pause between two checks is proportional to the duration of a check. Checks take processor time, or event
loop time, that the awaited process or task also needs.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

PATIENCE_S: Final = 60.0
"""Time limit in seconds for a condition to become true, long enough for a busy machine."""
LEAST_PAUSE_S: Final = 0.01
PAUSE_PER_COST: Final = 4
"""Ratio of the pause to the duration of a check, so that checks take at most a fifth of the time."""

T = TypeVar("T")


class _Waiting:
    def __init__(self, what: str | Callable[[], str], within: float) -> None:
        self._what, self._within, self._began = what, within, time.monotonic()

    def ask(self, holds: Callable[[], T | None]) -> tuple[T | None, float]:
        """Check the condition. Return its value and the pause before the next check in seconds.

        Raise AssertionError if the condition is still false after the time limit.
        """
        asked = time.monotonic()
        answer = holds()
        return answer, self.pause(answer, asked)

    def pause(self, answer: object, asked: float) -> float:
        """Return the pause in seconds after a check that began at `asked` and returned `answer`.

        Raise AssertionError if the condition is still false after the time limit.
        """
        if not answer and asked - self._began > self._within:
            what = self._what if isinstance(self._what, str) else self._what()
            raise AssertionError(f"not within {self._within:g} s: {what}")
        return max(LEAST_PAUSE_S, PAUSE_PER_COST * (time.monotonic() - asked))


def wait_until(
    holds: Callable[[], T | None], what: str | Callable[[], str], *, within: float = PATIENCE_S
) -> T:
    """Poll a condition until it is true, and return its value.

    Args:
        holds: Function that returns the value of the condition.
        what: Description of the condition for the error message, or a function that returns the description.
        within: Time limit in seconds. If the condition is still false by then, AssertionError is raised.
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
    """Poll a condition until it is true, without blocking the event loop, and return its value.

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
    """Poll a condition that is a coroutine function until it is true, and return its value.

    See `wait_until` for the arguments.
    """
    waiting = _Waiting(what, within)
    while True:
        asked = time.monotonic()
        answer = await holds()
        pause = waiting.pause(answer, asked)
        if answer:
            return answer
        await asyncio.sleep(pause)
