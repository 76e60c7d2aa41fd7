"""Finds out at which of several places a vessel is: a TLS handshake with each, some at a time.

A place that does not answer holds up no other, and one whose certificate is not the vessel's is passed over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sync.mesh.candidates import Candidate
from sync.net.happy_eyeballs import STAGGER
from sync.peer.problems import ProblemError

MOST_AT_ONCE: Final = 16
"""Handshakes at one time. Each costs a small board some milliseconds, and a file descriptor."""

Probe = Callable[[Candidate], Awaitable[None]]
"""Returns once the vessel has proved that it is there. Raises ProblemError."""


async def first_proven(
    order: Callable[[], Sequence[Candidate]], probe: Probe, *, failed: Callable[[Candidate], None]
) -> Candidate:
    """Return the first candidate at which the probe succeeds.

    `order` tells the candidates, the likeliest first; it is asked again each time, as others may have been
    heard of. They are begun `STAGGER` seconds apart, `MOST_AT_ONCE` at a time, each once; `failed` is told of
    each that fails. Raises ProblemError, that of the likeliest, if none succeeds.
    """
    likeliest = order()[0]
    running: dict[asyncio.Task[None], Candidate] = {}
    begun: set[Candidate] = set()
    problems: dict[Candidate, ProblemError] = {}
    try:
        while True:
            waiting = [candidate for candidate in order() if candidate not in begun]
            if waiting and len(running) < MOST_AT_ONCE:
                candidate = waiting.pop(0)
                begun.add(candidate)
                running[asyncio.ensure_future(_probed(probe, candidate))] = candidate
            if not running:
                raise problems[likeliest]
            may_begin = waiting and len(running) < MOST_AT_ONCE
            done, _ = await asyncio.wait(
                running, timeout=STAGGER if may_begin else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                candidate = running.pop(task)
                error = task.exception()
                if error is None:
                    return candidate
                if not isinstance(error, ProblemError):
                    raise error
                problems[candidate] = error
                failed(candidate)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _probed(probe: Probe, candidate: Candidate) -> None:
    await probe(candidate)
