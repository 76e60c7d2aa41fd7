"""If the broker or the paho library ends a connection, the MQTT client reports the reason at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from sync.gateway.mqtt.broker_errors import BrokerConnectError, BrokerLostError, ErrorReaction
from sync.gateway.mqtt.client import Client
from sync.gateway.mqtt.configuration import MqttGatewayConfiguration
from sync.gateway.mqtt.limits import Timeouts
from tests.gateway.broker import Broker
from tests.gateway.relays import Garbling, Relay

_SOON = 10.0
"""Time limit for a test, in seconds. The client's own timeouts are much longer."""
_TIMEOUTS = Timeouts(connect=60, acknowledgement=60)


def client_of(url: str) -> Client:
    return Client(
        MqttGatewayConfiguration("shore", url),
        identifier="logboat-argo-shore",
        vessel="argo",
        protocol=aiomqtt.ProtocolVersion.V5,
        security=None,
        patience=_TIMEOUTS,
    )


@asynccontextmanager
async def hanging_up() -> AsyncIterator[str]:
    """Run a server that closes each connection after the client's first packet, and yield its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    running = Broker(tmp_path / "broker").start()
    yield running
    running.stop()


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"\x40\x01\x00", id="an acknowledgement cut short"),
        pytest.param(b"\x40\x04\x00\x01\x00\xff", id="an acknowledgement with wrong properties"),
        pytest.param(b"\x30\x03\x00\xff\x61", id="a message whose topic is longer than the packet"),
    ],
)
async def test_packet_that_cannot_be_decoded_ends_the_connection_at_once(
    broker: Broker, packet: bytes
) -> None:
    async with Garbling(broker.port, packet) as relay:
        client = client_of(relay.url)
        over = asyncio.Event()
        client.on_ended = over.set
        await client.open()
        client.send("logboat/argo/test", b"1", retain=False)
        async with asyncio.timeout(_SOON):
            await over.wait()
        assert isinstance(client.ended, BrokerLostError)
        assert client.ended.what is ErrorReaction.TRY_AGAIN
        assert f"127.0.0.1:{relay.port}" in client.ended.text
        with pytest.raises(BrokerLostError):
            client.send("logboat/argo/test", b"2", retain=False)
        await client.close()


async def test_internal_error_ends_the_connection_and_is_named(broker: Broker) -> None:
    def fail(_mid: int, _code: int, _name: str) -> None:
        msg = "no such message"
        raise ValueError(msg)

    client = client_of(broker.url)
    over = asyncio.Event()
    client.on_acknowledged, client.on_ended = fail, over.set
    await client.open()
    client.send("logboat/argo/test", b"1", retain=False)
    async with asyncio.timeout(_SOON):
        await over.wait()
    assert "ValueError: no such message" in str(client.ended)
    await client.close()


async def test_server_that_closes_without_an_answer_fails_at_once() -> None:
    async with hanging_up() as url:
        client = client_of(url)
        async with asyncio.timeout(_SOON):
            with pytest.raises(BrokerConnectError, match="closes it without an answer") as failure:
                await client.open()
        assert failure.value.what is ErrorReaction.SPEAK_OLDER


async def test_subscription_ends_with_the_connection(broker: Broker) -> None:
    async with Relay(broker.port) as relay:
        client = client_of(relay.url)
        await client.open()
        subscribing = asyncio.ensure_future(client.listen(["logboat/#"], qos=1))
        await asyncio.sleep(0)
        relay.close()
        async with asyncio.timeout(_SOON):
            with pytest.raises(BrokerLostError):
                await subscribing
        await client.close()
