"""A real mosquitto retains the content of the store, even if retained messages are lost or overwritten."""

import asyncio
import contextlib
import json
import random
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.fleet import acknowledgements
from sync.gateway.mqtt.configuration import MqttGatewayConfiguration
from sync.gateway.mqtt.gateway import MqttGateway
from sync.gateway.mqtt.keys import MqttOptions
from sync.gateway.mqtt.limits import Timeouts
from sync.gateway.report import GatewayState
from sync.store import Database
from tests.fleet.builders import body
from tests.polling import until, until_awaited

from . import builders
from .broker import Broker, Listener, passwords, retained
from .relays import Elderly, Relay, Withholding

QUICK = Timeouts(
    connect=5,
    acknowledgement=5,
    echo=3,
    recorder=0.1,
    reading=0.2,
    save=0.2,
    refusal=0.2,
    retry=0.1,
    longest=0.5,
    probe=2,
    stop=3,
)
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


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
    database: Database,
    url: str,
    *,
    vessel: str = "argo",
    is_recording: Any = lambda: True,
    patience: Timeouts = QUICK,
    **more: Any,
) -> AsyncIterator[MqttGateway]:
    gateway = MqttGateway(
        database,
        MqttGatewayConfiguration("shore", url, **{"options": MqttOptions(home_assistant=True), **more}),
        vessel=vessel,
        is_recording=is_recording,
        now=lambda: NOW,
        patience=patience,
        rng=random.Random(1),
    )
    gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def comes_to_retain(broker: Broker, wanted: Any, what: str) -> dict[str, bytes]:
    """Wait until `wanted` returns True for the broker's retained messages, and return these messages."""
    found: dict[str, bytes] = {}

    async def is_wanted() -> bool:
        nonlocal found
        found = await asyncio.to_thread(retained, broker.port)
        return bool(wanted(found))

    await until_awaited(is_wanted, lambda: f"{what}; it retains {sorted(found)}")
    return found


def is_last(listener: Listener, payload: bytes) -> bool:
    return listener.heard[-1].payload == payload


def is_ashore(gateway: MqttGateway) -> bool:
    report = gateway.report()
    return report.state is GatewayState.CONNECTED and report.backlog_documents == 0


def write_fleet(database: Database) -> None:
    """Write documents of argo and brigid, and more notes than a gateway sends again after a lost session."""
    for vessel in ("argo", "brigid"):
        builders.write_vessel(database, vessel, ["main", "aft"])
        builders.write_equipment(database, vessel, "main", 1, 0.25, time=NOW.isoformat())
        builders.write_equipment(database, vessel, "aft", 1, 0.5, time=NOW.isoformat())
        builders.write_alarm(database, vessel, "main", 1)
        builders.write_alarm(database, vessel, "main", 7)
    builders.write_notes(database, "argo", 150)


FLEET = {
    f"{topic}"
    for vessel in ("argo", "brigid")
    for topic in (
        f"logboat/{vessel}/presence",
        f"logboat/{vessel}/vessel",
        f"logboat/{vessel}/sensor/main/state",
        f"logboat/{vessel}/sensor/aft/state",
        f"logboat/{vessel}/sensor/main/alarm",
        f"homeassistant/sensor/logboat-{vessel}/main/config",
        f"homeassistant/sensor/logboat-{vessel}/aft/config",
        f"homeassistant/binary_sensor/logboat-{vessel}/_recorder/config",
        f"homeassistant/binary_sensor/logboat-{vessel}/main_fault/config",
        f"homeassistant/binary_sensor/logboat-{vessel}/aft_fault/config",
    )
}


# Brokers that lose messages


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_broker_that_restarts_empty_gets_the_latest_message_of_every_topic_again(
    database: Database, broker: Broker, version: str
) -> None:
    write_fleet(database)
    async with (
        Relay(broker.port) if version == "5" else Elderly(broker.port) as between,
        forwarding(database, between.url) as gateway,
    ):
        await until(lambda: is_ashore(gateway), "all is ashore")
        before = await comes_to_retain(broker, lambda found: set(found) == FLEET, "all is retained")
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
        after = await comes_to_retain(broker, lambda found: set(found) == FLEET, "all is back")
        assert after == before
        assert json.loads(after["logboat/argo/sensor/main/alarm"])["sequence"] == 7


async def test_broker_that_lost_its_messages_while_the_daemon_was_off_gets_them_again(
    database: Database, broker: Broker
) -> None:
    write_fleet(database)
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
        before = await comes_to_retain(broker, lambda found: set(found) == FLEET, "all is retained")
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
    async with forwarding(database, broker.url):
        after = await comes_to_retain(broker, lambda found: set(found) == FLEET, "all is back")
    assert {topic for topic in FLEET if before[topic] != after[topic]} <= {"logboat/brigid/presence"}


async def test_broker_that_returns_to_an_earlier_state_is_corrected(
    database: Database, broker: Broker
) -> None:
    """The broker still has the gateway's session, as if killed long after it last saved its state."""
    write_fleet(database)
    topic = "logboat/argo/sensor/main/state"
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
        old = (await asyncio.to_thread(retained, broker.port))[topic]
    builders.write_equipment(database, "argo", "main", 2, 0.75)
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "the new value is ashore")
    with Listener(broker.port) as other:
        other.publish(topic, old)
        other.publish("logboat/argo/sensor/aft/state", b"")
    async with forwarding(database, broker.url):
        found = await comes_to_retain(
            broker, lambda found: set(found) == FLEET and found[topic] != old, "all is back"
        )
    assert json.loads(found[topic])["value"] == 0.75


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_older_value_published_by_another_client_is_corrected_at_once(
    database: Database, broker: Broker, version: str
) -> None:
    """The older value arrives while the gateway is connected, as if from a gateway with outdated data."""
    write_fleet(database)
    topic = "logboat/argo/sensor/main/state"
    async with (
        Relay(broker.port) if version == "5" else Elderly(broker.port) as between,
        forwarding(database, between.url) as gateway,
    ):
        await until(lambda: is_ashore(gateway), "all is ashore")
        before = (await comes_to_retain(broker, lambda found: set(found) == FLEET, "all is retained"))[topic]
        older = json.dumps({**json.loads(before), "sequence": 0, "value": 0.0}).encode()
        with Listener(broker.port, filters=(topic,)) as other:
            for payload in (older, b""):
                other.publish(topic, payload)
                await until(partial(is_last, other, payload), "it is there")
                await comes_to_retain(broker, lambda found: found.get(topic) == before, "it is put right")
                await until(partial(is_last, other, before), "and heard")


async def test_repeated_messages_count_in_the_backlog(database: Database, broker: Broker) -> None:
    sensors = [f"s{number}" for number in range(40)]
    builders.write_vessel(database, "argo", sensors)
    for sensor in sensors:
        builders.write_equipment(database, "argo", sensor, 1, 0.5)
    builders.write_notes(database, "argo", 150)
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
    async with forwarding(database, broker.url, limit=20_000) as gateway:
        await until(lambda: gateway.report().state is GatewayState.CONNECTED, "it is connected")
        assert gateway.report().backlog_documents > 0
        builders.write_alarm(database, "argo", "s1", 9)
        await until(lambda: is_ashore(gateway), "all is back")
        found = await asyncio.to_thread(retained, broker.port)
    assert {f"logboat/argo/sensor/{sensor}/state" for sensor in sensors} < set(found)
    assert "logboat/argo/sensor/s1/alarm" in found


async def test_restoring_missing_messages_keeps_newer_ones_of_another_vessel(
    tmp_path: Path, database: Database, broker: Broker
) -> None:
    """Two vessels forward to the same broker, which restarts without data. Each vessel has newer values."""
    write_fleet(database)
    with builders.store(tmp_path / "other.db") as other:
        for vessel in ("argo", "brigid"):
            builders.write_vessel(other, vessel, ["main", "aft"])
            builders.write_equipment(other, vessel, "main", 5 if vessel == "brigid" else 0, 0.9)
        async with (
            forwarding(database, broker.url) as own,
            forwarding(other, broker.url, vessel="brigid") as its,
        ):
            await until(lambda: is_ashore(own) and is_ashore(its), "both are done")
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
            found = await comes_to_retain(
                broker,
                lambda found: (
                    set(found) == FLEET
                    and json.loads(found["logboat/brigid/sensor/main/state"])["sequence"] == 5
                ),
                "the newest of each is back",
            )
    assert json.loads(found["logboat/argo/sensor/main/state"])["sequence"] == 1


async def test_home_assistant_gets_all_sensors_again_when_it_starts(
    database: Database, broker: Broker
) -> None:
    write_fleet(database)
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
        await comes_to_retain(broker, lambda found: set(found) == FLEET, "all is retained")
        with Listener(broker.port, filters=("homeassistant/+/+/+/config",)) as assistant:
            await until(lambda: len(assistant.heard) == 10, "what is retained comes")
            assistant.publish("homeassistant/status", b"online", retain=False)
            await until(lambda: len(assistant.heard) == 20, "all sensors are told of again")
            assert {each.topic for each in assistant.heard[10:]} == {
                each.topic for each in assistant.heard[:10]
            }
            assert not any(each.is_retained for each in assistant.heard[10:])


async def test_broker_that_grants_only_write_access_gets_everything_again_after_its_restart(
    tmp_path: Path, database: Database
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir(mode=0o755)
    rights = folder / "acl"
    rights.write_text("user argo\ntopic write #\nuser ashore\ntopic readwrite #\n")
    rights.chmod(0o644)
    users = passwords(folder, [("argo", "secret"), ("ashore", "secret")])
    broker = Broker(folder, f"password_file {users}", f"acl_file {rights}", anonymous=False).start()
    builders.write_vessel(database, "argo", ["main"])
    builders.write_equipment(database, "argo", "main", 1, 0.25)
    builders.write_notes(database, "argo", 150)
    try:
        async with forwarding(database, broker.url, user="argo", password="secret") as gateway:
            await until(lambda: is_ashore(gateway), "all is ashore")
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
            with Listener(broker.port, "ashore", "secret") as late:
                await until(lambda: late.on("main/state") and late.on("/vessel"), "all is back")
    finally:
        broker.stop()


# Sensors that no longer exist


def assert_nothing_of(found: dict[str, bytes], *sensors: str) -> None:
    left = [topic for topic in found for sensor in sensors if re.search(f"/{sensor}[_/]", topic)]
    assert not left


def write_sensors(database: Database, count: int = 150) -> None:
    builders.write_vessel(database, "argo", ["main", "aft", "bow"])
    for sensor in ("main", "aft", "bow"):
        builders.write_equipment(database, "argo", sensor, 1, 0.25)
        builders.write_alarm(database, "argo", sensor, 1)
    builders.write_notes(database, "argo", count)


def topics_of(*sensors: str) -> set[str]:
    return {
        "logboat/argo/presence",
        "logboat/argo/vessel",
        "homeassistant/binary_sensor/logboat-argo/_recorder/config",
    } | {
        topic
        for sensor in sensors
        for topic in (
            f"logboat/argo/sensor/{sensor}/state",
            f"logboat/argo/sensor/{sensor}/alarm",
            f"homeassistant/sensor/logboat-argo/{sensor}/config",
            f"homeassistant/binary_sensor/logboat-argo/{sensor}_fault/config",
        )
    }


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("meanwhile", ["off", "on"])
async def test_nothing_is_retained_of_removed_and_renamed_sensors(
    database: Database, broker: Broker, version: str, meanwhile: str
) -> None:
    write_sensors(database)

    def change() -> None:
        builders.write_vessel(database, "argo", ["main", "stern"])
        builders.write_equipment(database, "argo", "stern", 1, 0.25)
        builders.write_alarm(database, "argo", "stern", 1)

    async with Relay(broker.port) if version == "5" else Elderly(broker.port) as between:
        async with forwarding(database, between.url) as gateway:
            await until(lambda: is_ashore(gateway), "all is ashore")
            await comes_to_retain(
                broker, lambda found: set(found) == topics_of("main", "aft", "bow"), "all is retained"
            )
            if meanwhile == "on":
                change()
                await comes_to_retain(
                    broker, lambda found: set(found) == topics_of("main", "stern"), "the old ones are gone"
                )
        if meanwhile == "off":
            change()
            async with forwarding(database, between.url):
                await comes_to_retain(
                    broker, lambda found: set(found) == topics_of("main", "stern"), "the old ones are gone"
                )


async def test_old_alarm_of_a_removed_sensor_is_published_but_not_retained(
    database: Database, broker: Broker
) -> None:
    write_sensors(database, 0)
    builders.write_vessel(database, "argo", ["main"])
    with Listener(broker.port) as listener:
        async with forwarding(database, broker.url) as gateway:
            await until(lambda: is_ashore(gateway), "all is ashore")
            await until(lambda: listener.on("aft/alarm"), "somebody has acknowledged it, say")
            assert_nothing_of(await asyncio.to_thread(retained, broker.port), "aft", "bow")


async def test_sensor_that_becomes_a_contact_remains_one_entity(database: Database, broker: Broker) -> None:
    builders.write_vessel(database, "argo", ["main"])
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
        builders.write_vessel(database, "argo", ["main"], unit="bool", kind="switch")
        found = await comes_to_retain(
            broker,
            lambda found: not any("/sensor/logboat-argo" in topic for topic in found),
            "the number is gone",
        )
    assert "homeassistant/binary_sensor/logboat-argo/main/config" in found


async def test_vessel_with_an_old_sensor_list_does_not_remove_a_new_sensor(
    tmp_path: Path, database: Database, broker: Broker
) -> None:
    builders.write_vessel(database, "argo", ["main"])
    with builders.store(tmp_path / "other.db") as other:
        old = database.get("vessel:argo")
        assert old is not None
        other.insert(old.id, old.rev, [], old.raw)
        builders.write_vessel(other, "brigid", ["main"])
        builders.write_vessel(database, "argo", ["main", "stern"])
        builders.write_equipment(database, "argo", "stern", 1, 0.25)
        async with forwarding(database, broker.url) as gateway:
            await until(lambda: is_ashore(gateway), "its own gateway is done")
        async with forwarding(other, broker.url, vessel="brigid") as gateway:
            await until(lambda: is_ashore(gateway), "the other one is done")
            await until(lambda: gateway.report().backlog_documents == 0, "with all")
            found = await comes_to_retain(
                broker, lambda found: "logboat/brigid/vessel" in found, "it has brought its own"
            )
    assert "logboat/argo/sensor/stern/state" in found
    assert "homeassistant/sensor/logboat-argo/stern/config" in found
    assert set(json.loads(found["logboat/argo/vessel"])["sensors"]) == {"main", "stern"}


async def test_sensors_are_removed_from_home_assistant_when_it_is_disabled(
    database: Database, broker: Broker
) -> None:
    write_sensors(database)
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
    async with forwarding(database, broker.url, options=MqttOptions()):
        found = await comes_to_retain(
            broker, lambda found: not any(topic.startswith("homeassistant/") for topic in found), "taken back"
        )
    assert "logboat/argo/sensor/main/state" in found


async def test_messages_with_former_prefixes_are_cleared(database: Database, broker: Broker) -> None:
    write_sensors(database)
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
    for prefix, assistant in (("logboat", "ha"), ("fleet/boats", "ha"), ("fleet/boats", "homeassistant")):
        options = MqttOptions(home_assistant=True, prefix=prefix, discovery_prefix=assistant)
        wanted = {
            topic.replace("logboat/", f"{prefix}/", 1) if topic.startswith("logboat/") else topic
            for topic in topics_of("main", "aft", "bow")
        }
        wanted = {topic.replace("homeassistant/", f"{assistant}/", 1) for topic in wanted}
        async with forwarding(database, broker.url, options=options):
            found = await comes_to_retain(
                broker, lambda found, wanted=wanted: set(found) == wanted, "only the new topics are left"
            )
        config = json.loads(found[f"{assistant}/sensor/logboat-argo/main/config"])
        assert config["state_topic"] == f"{prefix}/argo/sensor/main/state"
        assert config["unique_id"] == "logboat_argo_main", "the entity stays the same"


async def test_web_address_of_the_vessel_is_announced_when_it_is_set(
    database: Database, broker: Broker
) -> None:
    """The address is announced only for the vessel that runs the gateway, not for other vessels."""
    write_sensors(database)
    builders.write_vessel(database, "brigid", ["main"])
    for address in ("", "https://club.example.org/argo", ""):
        options = MqttOptions(home_assistant=True, configuration_url=address)

        def is_announced(found: Mapping[str, bytes], address: str = address) -> bool:
            config = found.get("homeassistant/sensor/logboat-argo/main/config")
            return config is not None and json.loads(config)["device"].get("configuration_url", "") == address

        async with forwarding(database, broker.url, options=options) as gateway:
            await until(partial(is_ashore, gateway), "all is ashore")
            found = await comes_to_retain(broker, is_announced, f"{address!r} is announced")
        other = json.loads(found["homeassistant/sensor/logboat-brigid/main/config"])
        assert "configuration_url" not in other["device"]


async def test_acknowledged_earlier_alarm_does_not_end_the_notification_of_a_newer_one(
    database: Database, broker: Broker
) -> None:
    write_sensors(database)
    path = {"path": "tanks.fuel.main.currentLevel"}
    earlier = builders.write_alarm(database, "argo", "main", 3, cleared={"clock": 2.0, "boot": 1}, **path)
    builders.write_alarm(database, "argo", "main", 7, cleared=None, **path)
    options = MqttOptions(signalk=True)
    with Listener(broker.port, filters=("logboat/argo/signalk", "logboat/argo/sensor/main/alarm")) as hearer:
        async with forwarding(database, broker.url, options=options) as gateway:
            await until(lambda: is_ashore(gateway), "all is ashore")
            acknowledgements.acknowledge(database, earlier, who="mate", when="2026-11-26T01:15:00.000Z")
            await until(
                lambda: any(b'"acks":[{' in heard.payload for heard in hearer.heard),
                "the acknowledgement is ashore",
            )
            await until(lambda: is_ashore(gateway), "all is ashore again")
    states = [
        json.loads(heard.payload)["updates"][0]["values"][0]
        for heard in hearer.heard
        if b"notifications." in heard.payload
    ]
    assert states[-1]["path"] == "notifications.tanks.fuel.main.currentLevel"
    assert states[-1]["value"]["state"] == "alarm"


async def test_gateway_that_is_new_leaves_messages_with_other_prefixes_alone(
    tmp_path: Path, database: Database, broker: Broker
) -> None:
    write_sensors(database)
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
    with builders.store(tmp_path / "other.db") as other:
        write_sensors(other)
        options = MqttOptions(home_assistant=True, prefix="boats", discovery_prefix="ha")
        async with forwarding(other, broker.url, options=options) as gateway:
            await until(lambda: is_ashore(gateway), "all is ashore, too")
            found = await comes_to_retain(
                broker, lambda found: "boats/argo/sensor/bow/state" in found, "it has brought its own"
            )
    assert topics_of("main", "aft", "bow") <= set(found)


async def test_retained_messages_of_other_clients_are_kept(database: Database, broker: Broker) -> None:
    builders.write_vessel(database, "argo", ["main"])
    with Listener(broker.port) as other:
        other.publish("logboat/argo/sensor/kettle/state", b"on")
        other.publish("homeassistant/sensor/shed/kettle/config", b"{}")
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
        found = await asyncio.to_thread(retained, broker.port)
    assert found["logboat/argo/sensor/kettle/state"] == b"on"
    assert found["homeassistant/sensor/shed/kettle/config"] == b"{}"


# Presence


async def test_presence_follows_the_recorder(database: Database, broker: Broker) -> None:
    builders.write_vessel(database, "argo", ["main"])
    records = [True]
    topic = "logboat/argo/presence"
    async with forwarding(database, broker.url, is_recording=lambda: records[0]):
        await comes_to_retain(broker, lambda found: found.get(topic) == b"online", "it records")
        records[0] = False
        await comes_to_retain(broker, lambda found: found[topic] == b"offline", "it does not")
        records[0] = True
        await comes_to_retain(broker, lambda found: found[topic] == b"online", "it does again")
        with Listener(broker.port) as other:
            other.publish(topic, b"offline")
        await comes_to_retain(broker, lambda found: found[topic] == b"online", "it has the last word")


async def test_recorder_that_stops_while_the_broker_is_queried_is_reported(
    database: Database, broker: Broker
) -> None:
    builders.write_vessel(database, "argo", ["main"])
    looks = iter((True,))
    quick = replace(QUICK, recorder=0.001)
    async with forwarding(
        database, broker.url, is_recording=lambda: next(looks, False), patience=quick
    ) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
        await comes_to_retain(
            broker, lambda found: found.get("logboat/argo/presence") == b"offline", "it does not record"
        )


async def test_vessel_forwarded_by_another_is_online_while_its_documents_arrive(
    database: Database, broker: Broker
) -> None:
    write_fleet(database)
    topic = "logboat/brigid/presence"
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
        await comes_to_retain(broker, lambda found: found.get(topic) == b"offline", "nothing new has come")
        late = NOW - timedelta(days=7)
        builders.write_equipment(database, "brigid", "main", 2, 0.5, time=late.isoformat())
        await until(lambda: is_ashore(gateway), "a value of last week is ashore")
        assert (await asyncio.to_thread(retained, broker.port))[topic] == b"offline"
        builders.write_equipment(database, "brigid", "main", 3, 0.5, time=NOW.isoformat())
        found = await comes_to_retain(broker, lambda found: found[topic] == b"online", "it is there")
        config = json.loads(found["homeassistant/sensor/logboat-brigid/main/config"])
        assert config["availability_topic"] == topic
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
        await comes_to_retain(broker, lambda found: found.get(topic) == b"online", "it still is")
    await comes_to_retain(broker, lambda found: found[topic] == b"offline", "it takes back its word")


@pytest.mark.parametrize("waits_for", ["acknowledgements", "what is retained"])
async def test_stopping_gateway_publishes_offline_although_the_broker_does_not_answer(
    database: Database, broker: Broker, waits_for: str
) -> None:
    write_fleet(database)
    both = {"logboat/argo/presence", "logboat/brigid/presence"}
    async with Withholding(broker.port) as between:
        async with forwarding(database, between.url) as gateway:
            await until(lambda: is_ashore(gateway), "all is ashore")
            builders.write_equipment(database, "brigid", "main", 3, 0.5, time=NOW.isoformat())
            await comes_to_retain(
                broker, lambda found: all(found.get(topic) == b"online" for topic in both), "both are there"
            )
            between.holds = True
            if waits_for == "acknowledgements":
                builders.write_equipment(database, "brigid", "main", 4, 0.75, time=NOW.isoformat())
                await until(lambda: b'"value":0.75' in between.told, "something is on its way")
            else:
                builders.write_vessel(database, "cormorant", ["main"])
                await until(lambda: b"logboat/cormorant" in between.told, "another vessel is asked for")
        await comes_to_retain(
            broker,
            lambda found: {found.get(topic) for topic in both} == {b"offline"},
            "it takes back its word",
        )


async def test_unchanged_value_is_published_again_before_it_expires(
    database: Database, broker: Broker
) -> None:
    builders.write_vessel(database, "argo", ["main", "aft"])
    builders.write_equipment(database, "argo", "main", 1, 0.5)
    builders.write_equipment(database, "argo", "aft", 1, 0.5)
    async with forwarding(database, broker.url) as gateway:
        await until(lambda: is_ashore(gateway), "all is ashore")
    with Listener(
        broker.port, filters=("logboat/+/sensor/+/state", "logboat/+/sensor/+/reading")
    ) as listener:
        async with forwarding(database, broker.url) as gateway:
            await until(lambda: is_ashore(gateway), "it is connected")
            number = documents.reading_id("argo", "main", builders.LOG, 2)
            end = (NOW - timedelta(minutes=5)).isoformat()
            database.put(number, body(number, samples=[[0, 0.5]], first=2, last=2, endUtc=end, window=300.0))
            await until(lambda: len(listener.on("main/state")) == 2, "its value is told again")
            assert listener.on("main/state")[1].payload == listener.on("main/state")[0].payload
            assert len(listener.on("aft/state")) == 1, "of it nothing is known"
