"""A replicator and a listener that are connected through a faulty proxy end up with the same documents."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sync import documents
from sync.net.endpoints import URLEndpoint
from sync.net.listener import URLEndpointListener, URLEndpointListenerConfiguration
from sync.net.replicator import Replicator, ReplicatorConfiguration
from sync.peer.active import Activity
from sync.replication.checkpoint_id import Peer
from sync.store import Database

from .proxy import Fault, How, Place, Proxy, Way
from .wire import run

FRAMES = (0, 1, 6)
CUTS = [
    *((place, 0) for place in (Place.IN_HANDSHAKE, Place.AFTER_HANDSHAKE)),
    *(
        (place, frame)
        for frame in FRAMES
        for place in Place
        if place not in {Place.IN_HANDSHAKE, Place.AFTER_HANDSHAKE}
    ),
]


def fill(database: Database, name: str, count: int) -> None:
    with database.transaction():
        for number in range(count):
            database.put(documents.reading_id(name, "rpm", "abcdef", number), {"values": [number] * 20})
        database.put("both", {"by": name})
        digest = database.blobs.put(random.Random(name).randbytes(40_000))
        photo = {"@type": "blob", "digest": digest, "length": 40_000, "content_type": "image/png"}
        database.put(f"photo-{name}", {"photo": photo})


def contents(database: Database) -> dict[str, tuple[str, bool]]:
    return {document.id: (document.rev, document.deleted) for document in database.documents(deleted=True)}


@dataclass
class Pair:
    """Two stores that replicate continuously with each other through a faulty proxy."""

    ours: Database
    theirs: Database
    proxy: Proxy
    replicator: Replicator
    listener: URLEndpointListener

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 -- a store changes in no event of ours
            await asyncio.sleep(0.005)

    async def until_same(self) -> None:
        await self.until(
            lambda: (
                self.replicator.status.activity is Activity.IDLE
                and self.ours.count() == self.theirs.count()
                and contents(self.ours) == contents(self.theirs)
                and not self.ours.conflicts()
            )
        )
        for store in (self.ours, self.theirs):
            assert store.check(deep=True) == []
            for photo in store.documents("photo-"):
                assert len(store.blobs.read(photo.body["photo"]["digest"])) == 40_000


@asynccontextmanager
async def pair(
    folder: Path,
    *faults: Fault,
    count: int = 60,
    slow: random.Random | None = None,
    most: int = 65_536,
) -> AsyncIterator[Pair]:
    before = asyncio.all_tasks()
    with (
        Database.open(folder / "ours.db", policy=documents.POLICY) as ours,
        Database.open(folder / "theirs.db", policy=documents.POLICY) as theirs,
    ):
        fill(ours, "ours", count)
        fill(theirs, "theirs", count)
        listener = URLEndpointListener(
            URLEndpointListenerConfiguration(
                {"log": theirs}, port=0, network_interface="127.0.0.1", disable_tls=True
            )
        )
        await listener.start()
        assert listener.port is not None
        async with Proxy(listener.port, faults=faults, slow=slow, most=most) as proxy:
            replicator = Replicator(
                ReplicatorConfiguration(
                    ours,
                    URLEndpoint(f"ws://127.0.0.1:{proxy.port}/log"),
                    continuous=True,
                    max_attempt_wait_time=0.02,
                    peer=Peer.member("vessel", "theirs", theirs.uuid),
                ),
                rng=random.Random(1),
            )
            replicator.start()
            try:
                yield Pair(ours, theirs, proxy, replicator, listener)
            finally:
                await replicator.stop()
                proxy.drop_half_open()
                await listener.stop()
        assert asyncio.all_tasks() == before


@pytest.mark.parametrize("how", [How.RESET, How.CLOSE, How.HALF_OPEN])
@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize(("place", "frame"), CUTS)
def test_replication_recovers_from_a_cut_at_any_position(
    tmp_path: Path, how: How, way: Way, place: Place, frame: int
) -> None:
    async def main() -> None:
        async with pair(tmp_path, Fault(how, way, place, frame)) as both:
            await both.until_same()
            assert both.proxy.faults_met == 1
            assert both.proxy.connections == 2

    run(main())


def test_replication_recovers_from_repeated_cuts(tmp_path: Path) -> None:
    async def main() -> None:
        rng = random.Random(1)
        faults = [
            Fault(rng.choice([How.RESET, How.CLOSE, How.HALF_OPEN]), way, rng.choice(list(Place)), frame)
            for frame in range(2, 12)
            for way in Way
        ]
        async with pair(tmp_path, *faults) as both:
            await both.until_same()
            assert both.proxy.connections > 3

    run(main())


def test_bytes_that_arrive_one_by_one_make_no_difference(tmp_path: Path) -> None:
    async def main() -> None:
        async with pair(tmp_path, count=5, most=1) as both:
            await both.until_same()
            assert both.proxy.connections == 1

    run(main())


def test_slow_network_makes_no_difference(tmp_path: Path) -> None:
    async def main() -> None:
        async with pair(tmp_path, slow=random.Random(1), most=1500) as both:
            await both.until_same()
            assert both.proxy.connections == 1

    run(main())


@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("place", [Place.IN_HANDSHAKE, Place.IN_HEADER, Place.IN_PAYLOAD, Place.AFTER_FRAME])
def test_network_that_stalls_and_resumes_makes_no_difference(tmp_path: Path, way: Way, place: Place) -> None:
    async def main() -> None:
        async with pair(tmp_path, Fault(How.STALL, way, place, 3)) as both:
            await both.proxy.stalled.wait()
            fill_more(both)
            both.proxy.resume()
            await both.until_same()
            assert both.proxy.connections == 1
            assert both.ours.get("later-ours") is not None

    run(main())


def fill_more(both: Pair) -> None:
    for store, name in ((both.ours, "ours"), (both.theirs, "theirs")):
        store.put(f"later-{name}", {})


def test_late_bytes_of_an_ended_connection_do_no_harm(tmp_path: Path) -> None:
    async def main() -> None:
        async with pair(tmp_path, Fault(How.HALF_OPEN, Way.THERE, Place.IN_PAYLOAD, 6)) as both:
            await both.until_same()
            assert both.proxy.late_bytes > 0
            assert len(both.listener.connections) == 2
            fill_more(both)
            await both.until_same()

    run(main())
