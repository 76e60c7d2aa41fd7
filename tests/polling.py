"""Waits for what other processes and tasks do, where nothing tells of it.

A question is asked again after a pause in proportion to what it cost: it is asked on the processor, or in the
event loop, on which the answer has to come about.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

PATIENCE_S: Final = 60.0
"""For things that must happen, on a machine that may be busy; who waits this long has failed."""
LEAST_PAUSE_S: Final = 0.01
PAUSE_PER_COST: Final = 4
"""A fifth of the time at most goes into asking."""

T = TypeVar("T")


class _Waiting:
    def __init__(self, what: str | Callable[[], str], within: float) -> None:
        self._what, self._within, self._began = what, within, time.monotonic()

    def ask(self, holds: Callable[[], T | None]) -> tuple[T | None, float]:
        """Return the answer, and the pause before it is asked again. Fail when it is too late."""
        asked = time.monotonic()
        answer = holds()
        return answer, self.pause(answer, asked)

    def pause(self, answer: object, asked: float) -> float:
        """Return the pause after an answer to what was asked then. Fail when it is too late."""
        if not answer and asked - self._began > self._within:
            what = self._what if isinstance(self._what, str) else self._what()
            raise AssertionError(f"not within {self._within:g} s: {what}")
        return max(LEAST_PAUSE_S, PAUSE_PER_COST * (time.monotonic() - asked))


def wait_until(
    holds: Callable[[], T | None], what: str | Callable[[], str], *, within: float = PATIENCE_S
) -> T:
    """Ask until the answer is true, and return it.

    Args:
        holds: the question.
        what: what is waited for, in words, or a function that tells how things are when it was in vain.
        within: seconds after which a question that is not answered with yes has failed.
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
    """Ask until the answer is true, and return it; the event loop goes on meanwhile. See `wait_until`."""
    waiting = _Waiting(what, within)
    while True:
        answer, pause = waiting.ask(holds)
        if answer:
            return answer
        await asyncio.sleep(pause)


async def until_awaited(
    holds: Callable[[], Awaitable[T | None]], what: str | Callable[[], str], *, within: float = PATIENCE_S
) -> T:
    """Ask until the awaited answer is true, and return it. See `wait_until`."""
    waiting = _Waiting(what, within)
    while True:
        asked = time.monotonic()
        answer = await holds()
        pause = waiting.pause(answer, asked)
        if answer:
            return answer
        await asyncio.sleep(pause)
