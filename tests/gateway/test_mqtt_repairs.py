"""A broker eventually retains the content of the store, even if it loses messages or sensors change."""

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.gateway.mqtt import lanes, topics
from sync.gateway.mqtt.feed import LaneFeed, Wants
from sync.gateway.mqtt.keys import MqttOptions
from sync.gateway.mqtt.limits import SendWindow, Timeouts
from sync.gateway.mqtt.messages import Message, Options
from sync.gateway.mqtt.outbox import NothingDue, Outbox, ReadyMessage, UnpreparedVessel
from sync.gateway.mqtt.retained_messages import RetainedMessages
from sync.store import Database, Document, Revision

from . import builders

SENSORS = ("main", "aft", "bilge", "bow")
VESSELS = ("argo", "brigid")


class CountingFeed(LaneFeed):
    """Document feed that records the ids of all documents from which it builds messages."""

    built: list[str]

    def __init__(self, database: Database, options: Options, wants: Wants | None) -> None:
        super().__init__(database, options, wants)
        self.built = []

    def messages(self, document: Document | Revision) -> tuple[Message, ...] | None:
        self.built.append(document.id)
        return super().messages(document)


class Forwarder:
    """Simulated gateway of a vessel, which passes the messages of its outbox to a simulated broker."""

    def __init__(
        self,
        name: str,
        database: Database,
        broker: "Broker",
        *,
        feed: LaneFeed | None = None,
        limit: float | None = None,
    ) -> None:
        self.name, self.database, self.broker = name, database, broker
        self.box = Outbox(
            [lanes.DocumentLane(each) for each in lanes.DEFAULT],
            feed or LaneFeed(database, Options(name, MqttOptions(home_assistant=True)), None),
            RetainedMessages(),
            limit=limit,
            now=0.0,
            patience=Timeouts(refusal=1.0, longest=4.0),
            hears_discovery=True,
        )
        self.number, self.now = 0, 0.0
        self.line: list[tuple[int, ReadyMessage]] = []

    def connect(self) -> None:
        self.line.clear()
        self.box.begin(self.now, window=SendWindow(messages=8), must_hear=False, largest=1_000_000)
        self.prepare(self.name)
        while (vessel := self.box.next_unheard()) is not None:
            self.prepare(vessel)

    def prepare(self, vessel: str) -> None:
        self.box.standings.begin_reading(vessel)
        for topic, payload in list(self.broker.retained.items()):
            place = topics.DEFAULT.parse(topic)
            if place is not None and place.vessel == vessel:
                self.box.message_received(topic, payload, is_retained=True, vessel=vessel, now=self.now)
        self.box.standings.end_reading(is_complete=True)
        self.box.prepared(vessel)

    def send(self) -> bool:
        due = self.box.due(self.now)
        if isinstance(due, UnpreparedVessel):
            self.prepare(due.vessel)
            return True
        if isinstance(due, NothingDue):
            self.now += max(0.001, due.seconds)
            return False
        self.number += 1
        self.line.append((self.number, due))
        self.box.sent(due, self.number, self.now)
        return True

    def answer(self, *, refuse: bool = False) -> None:
        if not self.line:
            return
        number, ready = self.line.pop(0)
        self.now += 0.01
        if refuse:
            self.box.acknowledged(number, 0x97, "quota", self.now)
            return
        self.broker.take(self, ready)
        self.box.acknowledged(number, 0, "ok", self.now)

    def finish(self) -> None:
        idle = 0
        while idle < 10:
            idle += 1
            if self.send() or self.line:
                idle = 0
            self.answer()
        assert self.box.backlog == (0, 0)
        assert self.box.refusal is None


class Broker:
    """Simulated broker, which retains messages and passes them on to all gateways except the sender."""

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.forwarders: list[Forwarder] = []

    def take(self, sender: Forwarder, ready: ReadyMessage) -> None:
        message = ready.message
        if message.is_retained:
            if message.payload:
                self.retained[message.topic] = message.payload
            else:
                self.retained.pop(message.topic, None)
        place = topics.DEFAULT.parse(message.topic)
        for other in self.forwarders:
            if other is not sender and place is not None:
                # With MQTT 5, the flag is passed on as published, so it shows whether the message is
                # retained.
                other.box.message_received(
                    message.topic,
                    message.payload,
                    is_retained=message.is_retained,
                    vessel=place.vessel,
                    now=other.now,
                )

    def leave(self, topic: str, payload: bytes) -> None:
        """Retain a message from an unknown client, and send it to all gateways."""
        if payload:
            self.retained[topic] = payload
        else:
            self.retained.pop(topic, None)
        place = topics.DEFAULT.parse(topic)
        for each in self.forwarders:
            vessel = None if place is None else place.vessel
            each.box.message_received(topic, payload, is_retained=True, vessel=vessel, now=each.now)


class Fleet:
    """Two vessels that write documents, and receive each other's documents later and in order."""

    def __init__(self, stores: Iterable[Database]) -> None:
        self.stores = dict(zip(VESSELS, stores, strict=True))
        self.copied = dict.fromkeys(VESSELS, 0)
        self.sequence = 0
        for vessel in VESSELS:
            builders.write_vessel(self.stores[vessel], vessel, SENSORS[:2])

    def change(self, chance: random.Random) -> None:
        self.sequence += 1
        vessel, sensor = chance.choice(VESSELS), chance.choice(SENSORS)
        store = self.stores[vessel]
        step = chance.random()
        if step < 0.4:
            builders.write_equipment(store, vessel, sensor, self.sequence, chance.random())
        elif step < 0.6:
            builders.write_alarm(store, vessel, sensor, self.sequence)
        elif step < 0.8:
            more = {"unit": "bool", "kind": "switch"} if chance.random() < 0.3 else {}
            chosen = chance.sample(SENSORS, chance.randrange(len(SENSORS) + 1))
            builders.write_vessel(store, vessel, chosen, **more)
        else:
            self.meet(vessel)

    def meet(self, vessel: str) -> None:
        """Copy all new documents of this vessel to the other vessel's store."""
        source, target = self.stores[vessel], self.stores[VESSELS[1 - VESSELS.index(vessel)]]
        for change in source.changes(self.copied[vessel]):
            self.copied[vessel] = change.sequence
            document = source.get(change.id)
            if document is not None and document.body["vessel"] == vessel:
                revision = source.revision(document.id, document.rev)
                assert revision is not None
                target.insert(document.id, document.rev, revision.history, document.raw)

    def expected(self) -> dict[str, Any]:
        """Return the topics of all messages to be retained, each with a value that identifies a document."""
        found: dict[str, Any] = {}
        for vessel, store in self.stores.items():
            about = store.get(f"vessel:{vessel}")
            assert about is not None
            found[topics.DEFAULT.vessel(vessel)] = about.rev
            entities = [("binary_sensor", "_recorder")] if about.body["sensors"] else []
            for sensor, facts in about.body["sensors"].items():
                component = "binary_sensor" if facts["unit"] == "bool" else "sensor"
                entities += [(component, sensor), ("binary_sensor", f"{sensor}_fault")]
                current = store.get(f"equipment:{vessel}:{sensor}")
                if current is not None:
                    found[topics.DEFAULT.sensor(vessel, sensor, "state")] = current.body["sequence"]
                alarms = list(store.documents(f"alarm:{vessel}:{sensor}:"))
                if alarms:
                    found[topics.DEFAULT.sensor(vessel, sensor, "alarm")] = alarms[-1].body["sequence"]
            for component, entity in entities:
                found[topics.DEFAULT.discovery(component, vessel, entity)] = f"logboat_{vessel}_{entity}"
        return found


def told(payload: bytes) -> Any:
    body = json.loads(payload)
    return body.get("_rev") or body.get("unique_id") or body["sequence"]


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32))
def test_broker_finally_retains_the_content_of_the_stores(tmp_path_factory: Any, seed: int) -> None:
    chance = random.Random(seed)
    path: Path = tmp_path_factory.mktemp("repairs")
    with builders.store(path / "argo.db") as argo, builders.store(path / "brigid.db") as brigid:
        fleet, broker = Fleet((argo, brigid)), Broker()
        forwarders = [Forwarder(name, fleet.stores[name], broker) for name in VESSELS]
        broker.forwarders = forwarders
        for forwarder in forwarders:
            forwarder.connect()
        for _ in range(150):
            forwarder, step = chance.choice(forwarders), chance.random()
            if step < 0.2:
                fleet.change(chance)
                for each in forwarders:
                    each.box.changed()
            elif step < 0.6:
                forwarder.send()
            elif step < 0.9:
                forwarder.answer(refuse=chance.random() < 0.03)
            elif step < 0.95:
                forwarder.connect()
            else:  # the broker restarts with no messages, or with only some of them
                for topic in list(broker.retained):
                    if chance.random() < 0.7:
                        del broker.retained[topic]
                for each in forwarders:
                    each.connect()
        for vessel in VESSELS:
            fleet.meet(vessel)
        for forwarder in forwarders:
            forwarder.box.changed()
        for forwarder in (*forwarders, *forwarders):
            forwarder.finish()
        assert {topic: told(payload) for topic, payload in broker.retained.items()} == fleet.expected()


def older(payload: bytes) -> bytes:
    return json.dumps({**json.loads(payload), "sequence": 0}).encode()


@pytest.mark.parametrize(
    ("topic", "payload", "document"),
    [
        ("logboat/argo/sensor/main/state", older, "equipment:argo:main"),
        ("logboat/argo/sensor/main/state", lambda _: b"", "equipment:argo:main"),
        ("logboat/argo/sensor/main/alarm", lambda _: b"", "alarm:argo:main:qwerty:000000000002"),
        ("logboat/argo/vessel", lambda _: b"", "vessel:argo"),
    ],
)
def test_changed_topic_is_corrected_without_reading_other_documents(
    tmp_path: Path, topic: str, payload: Callable[[bytes], bytes], document: str
) -> None:
    with builders.store(tmp_path / "log.db") as store:
        sensors = [*SENSORS, *(f"s{number}" for number in range(30))]
        for vessel in VESSELS:
            builders.write_vessel(store, vessel, sensors)
            for sensor in sensors:
                builders.write_equipment(store, vessel, sensor, 1, 0.5)
        builders.write_alarm(store, "argo", "main", 1)
        builders.write_alarm(store, "argo", "main", 2)
        broker, feed = Broker(), CountingFeed(store, Options("argo", MqttOptions(home_assistant=True)), None)
        forwarder = Forwarder("argo", store, broker, feed=feed)
        broker.forwarders = [forwarder]
        forwarder.connect()
        forwarder.finish()
        before, other = dict(broker.retained), feed.facts("brigid")
        feed.built.clear()
        broker.leave(topic, payload(before[topic]))
        assert set(feed.built) == {document}
        assert feed.facts("brigid") is other
        forwarder.finish()
        assert broker.retained == before
        assert set(feed.built) == {document}


def test_repeated_messages_keep_the_rate_limit(tmp_path: Path) -> None:
    limit, sensors = 5_000, [f"s{number}" for number in range(40)]
    with builders.store(tmp_path / "log.db") as store:
        builders.write_vessel(store, "argo", sensors)
        for sensor in sensors:
            builders.write_equipment(store, "argo", sensor, 1, 0.5)
        broker = Broker()
        forwarder = Forwarder("argo", store, broker, limit=limit)
        broker.forwarders = [forwarder]
        forwarder.connect()
        forwarder.finish()
        before = dict(broker.retained)
        broker.retained.clear()
        forwarder.now += 60.0
        forwarder.connect()
        began, sent = forwarder.now, 0
        assert forwarder.box.backlog[0] > 0
        while broker.retained != before:
            if forwarder.send():
                assert sent <= limit * (1 + forwarder.now - began) + 1, (
                    "a second's worth at once, then as allowed"
                )
                sent += forwarder.line[-1][1].message.size
            forwarder.answer()
        assert sent > 2 * limit, "else the limit does not matter"
