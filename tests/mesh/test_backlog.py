"""An alarm is replicated at once, even while a backlog of readings is being replicated.

Two processes use the live and the history stream of a link, over TLS on loopback.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Final, Self

import pytest

from sync import documents
from sync.mesh.link_streams import HISTORY, LIVE, STREAMS
from sync.net.listener import URLEndpointListener, URLEndpointListenerConfiguration
from sync.peer.passive import PassiveOptions
from sync.peer.progress import Direction, DocumentEnded
from sync.store import Database
from tests.bench.serving import Other, fill, open_store, replicator, served

AT_MOST: Final = 2.0
"""Time limit in seconds from the raising of an alarm until it is durable at the receiving vessel."""
BEGUN: Final = 0.1
"""Fraction of the backlog to transfer before the alarm is raised."""
ALARM: Final = documents.alarm_id("argo", "bilge", "abcdef", 7)
REQUEST: Final = "raise-an-alarm"
PATIENCE: Final = 120.0
COUNTS: Final = [10_000, pytest.param(50_000, marks=pytest.mark.torture)]


@pytest.mark.parametrize("count", COUNTS)
def test_alarm_overtakes_a_pushed_backlog(tmp_path: Path, count: int) -> None:
    fill(tmp_path / "here.db", count)
    with open_store(tmp_path / "here.db") as here, served(tmp_path / "there.db", listen) as other:

        async def main() -> None:
            async with Link(here, other, count) as link:
                began = time.monotonic()
                here.put(ALARM, {"type": "alarm", "severity": "alarm"})
                ended = await link.has(ALARM, Direction.PUSH)
                await link.judge(count, began, ended)

        asyncio.run(main())


@pytest.mark.parametrize("count", COUNTS)
def test_alarm_overtakes_a_pulled_backlog(tmp_path: Path, count: int) -> None:
    fill(tmp_path / "there.db", count)
    with open_store(tmp_path / "here.db") as here, served(tmp_path / "there.db", listen) as other:

        async def main() -> None:
            async with Link(here, other, count) as link:
                began = time.monotonic()
                # The other vessel raises the alarm when this document arrives. So the measured time includes
                # both directions.
                here.put(REQUEST, {})
                ended = await link.has(ALARM, Direction.PULL)
                await link.judge(count, began, ended)

        asyncio.run(main())


class Link:
    """Live and history replications with the vessel in the other process."""

    def __init__(self, here: Database, other: Other, count: int) -> None:
        self._count = count
        self._arrived: dict[tuple[str, Direction], asyncio.Future[float]] = {}
        self._loop = asyncio.get_running_loop()
        self.live = replicator(here, other, self._ended, stream=LIVE, continuous=True)
        self.history = replicator(here, other, lambda _: None, stream=HISTORY, continuous=True)

    async def __aenter__(self) -> Self:
        """Start both replications, and wait until they are in progress."""
        for replication in (self.live, self.history):
            replication.start()
        self._began = time.monotonic()
        await self._until(self._count * BEGUN)
        return self

    async def __aexit__(self, *_: object) -> None:
        for replication in (self.live, self.history):
            await replication.stop()

    @property
    def done(self) -> int:
        """Number of readings of the backlog that have been transferred."""
        progress = self.history.status.progress
        return progress.pushed + progress.pulled

    async def has(self, document_id: str, direction: Direction) -> float:
        """Wait until a document has been replicated, and return the time according to `time.monotonic`."""
        async with asyncio.timeout(PATIENCE):
            return await self._of(document_id, direction)

    async def judge(self, count: int, raised: float, arrived: float) -> None:
        """Assert that the alarm arrived in time, and before the backlog, which must arrive completely."""
        done = self.done
        assert done < count, "the backlog was over too soon to be one"
        await self._until(count)
        before, after = count * BEGUN / (raised - self._began), (count - done) / (time.monotonic() - arrived)
        print(
            f"\n  a backlog of {count:,} readings, of which {done:,} had come when the alarm came, "
            f"{1000 * (arrived - raised):.0f} ms after it was raised; {before:,.0f} readings a second before "
            f"(with connecting), {after:,.0f} after"
        )
        assert arrived - raised < AT_MOST

    async def _until(self, count: float) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.done < count:  # noqa: ASYNC110 -- to be told of each would slow it down
                await asyncio.sleep(0.005)

    def _of(self, document_id: str, direction: Direction) -> "asyncio.Future[float]":
        return self._arrived.setdefault((document_id, direction), self._loop.create_future())

    def _ended(self, told: Sequence[DocumentEnded]) -> None:
        for ended in told:
            arrived = self._of(ended.id, ended.direction)
            if ended.problem is None and not arrived.done():
                arrived.set_result(time.monotonic())


def listen(path: Path, pipe: Pipe) -> None:
    """Run the other vessel, which serves its store and raises an alarm on request."""

    async def main() -> None:
        with open_store(path) as database:

            def asked(_: object, told: Sequence[DocumentEnded]) -> None:
                if any(ended.id == REQUEST for ended in told):
                    database.put(ALARM, {"type": "alarm", "severity": "alarm"})

            async with serving(database, asked) as listener:
                assert listener.tls_identity is not None
                identity = listener.tls_identity
                pipe.send((listener.urls[0], identity.fingerprint, identity.chain_pem().decode()))
                await asyncio.get_running_loop().run_in_executor(None, pipe.recv)

    asyncio.run(main())


@asynccontextmanager
async def serving(database: Database, asked: object) -> AsyncIterator[URLEndpointListener]:
    listener = URLEndpointListener(
        URLEndpointListenerConfiguration(
            {"log": database},
            port=0,
            network_interface="127.0.0.1",
            authorize=lambda _: PassiveOptions(
                streams=STREAMS, keeps=lambda document_id: not documents.is_immutable(document_id)
            ),
            on_documents=asked,  # type: ignore[arg-type]
        )
    )
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop()
