"""The well-behaved client. One device writes notes, and another device of the same user receives them.

A round lasts from the moment when the first device writes a note until the second device has stored the note.
In between, the note is pushed to the vessel, made durable, announced to the second device, and requested. A
round therefore includes all the work that the sync daemon does for an ordinary client.
"""

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sync import documents
from sync.net.authenticators import BasicAuthenticator
from sync.net.endpoints import URLEndpoint
from sync.net.replicator import Replicator, ReplicatorConfiguration
from sync.peer.progress import DocumentEnded
from sync.store import Database
from tests.polling import PATIENCE_S

from .attacker import Target

_numbers = itertools.count(1)


@dataclass
class Times:
    """Durations of the client's rounds, in seconds."""

    each: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.each)

    @property
    def worst(self) -> float:
        return max(self.each)

    def __str__(self) -> str:
        return (
            f"{len(self.each)} rounds, median {1000 * self.median:.0f} ms, worst {1000 * self.worst:.0f} ms"
        )


class GoodClient:
    """Two devices of a well-behaved user. Each device has its own connection to the vessel."""

    def __init__(self, writer: Database, reader: Database, target: Target, user: str) -> None:
        self.writer = writer
        self._came = asyncio.Event()
        self._here: set[str] = set()
        self._reader = Replicator(
            _configuration(reader, target, user, push=False, channels=frozenset({"notes"})),
            on_documents=self._told,
        )
        self._writer = Replicator(_configuration(writer, target, user, pull=False))

    def start(self) -> None:
        """Connect both devices to the vessel."""
        self._reader.start()
        self._writer.start()

    async def stop(self) -> None:
        """Disconnect both devices, after waiting up to a second for work in progress."""
        await asyncio.gather(self._reader.stop(grace=1.0), self._writer.stop(grace=1.0))

    async def round(self) -> float:
        """Write a note, wait until the second device has received it, and return the duration in seconds."""
        note = documents.note_id("argo", f"{next(_numbers):026}")
        began = time.perf_counter()
        self.writer.put(note, {"type": "note", "vessel": "argo", "channels": ["notes", "vessel.argo"]})
        try:
            async with asyncio.timeout(PATIENCE_S):
                while note not in self._here:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            states = self._writer.status, self._reader.status
            raise AssertionError(f"a note was not read within {PATIENCE_S:g} s: {states}") from None
        return time.perf_counter() - began

    def _told(self, ended: list[DocumentEnded]) -> None:
        self._here |= {document.id for document in ended if document.problem is None}
        self._came.set()


@asynccontextmanager
async def good_client(folder: Path, target: Target, user: str) -> AsyncIterator[GoodClient]:
    """Connect two devices of a user to the vessel for the duration of the block."""
    async with AsyncExitStack() as stack:
        writer = stack.enter_context(Database.open(folder / "writer.db"))
        reader = stack.enter_context(Database.open(folder / "reader.db"))
        client = GoodClient(writer, reader, target, user)
        client.start()
        stack.push_async_callback(client.stop)
        await client.round()
        yield client


async def arrive(folder: Path, target: Target, user: str) -> float:
    """Connect a device to the vessel, push a note, disconnect, and return the duration in seconds."""
    note = documents.note_id("argo", f"{next(_numbers):026}")
    with Database.open(folder / "arriving.db") as database:
        database.put(note, {"type": "note", "vessel": "argo", "channels": ["notes", "vessel.argo"]})
        configuration = _configuration(database, target, user, pull=False, continuous=False)
        began = time.perf_counter()
        status = await Replicator(configuration).run()
        taken = time.perf_counter() - began
    assert status.problem is None, status.problem
    assert status.progress.pushed == 1, status
    return taken


def _configuration(
    database: Database, target: Target, user: str, **options: object
) -> ReplicatorConfiguration:
    return ReplicatorConfiguration(
        database,
        URLEndpoint(target.url),
        **({"continuous": True, "max_attempt_wait_time": 1.0} | options),  # type: ignore[arg-type]
        authenticator=BasicAuthenticator(user, target.password),
        pinned_server_certificate=target.fingerprint,
        heartbeat=30.0,
    )
