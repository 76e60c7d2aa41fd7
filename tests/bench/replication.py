"""Measures replication between two processes over TLS on loopback.

In steady state, replication in one direction should transfer 15,000 documents/s. It should reach at least
half the rate of a bare pipe, and be faster than Couchbase Lite. An update of one field should need at most
300 bytes. The time to replicate one change should grow by a factor of at most 1.2 as the store grows. Each
process should use at most 60 MiB of resident memory.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from sync.net.replicator import Replicator
from sync.store import Database
from tests.interop.builds import MissingError
from tests.interop.couchbase_lite.client import PULL, PUSH
from tests.interop.couchbase_lite.runtime import prepare

from . import lite, pipe, updates
from .serving import WARM_UP, Other, Steady, fill, open_store, pushed, replicator, served
from .store import body

AIM: Final = 15_000
OF_THE_POSSIBLE: Final = 0.5
FLAT: Final = 1.2
RESIDENT_MIB: Final = 60

TIMES: Final = 25
"""Number of timed changes, both on new connections and on an open connection."""


# Rates


def rates(folder: Path, count: int) -> None:
    """Measure push, pull and two baselines, and print their rates and their processor time per document."""
    print(
        f"replication between two processes over loopback TLS, {count:,} documents of "
        f"{len(json.dumps(body(1)))} bytes each way, the first {WARM_UP:.0%} not counted; "
        f"load of the machine {os.getloadavg()[0]:.1f} before"
    )
    print(
        f"  {'':22}{'documents/s':>12}  {'aim':<12}{'CPU µs/document':<24}{'bytes/document':<16}MiB resident"
    )
    push, of_push = carry(folder, count, push=True)
    pull, of_pull = carry(folder, count, push=False)
    bare = pipe.measure(folder, max(count, 20_000))  # fewer documents would take too little time to measure
    _row("push", push, f">= {AIM:,}", of_push)
    _row("pull", pull, f">= {AIM:,}", of_pull)
    _row("bare pipe", bare, "possible")
    try:
        runtime = prepare()
    except MissingError as missing:
        theirs = {}
        print(f"  Couchbase Lite: not measured here: {missing}")
    else:
        theirs = lite.measure(runtime, folder, folder / "pull-there.db", count)
        _row("Couchbase Lite, push", theirs[PUSH], "< ours")
        _row("Couchbase Lite, pull", theirs[PULL], "< ours")
    _ratio("push / bare pipe", push.rate / bare.rate, f">= {OF_THE_POSSIBLE}")
    _ratio("pull / bare pipe", pull.rate / bare.rate, f">= {OF_THE_POSSIBLE}")
    _ratio("pull / push", pull.rate / push.rate, "")
    if theirs:
        _ratio("push / Couchbase Lite", push.rate / theirs[PUSH].rate, "> 1")
        _ratio("pull / Couchbase Lite", pull.rate / theirs[PULL].rate, "> 1")


def carry(folder: Path, count: int, *, push: bool) -> tuple[Steady, str]:
    """Push or pull `count` documents. Return the rates, and the bytes and memory used as printable text."""
    way = "push" if push else "pull"
    here, there = folder / f"{way}-here.db", folder / f"{way}-there.db"
    fill(here if push else there, count)
    with open_store(here) as database, served(there) as other:
        steady = Steady(count, active=os.getpid(), passive=other.pid)
        running = replicator(database, other, push=push, pull=not push)

        async def run() -> None:
            task: asyncio.Task[object] = asyncio.create_task(_ending(running))
            await steady.follow(lambda: running.status.progress.pushed + running.status.progress.pulled, task)
            await task

        asyncio.run(run())
        status = running.status
        assert status.problem is None, status.problem
        each = sum(running.transferred) / count
        resident = f"{other.resident_mib:.0f} (aim <= {RESIDENT_MIB})"
    return steady, f"{each:<16.0f}{resident}"


async def _ending(running: Replicator) -> object:
    return await running.run()


def _row(name: str, steady: Steady, aim: str, more: str = "") -> None:
    active, passive = steady.cpu_us
    cpu = f"{active:.0f} active, {passive:.0f} passive"
    print(f"  {name:22}{steady.rate:12,.0f}  {aim:<12}{cpu:<24}{more}".rstrip(), flush=True)


def _ratio(name: str, ratio: float, aim: str) -> None:
    print(f"  {name:22}{ratio:12.2f}  {aim}".rstrip(), flush=True)


# One change


def one_change(folder: Path, sizes: tuple[int, ...]) -> None:
    """Measure and print the time to replicate one changed document, for stores of increasing size.

    The stores are measured alternately, so that other load on the machine affects all of them.
    """
    print(f"one changed document, both ways, median of {TIMES}; times the smallest store's: aim <= {FLAT}")
    print(f"  {'stored':>8}  {'connect, replicate, checkpoint':<34}put until it is durable there")
    with ExitStack() as stack:
        pairs = []
        for size in sizes:
            fill(folder / f"{size}-there.db", size)
            database = stack.enter_context(open_store(folder / f"{size}-here.db"))
            other = stack.enter_context(served(folder / f"{size}-there.db"))
            pairs.append((database, other))
            status = asyncio.run(replicator(database, other).run())
            assert (status.problem, status.progress.pulled) == (None, size), status
        anew = asyncio.run(_on_new_connections(pairs))
        up = asyncio.run(_on_one_connection(pairs))
        for size, first, second, (_, other) in zip(sizes, anew, up, pairs, strict=True):
            columns = [
                f"{1000 * seconds:.1f} ms ({seconds / smallest:.2f})"
                for seconds, smallest in ((first, anew[0]), (second, up[0]))
            ]
            print(
                f"  {size:8,}  {columns[0]:<34}{columns[1]:<20}{other.resident_mib:.0f} MiB resident there",
                flush=True,
            )


async def _in_turns(each: list[Callable[[int], Awaitable[None]]]) -> list[float]:
    """Run several operations alternately, and return the median duration of each in seconds."""
    found: list[list[float]] = [[] for _ in each]
    for number in range(TIMES):
        for once, times in zip(each, found, strict=True):
            began = time.perf_counter()
            await once(number)
            times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in found]


def _change(database: Database) -> None:
    database.put(f"note:bench:{time.monotonic_ns()}", body(1))


async def _on_new_connections(pairs: list[tuple[Database, Other]]) -> list[float]:
    async def once(database: Database, other: Other, _: int) -> None:
        _change(database)
        status = await replicator(database, other).run()
        assert (status.problem, status.progress.pushed) == (None, 1), status

    return await _in_turns([partial(once, *pair) for pair in pairs])


def _started(database: Database, other: Other) -> tuple[asyncio.Event, Replicator]:
    done = asyncio.Event()
    running = replicator(database, other, lambda _: done.set(), continuous=True)
    running.start()
    return done, running


async def _on_one_connection(pairs: list[tuple[Database, Other]]) -> list[float]:
    running, once_each = [], []

    async def once(database: Database, done: asyncio.Event, runs: Replicator, number: int) -> None:
        _change(database)
        await pushed(number + 2, done, runs)

    for database, other in pairs:
        done, runs = _started(database, other)
        running.append(runs)
        once_each.append(partial(once, database, done, runs))
        await once_each[-1](-1)  # the connection stays open afterwards
    found = await _in_turns([*once_each])
    for runs in running:
        await runs.stop()
    return found


def main(*, quick: bool = False) -> None:
    """Run all replication benchmarks, and print their tables."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        rates(folder, 5_000 if quick else 20_000)
        updates.measure(folder, 2 if quick else 7)
        one_change(folder, (1_000, 10_000) if quick else (1_000, 10_000, 100_000))


if __name__ == "__main__":
    main(quick="quick" in sys.argv[1:])
