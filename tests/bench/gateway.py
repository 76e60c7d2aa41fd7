"""Forwarding: documents a second to a real mosquitto at QoS 1, and to a gateway of Couchbase's protocol."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiomqtt

from sync.gateway.couchbase import CouchbaseGateway, CouchbaseGatewayConfiguration
from sync.gateway.mqtt.configuration import MqttGatewayConfiguration
from sync.gateway.mqtt.gateway import MqttGateway
from sync.gateway.mqtt.limits import WINDOW_MESSAGES
from sync.gateway.report import Gateway
from sync.net.authenticators import BasicAuthenticator
from sync.store import Database
from tests.gateway import builders
from tests.gateway.broker import Broker
from tests.services.test_gateways import Shore

DOCUMENTS: Final = 20_000
SAMPLES: Final = 12
"""Of a reading: about 300 bytes."""


def main(*, quick: bool = False) -> None:
    """Print what each carries."""
    count = DOCUMENTS // 4 if quick else DOCUMENTS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with builders.store(path / "log.db") as database:
            numbers = range(1, count * SAMPLES, SAMPLES)
            builders.write_readings(database, "argo", "main", numbers, samples=SAMPLES)
            size = sum(change.size for change in database.changes()) / count
            print(f"forwarding, {count:,} readings of {size:.0f} B, the other side another process")
            if shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None:
                print("  mosquitto at QoS 1: not measured, it is not installed")
            else:
                _to_mosquitto(path, database, count)
            _to_office(path, database, count)


def _to_mosquitto(path: Path, database: Database, count: int) -> None:
    broker, last = Broker(path / "broker").start(), database.last_sequence

    def is_done() -> bool:
        kept = database.get_local("gateway:club")
        return kept is not None and int(kept.body["lanes"]["history"]["position"]) >= last

    try:
        made = MqttGatewayConfiguration("club", broker.url)
        ours = asyncio.run(_seconds(lambda: MqttGateway(database, made, vessel="argo"), is_done))
        bare = asyncio.run(_bare(broker.port, [document.raw for document in database.documents()]))
    finally:
        broker.stop()
    print(
        f"  mosquitto at QoS 1          {count / ours:>8,.0f} documents/s    {bare / ours:.2f} of what"
        f" aiomqtt alone publishes with the same window of {WINDOW_MESSAGES}: {count / bare:,.0f}"
    )


def _to_office(path: Path, database: Database, count: int) -> None:
    shore = Shore(path / "shore")
    configuration = CouchbaseGatewayConfiguration(
        "office",
        f"wss://127.0.0.1:{shore.port}/fleet",
        authenticator=BasicAuthenticator("argo", "secret"),
        pinned=shore.pin,
    )
    try:
        with shore.database() as office:
            took = asyncio.run(
                _seconds(
                    lambda: CouchbaseGateway(database, configuration, vessel="argo"),
                    lambda: office.last_sequence >= count,
                )
            )
            assert office.count() == count
    finally:
        shore.end()
    print(f"  Couchbase protocol, TLS     {count / took:>8,.0f} documents/s")


async def _seconds(make: Callable[[], Gateway], is_done: Callable[[], bool]) -> float:
    """From the start of a gateway until all is ashore."""
    gateway = make()
    began = time.monotonic()
    gateway.start()
    while not is_done():  # noqa: ASYNC110 -- the other side is another process
        await asyncio.sleep(0.01)
    took = time.monotonic() - began
    await gateway.stop()
    return took


async def _bare(port: int, payloads: list[bytes]) -> float:
    """What aiomqtt itself takes: as many messages on the way, no store, no cursor."""
    began = time.monotonic()
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        client.pending_calls_threshold = 1_000
        room = asyncio.Semaphore(WINDOW_MESSAGES)

        async def publish(payload: bytes) -> None:
            async with room:
                await client.publish("logboat/argo/sensor/main/reading", payload, qos=1, timeout=60)

        await asyncio.gather(*(publish(payload) for payload in payloads))
    return time.monotonic() - began


if __name__ == "__main__":
    main()
