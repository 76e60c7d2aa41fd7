"""Measures forwarding rates, in documents/s, to a mosquitto broker at QoS 1 and to a Couchbase gateway."""

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import aiomqtt

from sync.gateway.couchbase import CouchbaseGateway, CouchbaseGatewayConfiguration
from sync.gateway.mqtt.configuration import MqttGatewayConfiguration
from sync.gateway.mqtt.cursor import local_key
from sync.gateway.mqtt.gateway import MqttGateway
from sync.gateway.mqtt.limits import WINDOW_MESSAGES
from sync.gateway.mqtt.messages import with_id
from sync.gateway.report import Gateway
from sync.net.authenticators import BasicAuthenticator
from sync.store import Database
from tests.gateway import builders
from tests.gateway.broker import Broker
from tests.services.test_gateways import Shore

DOCUMENTS: Final = 20_000
SAMPLES: Final = 12
"""Number of samples in each reading. With this number, a reading has about 300 bytes."""
TURNS: Final = 3
"""Number of measurements each of the gateway and of the baseline."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Elapsed time and processor time of this process, in seconds."""

    seconds: float
    cpu: float

    @classmethod
    def now(cls) -> "Spent":
        """Return the current values of both clocks."""
        return cls(time.monotonic(), time.process_time())

    def until_now(self) -> "Spent":
        """Return the time spent since these clock values were read."""
        now = Spent.now()
        return Spent(now.seconds - self.seconds, now.cpu - self.cpu)


def main(*, quick: bool = False) -> None:
    """Measure and print the rates of both gateways."""
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
    """Measure and print the median rates to mosquitto.

    The gateway and the baseline are measured alternately, so that other load affects both.
    """
    broker, last = Broker(path / "broker").start(), database.last_sequence
    payloads = [with_id(document.id, document.raw) for document in database.documents()]
    ours, bare = [], []
    try:
        for turn in range(TURNS):
            name = f"club-{turn}"  # without a cursor, so that forwarding begins with the first document

            def is_done(key: str = local_key(name)) -> bool:
                kept = database.get_local(key)
                return kept is not None and int(kept.body["lanes"]["history"]["position"]) >= last

            made = MqttGatewayConfiguration(name, broker.url)
            make = partial(MqttGateway, database, made, vessel="argo")
            ours.append(asyncio.run(_spent(make, is_done)))
            bare.append(asyncio.run(_bare(broker.port, payloads)))
    finally:
        broker.stop()
    ratio = statistics.median(
        theirs.seconds / spent.seconds for spent, theirs in zip(ours, bare, strict=True)
    )
    spent, theirs = _median(ours), _median(bare)
    print(
        f"  mosquitto at QoS 1          {count / spent.seconds:>8,.0f} documents/s  {_cpu(spent, count)}    "
        f"{ratio:.2f} of a bare aiomqtt with the same window "
        f"({count / theirs.seconds:,.0f}/s, {1e6 * theirs.cpu / count:.0f} µs)"
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
            spent = asyncio.run(
                _spent(
                    lambda: CouchbaseGateway(database, configuration, vessel="argo"),
                    lambda: office.last_sequence >= count,
                )
            )
            assert office.count() == count
    finally:
        shore.end()
    print(f"  Couchbase protocol, TLS     {count / spent.seconds:>8,.0f} documents/s  {_cpu(spent, count)}")


async def _spent(make: Callable[[], Gateway], is_done: Callable[[], bool]) -> Spent:
    """Return the time spent from the start of a gateway until all documents have been forwarded."""
    gateway = make()
    began = Spent.now()
    gateway.start()
    while not is_done():  # noqa: ASYNC110 -- the other side is another process
        await asyncio.sleep(0.01)
    spent = began.until_now()
    await gateway.stop()
    return spent


async def _bare(port: int, payloads: Sequence[bytes]) -> Spent:
    """Return the time that aiomqtt alone needs for the same messages with the same window.

    Unlike the gateway, this baseline uses no store and no cursor, and checks no answers.
    """
    began = Spent.now()
    left = iter(payloads)
    async with aiomqtt.Client(
        # By default, paho permits only 20 messages in flight.
        "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, max_inflight_messages=0
    ) as client:  # fmt: skip
        client.pending_calls_threshold = 2 * WINDOW_MESSAGES

        async def publish() -> None:
            for payload in left:
                await client.publish("logboat/argo/sensor/main/reading", payload, qos=1, timeout=60)

        await asyncio.gather(*(publish() for _ in range(WINDOW_MESSAGES)))
    return began.until_now()


def _median(found: Sequence[Spent]) -> Spent:
    return Spent(
        statistics.median(each.seconds for each in found), statistics.median(each.cpu for each in found)
    )


def _cpu(spent: Spent, count: int) -> str:
    return f"{1e6 * spent.cpu / count:.0f} µs of CPU"


if __name__ == "__main__":
    main()
