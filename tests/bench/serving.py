"""A store served by another process, replication with it, and rates taken on both sides in steady state."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from sync import documents
from sync.net.endpoints import URLEndpoint
from sync.net.listener import URLEndpointListener, URLEndpointListenerConfiguration
from sync.net.replicator import Replicator, ReplicatorConfiguration
from sync.net.tls_identity import TLSIdentity
from sync.peer.progress import DocumentEnded
from sync.store import Database

from .recorder import cpu_seconds, resident_kib
from .store import BATCH, body

WARM_UP: Final = 0.1
"""The part of a run that is not counted: connecting, first pages, caches."""
LOOK_EVERY: Final = 0.005
"""Seconds."""
PATIENCE: Final = 60.0
"""Seconds."""

Server = Callable[[Path, Connection], None]
"""Serves a file: sends its URL and certificate, fingerprint and PEM, and ends when it is sent something."""


@dataclass(frozen=True, slots=True)
class Other:
    """The other process."""

    url: str
    fingerprint: str
    certificate: str
    """In PEM."""
    pid: int

    @property
    def resident_mib(self) -> float:
        """Memory that it holds now."""
        return resident_kib(self.pid)[0] / 1024


@contextmanager
def served(path: Path, by: Server | None = None) -> Iterator[Other]:
    """A file served by another process over TLS; without `by`, a store, by our listener."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=by or listen, args=(path, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        url, fingerprint, certificate = ours.recv()
        assert process.pid is not None
        yield Other(url, fingerprint, certificate, process.pid)
        ours.send(None)
        process.join(30)
        assert process.exitcode == 0, f"the serving process ended with {process.exitcode}"
    finally:
        process.kill()
        process.join()
        ours.close()


def listen(path: Path, pipe: Connection) -> None:
    """Serve a store as the appliance does."""

    async def main() -> None:
        with open_store(path) as database:
            listener = URLEndpointListener(
                URLEndpointListenerConfiguration({"log": database}, port=0, network_interface="127.0.0.1")
            )
            await listener.start()
            assert listener.tls_identity is not None
            await until_told(pipe, listener.urls[0], listener.tls_identity)
            await listener.stop()

    asyncio.run(main())


async def until_told(pipe: Connection, url: str, identity: TLSIdentity) -> None:
    """Say where this process listens, and wait until it is to end."""
    pipe.send((url, identity.fingerprint, identity.chain_pem().decode()))
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)


def open_store(path: Path) -> Database:
    """As the appliance does."""
    return Database.open(path, single_writer=documents.is_single_writer)


def fill(path: Path, count: int) -> None:
    """Store readings until there are so many."""
    with open_store(path) as database:
        for start in range(database.count(), count, BATCH):
            with database.transaction():
                for number in range(start, min(start + BATCH, count)):
                    database.put(reading_id(number), body(number))


def reading_id(number: int) -> str:
    """Id of the reading of this number, from 0."""
    return documents.reading_id("bench", "s", "abcdef", number + 1)


def replicator(
    database: Database,
    other: Other,
    on_documents: Callable[[list[DocumentEnded]], None] | None = None,
    **options: Any,
) -> Replicator:
    """Of a store here with the one served, whose certificate is pinned."""
    configuration = ReplicatorConfiguration(
        database, URLEndpoint(other.url), pinned_server_certificate=other.fingerprint, **options
    )
    return Replicator(configuration, on_documents=on_documents)


async def pushed(count: int, done: asyncio.Event, running: Replicator) -> None:
    """Wait until so many documents have been pushed; `done` is set whenever some have."""
    async with asyncio.timeout(PATIENCE):
        while running.status.progress.pushed < count:
            await done.wait()
            done.clear()
            assert not running.failures, running.failures


class Steady:
    """Documents/s and CPU on either side, from the end of the warm-up to the last document."""

    def __init__(self, count: int, *, active: int, passive: int) -> None:
        """`active` and `passive` are process ids."""
        self._count, self._pids = count, (active, passive)
        self._began: tuple[float, ...] = ()
        self._ended: tuple[float, ...] = ()

    def look(self, done: int) -> bool:
        """So many are done; whether those are all. To be called every few milliseconds."""
        if not self._began and done >= self._count * WARM_UP:
            self._began = self._sample(done)
        if done < self._count:
            return False
        self._ended = self._sample(done)
        return True

    async def follow(self, done: Callable[[], int], run: "asyncio.Task[object]") -> None:
        """Look until all are done, by `run`; raises what it raises, RuntimeError if it ends before."""
        while not self.look(done()):
            if run.done():
                msg = f"it ended after {done()} of {self._count} documents: {run.result()}"
                raise RuntimeError(msg)
            await asyncio.sleep(LOOK_EVERY)

    @property
    def rate(self) -> float:
        """Documents/s."""
        return 1 / self._each(0)

    @property
    def cpu_us(self) -> tuple[float, float]:
        """Microseconds a document, active and passive side."""
        return 1e6 * self._each(1), 1e6 * self._each(2)

    def _sample(self, done: int) -> tuple[float, ...]:
        return time.perf_counter(), *(cpu_seconds(pid) for pid in self._pids), done

    def _each(self, what: int) -> float:
        documents_between = self._ended[3] - self._began[3]
        return (self._ended[what] - self._began[what]) / documents_between
