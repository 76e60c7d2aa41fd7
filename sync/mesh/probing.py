"""Finding a vessel among several places by a TLS handshake with each, some in parallel.

A place that does not answer does not delay others, and one with a different certificate is skipped.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sync.mesh.candidates import Candidate
from sync.net.happy_eyeballs import STAGGER
from sync.peer.problems import ProblemError

MOST_AT_ONCE: Final = 16
"""Maximum number of parallel handshakes. Each costs a small board some milliseconds and a file descriptor."""

Probe = Callable[[Candidate], Awaitable[None]]
"""Function that returns once the vessel has proved that it is at a place. Raises ProblemError."""


async def first_proven(
    order: Callable[[], Sequence[Candidate]], probe: Probe, *, failed: Callable[[Candidate], None]
) -> Candidate:
    """Return the first candidate at which the probe succeeds.

    Probes start `STAGGER` seconds apart, at most `MOST_AT_ONCE` in parallel, and each candidate is probed
    once.

    Args:
        order: returns the candidates, the most likely first. It is called repeatedly, as new ones may have
            appeared.
        probe: checks one candidate.
        failed: called with each candidate that fails.

    Raises:
        ProblemError: no probe succeeds; this is the problem of the most likely candidate.
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
