"""The MQTT gateway forwards every document to a real mosquitto, even if the gateway or the broker fails."""

import asyncio
import contextlib
import json
import os
import random
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from sync.gateway.mqtt.configuration import MqttGatewayConfiguration
from sync.gateway.mqtt.gateway import MqttGateway
from sync.gateway.mqtt.lanes import TRAIL
from sync.gateway.mqtt.limits import SAVE_DOCUMENTS, WINDOW_MESSAGES, Timeouts
from sync.gateway.mqtt.outbox import Outbox
from sync.gateway.report import GatewayState
from sync.store import DamagedError, Database
from tests.net.certificates import CA
from tests.polling import until
from tests.ports import free_port

from . import builders
from .broker import Broker, Listener, passwords
from .relays import Cutting, Elderly, Relay

QUICK = Timeouts(
    connect=5, acknowledgement=5, echo=3, save=0.5, refusal=0.2, retry=0.1, longest=0.5, probe=2, stop=3
)
WINDOW = WINDOW_MESSAGES + SAVE_DOCUMENTS
"""Maximum number of messages that the gateway repeats after a connection breaks.

These are the messages in flight, and messages whose acknowledgement it has not recorded yet.
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with builders.store(tmp_path / "log.db") as found:
        yield found


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    found = Broker(tmp_path / "broker").start()
    yield found
    found.stop()


@contextlib.asynccontextmanager
async def forwarding(
    database: Database, url: str, *, vessel: str = "argo", patience: Timeouts = QUICK, **more: Any
) -> AsyncIterator[MqttGateway]:
    gateway = MqttGateway(
        database,
        MqttGatewayConfiguration("shore", url, **more),
        vessel=vessel,
        patience=patience,
        rng=random.Random(1),
    )
    gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


def is_ashore(gateway: MqttGateway) -> bool:
    report = gateway.report()
    return report.state is GatewayState.CONNECTED and report.backlog_documents == 0


def assert_complete(listener: Listener, numbers: range, *, twice: int) -> None:
    """Assert that all readings arrived in order, apart from at most `twice` repeated messages."""
    came = builders.first_numbers(each.payload for each in listener.on("/reading"))
    assert sorted(set(came)) == list(numbers)
    assert len(came) - len(numbers) <= twice, f"{len(came) - len(numbers)} came twice"
    first_times = list(dict.fromkeys(came))
    assert first_times == sorted(first_times), "order is not kept"


async def test_everything_arrives_on_its_topic(database: Database, broker: Broker) -> None:
    builders.write_vessel(database, "argo", ["main"])
    builders.write_readings(database, "argo", "main", range(1, 4))
    builders.write_equipment(database, "argo", "main", 3, 0.5)
    builders.write_alarm(database, "argo", "main", 2)
    with Listener(broker.port) as listener:
        async with forwarding(database, broker.url) as gateway:
            await until(lambda: is_ashore(gateway), "all is ashore")
            await until(lambda: len(listener.on("/reading")) == 3, "readings are heard")
        await until(lambda: listener.on("/presence")[-1].payload == b"offline", "it says goodbye")
    assert {each.topic for each in listener.heard} == {
        "logboat/argo/presence",
        "logboat/argo/vessel",
        "logboat/argo/sensor/main/reading",
        "logboat/argo/sensor/main/state",
        "logboat/argo/sensor/main/alarm",
    }
    reading = json.loads(listener.on("/reading")[0].payload)
    assert reading["_id"] == "reading:argo:main:qwerty:000000000001"
    assert reading["samples"] == [[0, 0.5]]


async def test_late_subscriber_receives_retained_messages(database: Database, broker: Broker) -> None:
    builders.write_equipment(database, "argo", "main", 1, 0.25)
    builders.write_equipment(database, "argo", "main", 2, 0.5)
    builders.write_readings(database, "argo", "main", range(1, 3))
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
        with Listener(broker.port) as late:
            await until(lambda: len(late.heard) >= 2, "retained messages come")
    found = {each.topic: each for each in late.heard if each.is_retained}
    assert set(found) == {"logboat/argo/presence", "logboat/argo/sensor/main/state"}
    assert json.loads(found["logboat/argo/sensor/main/state"].payload)["value"] == 0.5
    assert found["logboat/argo/presence"].payload == b"online"


async def test_malformed_messages_of_others_on_our_topics_delay_nothing(
    database: Database, broker: Broker
) -> None:
    payloads = (b"[" * 100_000, b"\xff", b'{"log":1,"sequence":1e400}', b"{}", b'"' + b"x" * 100_000 + b'"')
    with Listener(broker.port) as stranger:
        for number, payload in enumerate(payloads):
            stranger.retain(f"logboat/argo/sensor/s{number}/state", payload)
        for number in range(len(payloads)):
            builders.write_equipment(database, "argo", f"s{number}", 3, 0.5)
        builders.write_readings(database, "argo", "main", range(1, 30))
        async with forwarding(database, broker.url) as gateway:
            await until(lambda: is_ashore(gateway), "all is ashore")
            await until(lambda: len(stranger.on("/reading")) == 29, "readings are heard")
    with Listener(broker.port) as late:
        await until(lambda: len(late.on("/state")) == len(payloads), "states come")
    assert {json.loads(each.payload)["value"] for each in late.on("/state")} == {0.5}


@pytest.mark.parametrize("hook", ["message_received", "acknowledged"])
async def test_store_error_while_a_packet_is_processed_ends_the_connection_and_is_reported(
    database: Database,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hook: str,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise DamagedError("log.db: page 7 is damaged", path=Path("log.db"))

    with Listener(broker.port) as stranger:
        async with forwarding(database, broker.url) as gateway:
            await until(lambda: is_ashore(gateway), "all is ashore")
            monkeypatch.setattr(Outbox, hook, fail)
            if hook == "message_received":
                stranger.publish("logboat/argo/vessel", b"{}")
            else:
                builders.write_notes(database, "argo", 1)
            await until(
                lambda: gateway.report().problem == "store error: log.db: page 7 is damaged",
                "it is told",
            )
            assert gateway.report().state is GatewayState.CONNECTING
            await until(
                lambda: stranger.on("argo/presence")[-1].payload == b"offline", "the will is published"
            )
    assert [each.levelname for each in caplog.records if "page 7 is damaged" in each.message] == ["ERROR"]


async def test_messages_that_cannot_be_processed_are_logged_once_for_each_kind_of_topic(
    database: Database, broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    def fail(_self: Outbox, topic: str, *_: Any, **__: Any) -> None:
        heard.append(topic)
        raise ValueError("cannot be handled")

    builders.write_vessel(database, "argo", ["main"])
    with Listener(broker.port) as stranger:
        async with forwarding(database, broker.url) as gateway:
            await until(lambda: is_ashore(gateway), "all is ashore")
            monkeypatch.setattr(Outbox, "message_received", fail)
            for number in range(20):
                stranger.publish(f"logboat/argo/sensor/s{number}/state", b"{}")
                stranger.publish(f"logboat/argo/sensor/s{number}/alarm", b"{}")
            await until(lambda: len(heard) == 40, "all are heard")
            assert gateway.report().state is GatewayState.CONNECTED
    warnings = [each.message for each in caplog.records if "cannot be handled" in each.message]
    assert len(warnings) == 2
    assert any("sensor/s0/state" in each for each in warnings)
    assert any("sensor/s0/alarm" in each for each in warnings)


async def test_older_state_never_replaces_a_newer_one(tmp_path: Path, broker: Broker) -> None:
    with builders.store(tmp_path / "own.db") as own, builders.store(tmp_path / "other.db") as other:
        for database, sequence, value in ((own, 9, 0.9), (other, 5, 0.5)):
            builders.write_vessel(database, "argo", ["main"])
            builders.write_equipment(database, "argo", "main", sequence, value)
            builders.write_readings(database, "argo", "main", [sequence])
        async with forwarding(own, broker.url) as gateway:
            await until(lambda: is_ashore(gateway), "its own gateway is done")
        # Another vessel, which has older values of argo, now forwards to the same broker.
        async with forwarding(other, broker.url, vessel="brigid") as gateway:
            await until(lambda: is_ashore(gateway), "the other gateway is done")
        with Listener(broker.port) as late:
            await until(lambda: late.on("/state"), "the state comes")
    assert json.loads(late.on("/state")[0].payload)["value"] == 0.9


async def test_last_will_reports_a_disconnected_vessel(database: Database, broker: Broker) -> None:
    with Listener(broker.port) as listener:
        async with Relay(broker.port) as relay, forwarding(database, relay.url) as gateway:
            await until(lambda: is_ashore(gateway), "it is connected")
            relay.close()
            await until(
                lambda: [each.payload for each in listener.on("/presence")] == [b"online", b"offline"],
                "the broker tells that it is gone",
            )
            relay.open()
            await until(lambda: listener.on("/presence")[-1].payload == b"online", "it comes back")


@pytest.mark.parametrize("documents", [2_000, pytest.param(20_000, marks=pytest.mark.torture)])
async def test_no_document_is_lost_when_the_broker_is_killed_repeatedly(
    database: Database, broker: Broker, documents: int
) -> None:
    builders.write_readings(database, "argo", "main", range(1, documents + 1))
    chance = random.Random(int(os.environ["LOGBOAT_SEED"]))
    kills = 3

    def keeps_up(wanted: int) -> bool:
        """Return True if the listener is up to date. A killed broker loses the messages queued for it."""
        heard = len({each.payload for each in listener.on("/reading")})
        return heard >= wanted and documents - gateway.report().backlog_documents - heard < TRAIL // 2

    def is_back(before: int) -> bool:
        return listener.subscribed > before

    with Listener(broker.port) as listener:
        async with (
            Relay(broker.port) as relay,
            forwarding(database, relay.url, limit=250_000) as gateway,
        ):
            for _ in range(kills):
                wanted = len(listener.on("/reading")) + chance.randrange(1, documents // 5)
                await until(partial(keeps_up, wanted), "some come")
                subscribed = listener.subscribed
                await asyncio.to_thread(broker.kill)
                relay.close()
                await until(lambda: gateway.report().state is GatewayState.CONNECTING, "it notices")
                await asyncio.to_thread(broker.start)
                # A killed broker loses all subscriptions, so the listener must subscribe again first.
                await until(partial(is_back, subscribed), "the listener is back")
                relay.open()
            await until(lambda: is_ashore(gateway), "all is ashore")
            await until(lambda: len({each.payload for each in listener.on("/reading")}) == documents, "heard")
    assert_complete(listener, range(1, documents + 1), twice=kills * (WINDOW + TRAIL))


async def test_backlog_of_20000_documents_arrives_once(database: Database, broker: Broker) -> None:
    builders.write_readings(database, "argo", "main", range(1, 20_001))
    with Listener(broker.port) as listener:
        async with forwarding(database, broker.url) as gateway:
            began = time.monotonic()
            await until(lambda: is_ashore(gateway), "all is ashore", within=60)
            took = time.monotonic() - began
            await until(lambda: len(listener.on("/reading")) == 20_000, "all is heard")
    print(f"\n  20,000 documents to mosquitto at QoS 1: {20_000 / took:,.0f} a second")
    assert_complete(listener, range(1, 20_001), twice=0)


async def test_lost_acknowledgements_repeat_at_most_one_window(database: Database, broker: Broker) -> None:
    builders.write_readings(database, "argo", "main", range(1, 3_001))
    chance = random.Random(int(os.environ["LOGBOAT_SEED"]))
    with Listener(broker.port) as listener:
        async with (
            Cutting(broker.port, [chance.randrange(60, 900) for _ in range(5)]) as proxy,
            forwarding(database, proxy.url) as gateway,
        ):
            await until(lambda: is_ashore(gateway) and proxy.cuts == 5, "all is ashore")
            await until(lambda: len({each.payload for each in listener.on("/reading")}) == 3_000, "heard")
    assert_complete(listener, range(1, 3_001), twice=5 * WINDOW)


async def test_killed_daemon_continues_after_the_last_acknowledged_document(
    database: Database, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.write_readings(database, "argo", "main", range(1, 3_001))
    with Listener(broker.port) as listener:
        gateway = MqttGateway(
            database, MqttGatewayConfiguration("shore", broker.url), vessel="argo", patience=QUICK
        )
        gateway.start()
        await until(lambda: len(listener.on("/reading")) > 500, "some come")
        assert gateway._task is not None
        monkeypatch.setattr(gateway, "_save", lambda _outbox: None)  # a killed process saves nothing
        gateway._task.cancel()
        await asyncio.gather(gateway._task, return_exceptions=True)
        async with forwarding(database, broker.url) as second:
            await until(lambda: is_ashore(second), "all is ashore")
            await until(lambda: len({each.payload for each in listener.on("/reading")}) == 3_000, "heard")
    assert_complete(listener, range(1, 3_001), twice=WINDOW)


async def test_refused_topic_is_reported_and_its_documents_are_sent_later(
    tmp_path: Path, database: Database
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir(mode=0o755)
    rights = folder / "acl"
    rights.write_text(
        "user argo\ntopic write logboat/argo/sensor/main/#\ntopic readwrite logboat/argo/presence\n"
    )
    rights.chmod(0o644)
    users = passwords(folder, [("argo", "secret"), ("ashore", "secret")])
    broker = Broker(folder, f"password_file {users}", f"acl_file {rights}", anonymous=False).start()
    builders.write_readings(database, "argo", "main", range(1, 11))
    builders.write_readings(database, "argo", "aft", range(1, 11))
    try:
        async with forwarding(database, broker.url, user="argo", password="secret") as gateway:
            await until(lambda: gateway.report().state is GatewayState.REFUSED, "it says that it is refused")
            problem = gateway.report().problem or ""
            assert "logboat/argo/sensor/aft/reading: not authorised" in problem
            assert gateway.report().backlog_documents == 10
            rights.write_text("user argo\ntopic readwrite #\nuser ashore\ntopic readwrite #\n")
            broker.reload()
            with Listener(broker.port, "ashore", "secret") as listener:
                await until(lambda: is_ashore(gateway), "all is ashore once it is allowed")
                await until(lambda: len(listener.on("aft/reading")) == 10, "heard")
            assert gateway.report().problem is None
    finally:
        broker.stop()


async def test_document_too_large_for_the_broker_is_skipped_until_the_broker_accepts_it(
    tmp_path: Path, database: Database
) -> None:
    broker = Broker(tmp_path / "broker", "message_size_limit 2000").start()
    builders.write_readings(database, "argo", "main", [1])
    builders.write_readings(database, "argo", "main", [2], samples=400)
    builders.write_readings(database, "argo", "main", range(402, 502))
    try:
        with Listener(broker.port) as listener:
            async with Relay(broker.port) as relay, forwarding(database, relay.url) as gateway:
                await until(lambda: len(listener.on("/reading")) == 101, "the others come")
                await until(lambda: gateway.report().backlog_documents == 1, "it is left")
                report = gateway.report()
                assert (report.state, report.refused_documents) == (GatewayState.REFUSED, 1)
                (refused,) = report.refused
                assert refused.id == f"reading:argo:main:{builders.LOG}:000000000002"
                assert refused.when > 0
                assert f"most recently {refused.id}: {refused.reason}" in (report.problem or "")
                assert gateway.retry() == 1, "it is offered again"
                assert len(listener.on("/presence")) <= 2, "it lost the connection"
                relay.close()
                subscribed = listener.subscribed
                await asyncio.to_thread(broker.stop)
                broker.configuration.write_text(broker.configuration.read_text().replace("2000", "20000"))
                await asyncio.to_thread(broker.start)
                await until(lambda: listener.subscribed > subscribed, "the listener is back")
                relay.open()
                await until(lambda: is_ashore(gateway), "it is offered again, and taken")
                await until(
                    lambda: 2 in builders.first_numbers(e.payload for e in listener.on("/reading")), "heard"
                )
    finally:
        broker.stop()


async def test_wrong_password_is_reported_and_rarely_retried(tmp_path: Path, database: Database) -> None:
    folder = tmp_path / "broker"
    folder.mkdir(mode=0o755)
    users = passwords(folder, [("argo", "secret")])
    broker = Broker(folder, f"password_file {users}", anonymous=False).start()
    try:
        patience = Timeouts(connect=5, retry=0.05, longest=20)
        async with forwarding(
            database, broker.url, patience=patience, user="argo", password="wrong"
        ) as gateway:
            await until(lambda: gateway.report().state is GatewayState.REFUSED, "it says that it is refused")
            assert "rejects the login: the user name, password" in (gateway.report().problem or "")
            tried = (folder / "mosquitto.log").read_text().count("New connection")
            assert tried <= 2
    finally:
        broker.stop()


async def test_messages_to_a_3_1_1_broker_count_as_sent_when_they_are_echoed(
    database: Database, broker: Broker
) -> None:
    builders.write_vessel(database, "argo", ["main"])
    builders.write_readings(database, "argo", "main", range(1, 501))
    builders.write_equipment(database, "argo", "main", 3, 0.5)
    with Listener(broker.port) as listener:
        async with (
            Elderly(broker.port) as proxy,
            forwarding(database, proxy.url) as gateway,
        ):
            await until(lambda: is_ashore(gateway), "all is ashore")
            await until(lambda: len(listener.on("/reading")) == 500, "heard")
    assert proxy.refused == 1
    assert_complete(listener, range(1, 501), twice=0)


async def test_refusal_by_a_3_1_1_broker_is_detected_by_the_missing_echo(
    tmp_path: Path, database: Database
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir(mode=0o755)
    rights = folder / "acl"
    rights.write_text("topic readwrite logboat/argo/presence\ntopic read #\n")
    rights.chmod(0o644)
    broker = Broker(folder, f"acl_file {rights}").start()
    builders.write_readings(database, "argo", "main", range(1, 11))
    try:
        async with (
            Elderly(broker.port) as proxy,
            forwarding(database, proxy.url, patience=Timeouts(echo=0.5, refusal=0.2, longest=0.5)) as gateway,
        ):
            await until(lambda: gateway.report().state is GatewayState.REFUSED, "it says that it is refused")
            assert "so it probably rejected the message" in (gateway.report().problem or "")
            assert gateway.report().backlog_documents == 10
            rights.write_text("topic readwrite #\n")
            broker.reload()
            await until(lambda: is_ashore(gateway), "all is ashore once it is allowed")
    finally:
        broker.stop()


async def test_tls_with_a_private_ca_and_a_client_certificate(tmp_path: Path, database: Database) -> None:
    ca = CA.new("shore")
    broker, port = tls_broker(tmp_path, ca, ca.issue("broker", hosts=["localhost"]), asks=True)
    builders.write_readings(database, "argo", "main", range(1, 11))
    own = ca.issue("argo")
    own.save(tmp_path / "own.pem", tmp_path / "own.key")
    try:
        async with forwarding(
            database,
            f"mqtts://localhost:{port}",
            ca=tmp_path / "ca.pem",
            certificate=tmp_path / "own.pem",
            key=tmp_path / "own.key",
        ) as gateway:
            await until(lambda: is_ashore(gateway), "all is ashore")
        async with forwarding(database, f"mqtts://localhost:{port}", ca=tmp_path / "ca.pem") as gateway:
            await until(lambda: gateway.report().problem, "it is told that a certificate is wanted")
            assert "certificate" in (gateway.report().problem or "")
    finally:
        broker.stop()


@pytest.mark.parametrize(
    ("host", "is_old", "words"),
    [("localhost", True, "expired"), ("elsewhere.example", False, "not valid for"), (None, False, "issuer")],
)
async def test_connection_to_a_broker_with_a_wrong_certificate_is_refused(
    tmp_path: Path, database: Database, host: str | None, is_old: bool, words: str
) -> None:
    ca = CA.new("shore")
    identity = (ca if host else CA.new("other")).issue("broker", hosts=[host or "localhost"])
    begin, end = identity.certificate.not_valid_before_utc, identity.certificate.not_valid_after_utc
    broker, port = tls_broker(tmp_path, ca, identity)
    try:
        gateway = MqttGateway(
            database,
            MqttGatewayConfiguration("shore", f"mqtts://localhost:{port}", ca=tmp_path / "ca.pem"),
            vessel="argo",
            now=lambda: (end if is_old else begin) + timedelta(days=1),
            patience=QUICK,
        )
        gateway.start()
        await until(lambda: gateway.report().state is GatewayState.REFUSED, "it says that it is refused")
        problem = gateway.report().problem or ""
        await gateway.stop()
    finally:
        broker.stop()
    assert "certificate" in problem
    assert words in problem


async def test_captive_portal_on_the_brokers_port_is_named(database: Database) -> None:
    async def portal(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n<html>log in</html>")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(portal, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, forwarding(database, f"mqtt://127.0.0.1:{port}") as gateway:
        await until(lambda: "captive portal" in (gateway.report().problem or ""), "it is named")
        assert gateway.report().state is GatewayState.CONNECTING


async def test_unknown_host_name_is_reported(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    async with forwarding(database, "mqtt://broker.example") as gateway:
        await until(lambda: gateway.report().problem, "it is told")
        assert gateway.report().state is GatewayState.CONNECTING
        assert "check the name" in (gateway.report().problem or "")


async def test_unreachable_server_is_reported_and_retried(database: Database, tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: gateway.report().problem, "it is told")
        assert "refused" in (gateway.report().problem or "").lower()
        broker.start()
        try:
            await until(lambda: is_ashore(gateway), "it is tried again")
        finally:
            broker.stop()


async def test_broker_is_found_soon_after_a_long_absence(database: Database, tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    patience = Timeouts(connect=5, retry=500, longest=1_000, soon=0.2)
    async with forwarding(database, broker.url, patience=patience) as gateway:
        await until(lambda: gateway.report().problem, "it is told")
        await asyncio.to_thread(broker.start)
        try:
            await until(lambda: is_ashore(gateway), "it is tried again")
        finally:
            broker.stop()


@pytest.mark.parametrize(
    "days", [3, pytest.param(30, marks=(pytest.mark.torture, pytest.mark.timeout(3_600)))]
)
async def test_outage_of_days_uses_no_memory_and_alarms_are_sent_first(
    tmp_path: Path, database: Database, days: int
) -> None:
    """The vessel has 50 sensors with windows of 5 minutes, so each produces 288 readings per day."""
    windows = 288 * days // (10 if days < 30 else 1)
    sensors = [f"s{number}" for number in range(50)]
    broker = Broker(tmp_path / "broker")
    tracemalloc.start()
    async with forwarding(database, broker.url) as gateway:
        for number in range(windows):
            with database.transaction():
                for sensor in sensors:
                    builders.write_readings(database, "argo", sensor, [number + 1])
                    if number % 20 == 0:
                        builders.write_equipment(database, "argo", sensor, number, number / windows)
            await asyncio.sleep(0)
            if number == windows // 10:
                early = tracemalloc.get_traced_memory()[0]
        await until(
            lambda: gateway.report().backlog_documents >= windows * 50, "it counts what waits", within=300
        )
        late = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert late - early < 3_000_000, f"{(late - early) / 1e6:.1f} MB more at the end of the outage"
        waiting = gateway.report().backlog_documents
        with_broker = await asyncio.to_thread(broker.start)
        try:
            with Listener(with_broker.port) as listener:
                began = time.monotonic()
                await until(lambda: len(listener.on("/reading")) > 300, "catching up")
                alarm = builders.write_alarm(database, "argo", "s1", 7)
                raised = time.monotonic()
                await until(lambda: listener.on("/alarm"), "the alarm comes", within=2)
                took = time.monotonic() - raised
                behind = gateway.report().backlog_documents
                assert behind > 100, "history was done before the alarm: nothing was overtaken"
                await until(lambda: is_ashore(gateway), "all is ashore", within=300)
                rate = waiting / (time.monotonic() - began)
                assert json.loads(listener.on("/alarm")[0].payload)["_id"] == alarm
        finally:
            broker.stop()
    print(
        f"\n  {waiting:,} documents of {days} days: {rate:,.0f} a second; alarm {took * 1000:.0f} ms after it"
        f" was raised, {behind:,} documents before the end"
    )


def tls_broker(folder: Path, ca: CA, identity: Any, *, asks: bool = False) -> tuple[Broker, int]:
    """Return a broker that uses this TLS identity, and its TLS port.

    If `asks` is True, the broker requires a client certificate issued by the CA.
    """
    (folder / "ca.pem").write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    identity.save(folder / "broker.pem", folder / "broker.key")
    port = free_port()
    broker = Broker(
        folder / "broker",
        f"listener {port} 127.0.0.1",
        f"cafile {folder / 'ca.pem'}",
        f"certfile {folder / 'broker.pem'}",
        f"keyfile {folder / 'broker.key'}",
        f"require_certificate {str(asks).lower()}",
    ).start()
    return broker, port
