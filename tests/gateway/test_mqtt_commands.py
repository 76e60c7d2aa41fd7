"""Home Assistant can acknowledge alarms through a broker if the gateway's configuration permits this."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sync.documents import alarm_id
from sync.gateway.mqtt.commands import MOST_WARNINGS, CommandInbox
from sync.gateway.mqtt.keys import MqttOptions
from sync.gateway.mqtt.lanes import DEFAULT, PAST, DocumentLane
from sync.gateway.mqtt.topics import DEFAULT as TOPICS
from sync.store import Database, StoreError
from tests.polling import until

from . import builders
from .broker import Broker, Listener
from .relays import Elderly, Relay
from .test_mqtt_retained_messages import forwarding, is_ashore

NOW = datetime(2026, 11, 26, 1, 19, 11, tzinfo=UTC)
TOPIC = TOPICS.acknowledge("argo", "main")
ALARM = alarm_id("argo", "main", builders.LOG, 1)
ACK = {"who": "Home Assistant, by broker shore", "when": "2026-11-26T01:19:11.000Z"}
LANES = [DocumentLane(each) for each in DEFAULT]
ALLOWED = MqttOptions(home_assistant=True, acknowledge=True)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with builders.store(tmp_path / "log.db") as found:
        builders.write_vessel(found, "argo", ["main"], alarms=1)
        builders.write_equipment(found, "argo", "main", 1, 0.25)
        builders.write_alarm(found, "argo", "main", 1)
        yield found


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    found = Broker(tmp_path / "broker").start()
    yield found
    found.stop()


@pytest.fixture
def inbox(database: Database) -> CommandInbox:
    return CommandInbox(database, "shore", TOPICS, lambda: NOW)


def acks(database: Database) -> list[Any]:
    document = database.get(ALARM)
    assert document is not None
    found: list[Any] = document.body["acks"]
    return found


def test_acknowledgement_states_its_author_once(database: Database, inbox: CommandInbox) -> None:
    for _ in range(2):
        assert inbox.receive(TOPIC, ALARM.encode(), is_retained=False)
        inbox.carry_out(LANES)
    assert acks(database) == [ACK]


@pytest.mark.parametrize(
    ("topic", "payload", "is_retained", "words"),
    [
        (TOPIC, ALARM.encode(), True, "it is retained"),
        (TOPIC, b"", False, "'' is not the id of an alarm"),
        (TOPIC, b"PRESS", False, "'PRESS' is not the id of an alarm"),
        (TOPIC, b"None", False, "'None' is not the id of an alarm"),
        (TOPIC, b"equipment:argo:main", False, "is not the id of an alarm"),
        (TOPIC, b"\xff\xfe", False, "not UTF-8"),
        (TOPIC, b"x" * 1_000_000, False, "1000000 bytes"),
        (TOPICS.acknowledge("argo", "aft"), ALARM.encode(), False, "of another sensor"),
        (TOPICS.acknowledge("brigid", "main"), ALARM.encode(), False, "of another sensor"),
        (TOPIC, alarm_id("argo", "main", builders.LOG, 2).encode(), False, "unknown alarm alarm:argo:main"),
    ],
)
def test_bad_command_is_logged_and_ignored(
    database: Database,
    inbox: CommandInbox,
    caplog: pytest.LogCaptureFixture,
    topic: str,
    payload: bytes,
    is_retained: bool,
    words: str,
) -> None:
    assert inbox.receive(topic, payload, is_retained=is_retained)
    inbox.carry_out(LANES)
    assert words in caplog.text
    assert f"gateway shore: command on topic {topic} ignored" in caplog.text
    assert acks(database) == []


def test_alarm_that_the_policy_does_not_send_cannot_be_acknowledged(
    database: Database, inbox: CommandInbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.receive(TOPIC, ALARM.encode(), is_retained=False)
    inbox.carry_out([DocumentLane(PAST)])
    assert "the gateway's policy does not send" in caplog.text
    assert acks(database) == []


def test_other_topics_are_not_commands(inbox: CommandInbox) -> None:
    for topic in (
        "logboat/argo/sensor/main/state",
        "homeassistant/status",
        "other/argo/sensor/main/acknowledge",
    ):
        assert not inbox.receive(topic, b"", is_retained=False)


def test_many_bad_commands_do_not_fill_the_log(inbox: CommandInbox, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3 * MOST_WARNINGS):
        inbox.receive(TOPIC, b"x", is_retained=False)
    assert len(caplog.records) == MOST_WARNINGS
    assert "further ones are not logged" in caplog.text


def test_command_is_kept_while_the_store_fails(
    database: Database, inbox: CommandInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise StoreError("the card is full")

    inbox.receive(TOPIC, ALARM.encode(), is_retained=False)
    with monkeypatch.context() as patched:
        patched.setattr(Database, "put", fail)
        with pytest.raises(StoreError):
            inbox.carry_out(LANES)
    inbox.carry_out(LANES)
    assert acks(database) == [ACK]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_command_from_a_broker_is_carried_out_and_published(
    database: Database, broker: Broker, version: str
) -> None:
    async with (
        Relay(broker.port) if version == "5" else Elderly(broker.port) as between,
        forwarding(database, between.url, options=ALLOWED) as gateway,
    ):
        await until(lambda: is_ashore(gateway), "all is ashore")
        with Listener(broker.port) as assistant:
            assistant.publish(TOPIC, b"nonsense", retain=False)
            assistant.publish(TOPIC, ALARM.encode(), retain=False)
            await until(lambda: acks(database) != [], "it is acknowledged")
            await until(
                lambda: any(b"Home Assistant, by broker" in each.payload for each in assistant.heard),
                "that is published",
            )
    assert [ack["who"] for ack in acks(database)] == [ACK["who"]]


async def test_command_is_ignored_by_a_gateway_that_does_not_allow_it(
    database: Database, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
        with Listener(broker.port) as assistant:
            await until(lambda: assistant.heard != [], "what is retained comes")
            assert not any("_acknowledge/config" in each.topic for each in assistant.heard)
            assistant.publish(TOPIC, ALARM.encode(), retain=False)
            builders.write_notes(database, "argo", 1)
            await until(
                lambda: any("/note/" in each.topic for each in assistant.heard), "the gateway goes on"
            )
    assert acks(database) == []
