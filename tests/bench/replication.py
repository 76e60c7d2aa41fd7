"""Replication between two processes over loopback TLS: documents/s, bytes on the wire, cost of one change.

Aims (of the design): 15,000 documents/s one way in steady state and more than the real Couchbase Lite; an
update of one field for 300 bytes at most; one change costs the same however much is stored.
"""

import asyncio
import multiprocessing
import multiprocessing.connection
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sync import documents
from sync.net.endpoints import URLEndpoint
from sync.net.listener import URLEndpointListener, URLEndpointListenerConfiguration
from sync.net.replicator import Replicator, ReplicatorConfiguration
from sync.store import Database

from .store import BATCH, body

UPDATES = 20
EQUIPMENT = documents.equipment_id("bench", "rpm")


@dataclass(frozen=True, slots=True)
class Served:
    """A store that another process serves."""

    url: str
    fingerprint: str
    pipe: multiprocessing.connection.Connection

    def change(self, number: int) -> None:
        """Have the other process change one document."""
        self.pipe.send(number)
        self.pipe.recv()


def open_store(path: Path) -> Database:
    """As the appliance does."""
    return Database.open(path, single_writer=documents.is_single_writer)


def fill(path: Path, count: int) -> None:
    """Store so many readings."""
    with open_store(path) as database:
        for start in range(0, count, BATCH):
            with database.transaction():
                for number in range(start, min(start + BATCH, count)):
                    database.put(documents.reading_id("bench", "s", "abcdef", number + 1), body(number))


def serve(path: Path, pipe: multiprocessing.connection.Connection, *, tls: bool) -> None:
    """The other process: serves a store until it is told to end, and then tells what it used."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with open_store(path) as database:
            listener = URLEndpointListener(
                URLEndpointListenerConfiguration(
                    {"log": database}, port=0, network_interface="127.0.0.1", disable_tls=not tls
                )
            )
            await listener.start()
            identity = listener.tls_identity
            pipe.send((listener.urls[0], "" if identity is None else identity.fingerprint))
            while (number := await loop.run_in_executor(None, pipe.recv)) is not None:
                database.put(documents.reading_id("bench", "s", "abcdef", number), body(number))
                pipe.send(None)
            await listener.stop()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        pipe.send((usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))

    asyncio.run(main())


@contextmanager
def served(path: Path, used: list[tuple[float, float]], *, tls: bool = True) -> Iterator[Served]:
    """A store that another process serves; `used` gets its CPU seconds and MiB at most resident."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(path, theirs), kwargs={"tls": tls})
    process.start()
    url, fingerprint = ours.recv()
    yield Served(url, fingerprint, ours)
    ours.send(None)
    used.append(ours.recv())
    process.join()


def replicator(
    database: Database, other: Served, done: asyncio.Event | None = None, **options: object
) -> Replicator:
    """Of a store here with the one served, pinned; `done` is set when documents have been replicated."""
    return Replicator(
        ReplicatorConfiguration(
            database,
            URLEndpoint(other.url),
            pinned_server_certificate=other.fingerprint or None,
            **options,  # type: ignore[arg-type]
        ),
        on_documents=None if done is None else lambda _: done.set(),
    )


def rates(folder: Path, count: int) -> None:
    """Documents/s each way, CPU on either side, bytes a document."""
    print(f"replication over TLS between two processes, {count} documents of 300 bytes (aim 15,000/s)")
    for way in ("push", "pull"):
        ours, theirs = folder / f"{way}-ours.db", folder / f"{way}-theirs.db"
        fill(ours if way == "push" else theirs, count)
        used: list[tuple[float, float]] = []
        with open_store(ours) as database, served(theirs, used) as other:
            running = replicator(database, other, push=way == "push", pull=way == "pull")
            cpu, began = time.process_time(), time.perf_counter()
            status = asyncio.run(running.run())
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            assert status.problem is None, status.problem
            moved = status.progress.pushed + status.progress.pulled
            assert moved == count
            wire = sum(running.transferred)
        theirs_cpu, resident = used[0]
        print(
            f"  {way}: {count / seconds:7,.0f}/s; CPU {cpu / count * 1e6:.0f} µs a document here,"
            f" {theirs_cpu / count * 1e6:.0f} µs there (with its start);"
            f" {wire / count:.0f} bytes a document on the wire; serving process {resident:.0f} MiB"
        )


def bare_pipe(folder: Path, count: int) -> None:
    """What is possible: JSON parsed and inserted in lots of 200 in this process alone, no protocol."""
    import msgspec

    bodies = [msgspec.json.encode(body(number)) for number in range(count)]
    with open_store(folder / "bare.db") as database:
        began = time.perf_counter()
        for start in range(0, count, BATCH):
            database.insert_new(
                [
                    (documents.reading_id("bench", "s", "abcdef", number + 1), "1-ab", bodies[number], False)
                    for number in range(start, min(start + BATCH, count))
                ]
            )
        print(f"  the store alone takes in {count / (time.perf_counter() - began):,.0f}/s")


def couchbase_lite(folder: Path, count: int) -> None:
    """The real Couchbase Lite with our listener, the same documents."""
    from tests.interop.couchbase_lite.client import PULL, PUSH, CouchbaseLite
    from tests.interop.couchbase_lite.runtime import MissingError, prepare

    try:
        runtime = prepare()
    except MissingError as error:
        print(f"  Couchbase Lite: not measured, {error}")
        return
    fill(folder / "cbl-theirs.db", count)
    used: list[tuple[float, float]] = []
    (folder / "cbl").mkdir()
    with (
        CouchbaseLite(runtime, folder / "cbl") as program,
        served(folder / "cbl-theirs.db", used, tls=False) as other,
    ):
        for kind in (PULL, PUSH):
            app = program.open(f"bench-{kind}".lower())
            if kind == PUSH:
                app.put_many({f"app-{number:06}": body(number) for number in range(count)})
            began = time.perf_counter()
            status = app.replicator(other.url, kind=kind).run()
            seconds = time.perf_counter() - began
            assert status.error is None, status.error
            print(f"  Couchbase Lite for Java, {str(kind).lower()}: {count / seconds:,.0f}/s (without TLS)")
            app.close()


def updates(folder: Path) -> None:
    """Bytes for one field of an equipment document, on a connection that stays up."""
    for deltas in (True, False):
        ours, theirs = folder / f"up-{deltas}-ours.db", folder / f"up-{deltas}-theirs.db"
        used: list[tuple[float, float]] = []
        with open_store(ours) as database, served(theirs, used) as other:
            value = {**body(1), "type": "equipment", "value": 1.0, "path": "propulsion.main.revolutions"}
            revision = database.put(EQUIPMENT, value)

            async def main(
                database: Database = database,
                other: Served = other,
                value: dict[str, object] = value,
                revision: str = revision,
                deltas: bool = deltas,
            ) -> float:
                done = asyncio.Event()
                running = replicator(
                    database, other, done, pull=False, continuous=True, enable_delta_sync=deltas
                )
                running.start()
                await done.wait()
                before = 0
                for number in range(UPDATES):
                    if number == UPDATES // 2:
                        before = sum(running.transferred)
                    done.clear()
                    value["value"] = 1.5 + number
                    revision = database.put(EQUIPMENT, value, parent=revision)
                    await done.wait()
                spent = (sum(running.transferred) - before) / (UPDATES - UPDATES // 2)
                await running.stop()
                return spent

            spent = asyncio.run(main())
        words = "with delta (aim 300)" if deltas else "without delta"
        print(f"  one field of a document of {len(str(value))} bytes: {spent:.0f} bytes on the wire, {words}")


def one_change(folder: Path, sizes: tuple[int, ...]) -> None:
    """The time for one changed document, with ever more stored on both sides."""
    first: dict[str, float] = {}
    ours, theirs = folder / "one-ours.db", folder / "one-theirs.db"
    for size in sizes:
        fill_up(theirs, size)
        used: list[tuple[float, float]] = []
        with open_store(ours) as database, served(theirs, used) as other:
            asyncio.run(replicator(database, other).run())
            anew = asyncio.run(timed(lambda n: reconnect(database, other, n)))
            running = asyncio.run(continuous(database, other))
        found = {"on a new connection": anew, "on one that is up": running}
        words = []
        for name, seconds in found.items():
            first.setdefault(name, seconds)
            words.append(f"{seconds * 1000:.1f} ms {name} ({seconds / first[name]:.2f} of the first)")
        print(f"  one change, {size:7,} stored: {', '.join(words)}")


def fill_up(path: Path, count: int) -> None:
    """Store readings until there are so many."""
    with open_store(path) as database:
        have = database.count()
        for start in range(have, count, BATCH):
            with database.transaction():
                for number in range(start, min(start + BATCH, count)):
                    database.put(documents.reading_id("bench", "s", "abcdef", number + 1), body(number))


async def timed(once: Callable[[int], Awaitable[None]], times: int = 9) -> float:
    """Median seconds."""
    found = []
    for number in range(times):
        began = time.perf_counter()
        await once(number)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


async def reconnect(database: Database, other: Served, number: int) -> None:
    """Connect, replicate one change, store the checkpoint."""
    database.put(f"note:bench:{number}:{time.monotonic_ns()}", body(number))
    status = await replicator(database, other).run()
    assert status.progress.pushed == 1


async def continuous(database: Database, other: Served) -> float:
    """From a change here until it is durable there, on a connection that is up."""
    done = asyncio.Event()
    running = replicator(database, other, done, continuous=True)
    running.start()

    async def once(number: int) -> None:
        done.clear()
        database.put(f"note:bench:{number}:{time.monotonic_ns()}", body(number))
        await done.wait()

    await once(-1)  # it is up then
    seconds = await timed(once, 15)
    await running.stop()
    return seconds


def main(*, quick: bool = False) -> None:
    """Prints all of it."""
    count = 5_000 if quick else 20_000
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        rates(folder, count)
        bare_pipe(folder, count)
        couchbase_lite(folder, count)
        updates(folder)
        one_change(folder, (1_000, 10_000) if quick else (1_000, 10_000, 100_000))


if __name__ == "__main__":
    main(quick="quick" in sys.argv[1:])
