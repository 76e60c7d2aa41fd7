"""A store that is served by another process, replicators for this store, and measurement of their rates."""

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
"""Fraction of a run that is not measured, because the processes are still connecting and filling caches."""
LOOK_EVERY: Final = 0.005
"""Interval at which progress is polled, in seconds."""
PATIENCE: Final = 60.0
"""Time limit in seconds for one document to be replicated or recorded."""

Server = Callable[[Path, Connection], None]
"""Function that serves a file in another process.

It sends its URL, fingerprint and PEM certificate through the pipe, and returns when it receives any message.
"""


@dataclass(frozen=True, slots=True)
class Other:
    """Process that serves a file over TLS."""

    url: str
    fingerprint: str
    certificate: str
    """Server certificate in PEM format."""
    pid: int

    @property
    def resident_mib(self) -> float:
        """Current resident memory of the process in MiB."""
        return resident_kib(self.pid)[0] / 1024


@contextmanager
def served(path: Path, by: Server | None = None) -> Iterator[Other]:
    """Serve a file over TLS in another process for the duration of the block.

    By default, the process serves a document store with Logboat's listener.
    """
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
    """Serve a store with Logboat's listener until a message arrives on the pipe."""

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
    """Send the URL and the certificate of this process through the pipe, and wait for any message."""
    pipe.send((url, identity.fingerprint, identity.chain_pem().decode()))
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)


def open_store(path: Path) -> Database:
    """Open a document store with the appliance's policy."""
    return Database.open(path, policy=documents.POLICY)


def fill(path: Path, count: int) -> None:
    """Add readings to a document store until it contains `count` documents."""
    with open_store(path) as database:
        for start in range(database.count(), count, BATCH):
            with database.transaction():
                for number in range(start, min(start + BATCH, count)):
                    database.put(reading_id(number), body(number))


def reading_id(number: int) -> str:
    """Return the document id of the reading with this number, counted from 0."""
    return documents.reading_id("bench", "s", "abcdef", number + 1)


def replicator(
    database: Database,
    other: Other,
    on_documents: Callable[[list[DocumentEnded]], None] | None = None,
    **options: Any,
) -> Replicator:
    """Return a replicator for a local store and the store that another process serves.

    The replicator accepts only the certificate of that process.
    """
    configuration = ReplicatorConfiguration(
        database, URLEndpoint(other.url), pinned_server_certificate=other.fingerprint, **options
    )
    return Replicator(configuration, on_documents=on_documents)


async def pushed(count: int, done: asyncio.Event, running: Replicator) -> None:
    """Wait until `count` documents have been pushed. `done` must be set after each push."""
    async with asyncio.timeout(PATIENCE):
        while running.status.progress.pushed < count:
            await done.wait()
            done.clear()
            assert not running.failures, running.failures


class Steady:
    """Measurement of a replication's rate and of both processes' processor time, after the warm-up."""

    def __init__(self, count: int, *, active: int, passive: int) -> None:
        """Prepare to measure a transfer of `count` documents between the processes `active` and `passive`."""
        self._count, self._pids = count, (active, passive)
        self._began: tuple[float, ...] = ()
        self._ended: tuple[float, ...] = ()

    def look(self, done: int) -> bool:
        """Record that `done` documents have been transferred so far. Return True if these are all.

        This method must be called every few milliseconds.
        """
        if not self._began and done >= self._count * WARM_UP:
            self._began = self._sample(done)
        if done < self._count:
            return False
        self._ended = self._sample(done)
        return True

    async def follow(self, done: Callable[[], int], run: "asyncio.Task[object]") -> None:
        """Poll `done` until the task `run` has transferred all documents.

        Raise the exception of the task, or RuntimeError if the task ends early.
        """
        while not self.look(done()):
            if run.done():
                msg = f"it ended after {done()} of {self._count} documents: {run.result()}"
                raise RuntimeError(msg)
            await asyncio.sleep(LOOK_EVERY)

    @property
    def rate(self) -> float:
        """Rate in documents per second."""
        return 1 / self._each(0)

    @property
    def cpu_us(self) -> tuple[float, float]:
        """Processor time of the active and of the passive process, in microseconds per document."""
        return 1e6 * self._each(1), 1e6 * self._each(2)

    def _sample(self, done: int) -> tuple[float, ...]:
        return time.perf_counter(), *(cpu_seconds(pid) for pid in self._pids), done

    def _each(self, what: int) -> float:
        documents_between = self._ended[3] - self._began[3]
        return (self._ended[what] - self._began[what]) / documents_between
