"""Finds the endpoint at which a vessel answers, by TLS handshakes with several candidates in parallel.

Such a handshake is called a probe. A candidate that does not answer does not delay the probes of others, and
a candidate with a wrong certificate is skipped. Over a slow radio link, a probe may take a long time. After a
few seconds, further probes start although the slow probe is still running.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sync.mesh.candidates import Candidate
from sync.net.happy_eyeballs import STAGGER
from sync.peer.problems import ProblemError

MOST_AT_ONCE: Final = 16
"""Maximum number of unfinished probes that are younger than `HELD_FOR`.

A probe uses a few milliseconds of CPU time on a small board.
"""
HELD_FOR: Final = 5.0
"""Seconds for which a probe counts towards `MOST_AT_ONCE`. A vessel nearby answers within this time.

A probe that takes longer uses only a file descriptor. There are at most 68 probes, one for each known
candidate of a vessel.
"""
BEGIN_WITHIN: Final = 30.0
"""Seconds from the start of an attempt after which no more probes start, so that the attempt ends.

Without this limit, an attempt would never end if an attacker kept announcing new addresses. An address that
has failed would then not be tried again. Probes of all 68 known candidates of a vessel start within 25 s.
"""
_LOOK_EVERY: Final = 1.0
"""Maximum seconds between two calls of `order`, which may return new candidates."""

Probe = Callable[[Candidate], Awaitable[None]]
"""Function that returns once the vessel has proved its identity at a candidate, or raises ProblemError."""


async def first_proven(
    order: Callable[[], Sequence[Candidate]], probe: Probe, *, failed: Callable[[Candidate], None]
) -> Candidate:
    """Return the first candidate for which the probe succeeds.

    Probes start `STAGGER` seconds apart, at most `MOST_AT_ONCE` of them within `HELD_FOR` seconds, and none
    after `BEGIN_WITHIN` seconds. Each candidate is probed once.

    Args:
        order: returns the candidates, the most likely first. It is called repeatedly, because new candidates
            may appear.
        probe: checks one candidate.
        failed: called with each candidate for which the probe fails.

    Raises:
        ProblemError: no probe succeeded. The error is the one for the most likely candidate.
    """
    likeliest = order()[0]
    clock = asyncio.get_running_loop().time
    until = clock() + BEGIN_WITHIN
    running: dict[asyncio.Task[None], tuple[Candidate, float]] = {}
    begun: set[Candidate] = set()
    problems: dict[Candidate, ProblemError] = {}
    try:
        while True:
            known = order() if clock() < until else ()
            waiting = [candidate for candidate in known if candidate not in begun]
            held = sum(clock() < since + HELD_FOR for _, since in running.values())
            if waiting and held < MOST_AT_ONCE:
                candidate = waiting.pop(0)
                begun.add(candidate)
                running[asyncio.ensure_future(_probed(probe, candidate))] = candidate, clock()
                held += 1
            if not running:
                raise problems[likeliest]
            wait = STAGGER if waiting and held < MOST_AT_ONCE else _LOOK_EVERY
            done, _ = await asyncio.wait(running, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                candidate, _ = running.pop(task)
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
