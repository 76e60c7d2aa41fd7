"""The outbox of an MQTT gateway forwards all documents in order, even if the broker and the network fail."""

import json
import random
from collections import Counter
from datetime import UTC as UTC_ZONE
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.gateway.mqtt import lanes
from sync.gateway.mqtt.broker_errors import BrokerLostError
from sync.gateway.mqtt.feed import LaneFeed
from sync.gateway.mqtt.keys import MqttOptions
from sync.gateway.mqtt.limits import SendWindow, Timeouts
from sync.gateway.mqtt.messages import Options
from sync.gateway.mqtt.outbox import NothingDue, Outbox, ReadyMessage, UnpreparedVessel
from sync.gateway.mqtt.retained_messages import RetainedMessages
from sync.gateway.mqtt.silence_watch import SilenceWatch
from sync.gateway.progress import Rate
from sync.store import Database
from tests.fleet.builders import body

from . import builders

SENSORS = ("main", "aft", "bilge")


def outbox(database: Database, *, now: float = 0.0, limit: float | None = None) -> Outbox:
    return Outbox(
        [lanes.DocumentLane(settings_) for settings_ in lanes.DEFAULT],
        LaneFeed(database, Options("argo"), None),
        RetainedMessages(),
        limit=limit,
        now=now,
        patience=Timeouts(refusal=1.0, longest=4.0),
    )


class Sea:
    """Simulated broker and network, which the tests let fail at random."""

    def __init__(self, box: Outbox, chance: random.Random, *, echoes: bool) -> None:
        self.box, self.chance, self.echoes = box, chance, echoes
        self.now = 0.0
        self.ashore: list[bytes] = []
        self.line: list[tuple[int, ReadyMessage]] = []
        self.number = 0
        self.breaks = self.refusals = 0

    def connect(self) -> None:
        self.line.clear()
        self.box.begin(self.now, window=SendWindow(messages=8), must_hear=self.echoes, largest=1_000_000)

    def send(self) -> bool:
        due = self.box.due(self.now)
        if isinstance(due, UnpreparedVessel):
            self.box.prepared(due.vessel)
            return True
        if isinstance(due, NothingDue):
            self.now += due.seconds
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
            self.refusals += 1
            self.box.acknowledged(number, 0x97, "quota", self.now)
            return
        self.ashore.append(ready.message.payload)
        self.box.acknowledged(number, 0, "ok", self.now)
        if self.echoes:
            self.box.message_received(
                ready.message.topic, ready.message.payload, is_retained=False, vessel="argo", now=self.now
            )

    def cut(self) -> None:
        self.breaks += 1
        for number, ready in self.line[: self.chance.randrange(len(self.line) + 1)]:
            del number
            self.ashore.append(ready.message.payload)  # arrives, although its acknowledgement is lost
        self.connect()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), echoes=st.booleans())
def test_all_documents_are_forwarded_in_order_despite_failures(
    tmp_path_factory: Any, seed: int, *, echoes: bool
) -> None:
    chance = random.Random(seed)
    path: Path = tmp_path_factory.mktemp("outbox") / "log.db"
    with builders.store(path) as database:
        for sensor in SENSORS:
            builders.write_readings(database, "argo", sensor, range(1, 12))
        builders.write_alarm(database, "argo", "main", 3)
        sea = Sea(outbox(database), chance, echoes=echoes)
        sea.connect()
        for _ in range(60):
            step = chance.random()
            if step < 0.5:
                sea.send()
            elif step < 0.85:
                sea.answer()
            elif step < 0.93:
                sea.answer(refuse=True)
            else:
                sea.cut()
        for _ in range(400):
            if not sea.send():
                sea.answer()
        assert sea.box.backlog == (0, 0)
        assert sea.box.in_flight == 0
        assert sea.box.refusal is None
    counted = Counter(sea.ashore)
    assert len(counted) == 11 * len(SENSORS) + 1
    # The messages in flight are repeated after a broken connection and after a refusal.
    assert sum(counted.values()) - len(counted) <= 8 * (sea.breaks + sea.refusals)
    for sensor in SENSORS:
        readings = [each for each in sea.ashore if f'"_id":"reading:argo:{sensor}:'.encode() in each]
        came = builders.first_numbers(readings)
        assert list(dict.fromkeys(reversed(came))) == list(range(11, 0, -1)), "the last of each are in order"
        if not sea.refusals:  # later messages in flight may be accepted before a refused one is repeated
            assert list(dict.fromkeys(came)) == list(range(1, 12))


def test_alarm_is_sent_before_waiting_history(tmp_path: Path) -> None:
    with builders.store(tmp_path / "log.db") as database:
        builders.write_readings(database, "argo", "main", range(1, 500))
        sea = Sea(outbox(database), random.Random(1), echoes=False)
        sea.connect()
        while sea.send():
            pass
        alarm = builders.write_alarm(database, "argo", "main", 3)
        sea.box.changed()
        assert sea.send(), "a place is kept for what goes first"
        assert alarm.encode() in sea.line[-1][1].message.payload


def test_refused_lane_does_not_delay_others_and_is_retried_alone(tmp_path: Path) -> None:
    with builders.store(tmp_path / "log.db") as database:
        builders.write_readings(database, "argo", "main", range(1, 50))
        box = outbox(database)
        sea = Sea(box, random.Random(1), echoes=False)
        sea.connect()
        while sea.send():
            pass
        sea.answer(refuse=True)
        while sea.line:
            sea.answer()
        assert box.refusal is not None
        builders.write_alarm(database, "argo", "main", 3)
        box.changed()
        before = sea.now
        assert sea.send()
        assert "/alarm" in sea.line[-1][1].message.topic
        while not sea.send():
            assert sea.now < before + 10
        assert not sea.send(), "one alone, until it is taken"


def test_connection_to_a_silent_broker_is_given_up(tmp_path: Path) -> None:
    with builders.store(tmp_path / "log.db") as database:
        builders.write_readings(database, "argo", "main", range(1, 5))
        sea = Sea(outbox(database), random.Random(1), echoes=False)
        sea.connect()
        while sea.send():
            pass
        assert sea.box.overdue(sea.now) is None
        assert isinstance(sea.box.overdue(sea.now + 1_000), BrokerLostError)


def test_broker_that_lost_its_data_gets_the_last_documents_again(tmp_path: Path) -> None:
    with builders.store(tmp_path / "log.db") as database:
        builders.write_readings(database, "argo", "main", range(1, 301))
        sea = Sea(outbox(database), random.Random(1), echoes=False)
        sea.connect()
        while sea.box.backlog != (0, 0) or len(sea.ashore) < 300:
            if not sea.send():
                sea.answer()
        sea.box.begin(sea.now, window=SendWindow(), must_hear=False, largest=1_000_000, is_forgotten=True)
        again = []
        for _ in range(1_000):
            if not sea.send():
                sea.answer()
        again = sea.ashore[300:]
        assert builders.first_numbers(again) == list(range(301 - lanes.TRAIL, 301))


def test_alarm_does_not_wait_for_restored_messages(tmp_path: Path) -> None:
    sensors = [f"s{number}" for number in range(200)]
    with builders.store(tmp_path / "log.db") as database:
        builders.write_vessel(database, "argo", sensors)
        for sensor in sensors:
            builders.write_equipment(database, "argo", sensor, 1, 0.5)
        sea = Sea(outbox(database), random.Random(1), echoes=False)
        sea.connect()
        while sea.box.backlog != (0, 0) or len(sea.ashore) <= len(sensors):
            if not sea.send():
                sea.answer()
        sea.connect()
        sea.box.prepared("argo")  # the broker has no retained messages
        assert sea.box.backlog[0] == len(sensors) + 1
        before = len(sea.ashore)
        sea.send()
        alarm = builders.write_alarm(database, "argo", "s9", 2)
        sea.box.changed()
        while alarm.encode() not in b"".join(sea.ashore[before:]):
            if not sea.send():
                sea.answer()
        assert len(sea.ashore) - before < 50
        while sea.box.backlog != (0, 0):
            if not sea.send():
                sea.answer()
        assert len(sea.ashore) - before == len(sensors) + 2, "each once"


UTC = 1_790_000_000.0
SILENCE = "silence:argo:main:qwerty:000000000003"


def iso(utc: float) -> str:
    return datetime.fromtimestamp(utc, UTC_ZONE).isoformat()


class QuietSea(Sea):
    """Simulated broker of a gateway that publishes Signal K deltas, with a simulated time of day."""

    def __init__(self, database: Database) -> None:
        self.ahead = 0.0
        options = Options("argo", MqttOptions(signalk=True))
        watch = SilenceWatch(database, utc=lambda: UTC + self.now + self.ahead, boottime=lambda: self.now)
        feed = LaneFeed(database, options, None, watch)
        found = [lanes.DocumentLane(settings_) for settings_ in lanes.DEFAULT]
        box = Outbox(found, feed, RetainedMessages(), limit=None, now=0.0)
        super().__init__(box, random.Random(1), echoes=False)
        self.database = database
        self.number_of_revisions = 0

    def silence(self, seconds: float, severity: str = "alarm") -> None:
        begins = UTC + self.now + self.ahead
        times = {"begins": iso(begins), "ends": iso(begins + seconds), "for": seconds}
        stored = self.database.get(SILENCE)
        parent = None if stored is None else stored.rev
        self.database.put(SILENCE, body(SILENCE, severity=severity, **times), parent=parent)
        self.box.changed()

    def methods(self, until: float) -> list[list[str]]:
        """Return the `method` of each notification that is published until a time."""
        before = len(self.ashore)
        while self.now < until:
            if not self.send():
                while self.line:
                    self.answer()
        deltas = [json.loads(payload) for payload in self.ashore[before:] if b'"notifications.' in payload]
        return [delta["updates"][0]["values"][0]["value"]["method"] for delta in deltas]


LOUD, QUIET = ["visual", "sound"], ["visual"]


@pytest.mark.parametrize("ahead", [0.0, 1e7, -1e7])
def test_notification_loses_its_sound_while_the_alarm_is_silenced(tmp_path: Path, ahead: float) -> None:
    with builders.store(tmp_path / "log.db") as database:
        builders.write_vessel(database, "argo", ["main"])
        builders.write_alarm(database, "argo", "main", 3, path="tanks.fuel.main.currentLevel")
        sea = QuietSea(database)
        sea.connect()
        assert sea.methods(10.0) == [LOUD]
        sea.silence(60.0)
        assert sea.methods(15.0) == [QUIET]
        sea.ahead = ahead  # the clock is set
        assert sea.methods(60.0) == []
        assert sea.methods(80.0) == [LOUD]
        assert sea.methods(4000.0) == []


def test_silence_that_ends_while_the_broker_is_unreachable_is_made_up_for(tmp_path: Path) -> None:
    with builders.store(tmp_path / "log.db") as database:
        builders.write_vessel(database, "argo", ["main"])
        builders.write_alarm(database, "argo", "main", 3, path="tanks.fuel.main.currentLevel")
        sea = QuietSea(database)
        sea.silence(60.0)
        sea.connect()
        assert set(map(tuple, sea.methods(10.0))) == {tuple(QUIET)}
        sea.now = 300.0
        sea.connect()
        assert sea.methods(330.0) == [LOUD]


@pytest.mark.parametrize("later", [300.0, 30_000.0])
def test_silence_that_ends_while_the_daemon_is_stopped_is_made_up_for(tmp_path: Path, later: float) -> None:
    with builders.store(tmp_path / "log.db") as database:
        builders.write_vessel(database, "argo", ["main"])
        builders.write_alarm(database, "argo", "main", 3, path="tanks.fuel.main.currentLevel")
        before = QuietSea(database)
        before.silence(60.0)
        before.connect()
        before.methods(10.0)
        sea = QuietSea(database)
        sea.box.lanes[0].position = sea.box.lanes[0].scanned = before.box.lanes[0].position
        sea.now = later
        sea.connect()
        assert sea.methods(later + 30.0) == [LOUD]


def test_old_silence_of_a_cleared_alarm_publishes_nothing(tmp_path: Path) -> None:
    with builders.store(tmp_path / "log.db") as database:
        builders.write_vessel(database, "argo", ["main"])
        name = builders.write_alarm(database, "argo", "main", 3, path="tanks.fuel.main.currentLevel")
        sea = QuietSea(database)
        sea.silence(60.0)
        sea.connect()
        sea.methods(100.0)
        stored = database.get(name)
        assert stored is not None
        database.put(name, stored.body | {"cleared": {"boot": 1, "clock": 99.0}}, parent=stored.rev)
        sea.box.changed()
        sea.methods(200.0)
        sea.now = 30_000.0
        sea.connect()
        assert sea.methods(30_030.0) == []


def test_alarm_that_becomes_more_severe_is_published_with_sound(tmp_path: Path) -> None:
    with builders.store(tmp_path / "log.db") as database:
        builders.write_vessel(database, "argo", ["main"])
        name = builders.write_alarm(database, "argo", "main", 3, path="tanks.fuel.main.currentLevel")
        sea = QuietSea(database)
        sea.silence(600.0)
        sea.connect()
        sea.methods(10.0)
        stored = database.get(name)
        assert stored is not None
        database.put(name, stored.body | {"severity": "emergency"}, parent=stored.rev)
        sea.box.changed()
        assert sea.methods(20.0) == [LOUD]


def test_rate_limit_is_kept_over_time(tmp_path: Path) -> None:
    with builders.store(tmp_path / "log.db") as database:
        builders.write_readings(database, "argo", "main", range(1, 301))
        sea = Sea(outbox(database, limit=10_000), random.Random(1), echoes=False)
        sea.connect()
        while len(sea.ashore) < 300:
            if not sea.send():
                sea.answer()
        size = sum(map(len, sea.ashore))
        assert size / sea.now <= 10_000 * 1.2


def test_rewritten_document_counts_once_while_it_waits(tmp_path: Path) -> None:
    with builders.store(tmp_path / "log.db") as database:
        feed = LaneFeed(database, Options("argo"), None)
        found = [lanes.DocumentLane(settings_) for settings_ in lanes.DEFAULT]
        feed.start_counting(found)
        for number in range(20):
            builders.write_equipment(database, "argo", "main", number, 0.5)
            feed.count(found)
        assert found[0].backlog.documents == 1


def test_rate_covers_the_last_ten_seconds() -> None:
    now = [100.0]
    rate = Rate(lambda: now[0])
    assert rate.value() is None
    for _ in range(20):
        rate.add(5)
        now[0] += 1
    assert 4.5 <= (rate.value() or 0) <= 5.5
    now[0] += 30
    assert rate.value() is None


def test_window_shrinks_on_a_slow_link_and_grows_again() -> None:
    window = SendWindow()
    before = window.bytes
    window.sent(1_000)
    window.answered(1_000, sent_at=0.0, now=10.0)
    assert window.bytes == before // 2
    for second in range(100):
        window.sent(1_000)
        window.answered(1_000, sent_at=20.0 + second, now=20.1 + second)
    assert window.bytes > before
