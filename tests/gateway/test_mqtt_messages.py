"""Tests of the MQTT messages for each type of document, such as their topics and payloads."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.contact_classes import contact_class
from sensors.presentation import presentation
from sync.gateway.mqtt import homeassistant, signalk, topics
from sync.gateway.mqtt.configuration import MqttGatewayConfiguration
from sync.gateway.mqtt.homeassistant import DiscoveryStyle
from sync.gateway.mqtt.messages import Message, MessageAge, Options, RetainRule, messages_of, with_id
from sync.gateway.mqtt.retained_messages import RetainedMessages, is_older
from sync.gateway.mqtt.vessels import SensorFacts, VesselFacts, facts_of
from sync.store import bodies
from tests.fleet.builders import body

UUID = "urn:mrn:signalk:uuid:6a1b9d3c-56ef-4f1e-8b1e-000000000001"
FACTS = VesselFacts("argo", "Argo", UUID, "1.0", ("aaaaaa", "bbbbbb"))
PLAIN = Options("argo")


def made(document_id: str, *, options: Options = PLAIN, deleted: bool = False, **more: Any) -> list[Message]:
    raw = bodies.canonical(document_id, body(document_id, **more))
    return list(messages_of(document_id, raw, deleted=deleted, facts=FACTS, options=options))


@pytest.mark.parametrize(
    ("document_id", "topic", "retention"),
    [
        ("equipment:argo:main", "logboat/argo/sensor/main/state", RetainRule.LATEST),
        ("reading:argo:main:aaaaaa:000000000001", "logboat/argo/sensor/main/reading", RetainRule.NO),
        (
            "alarm:argo:main:aaaaaa:000000000001",
            "logboat/argo/sensor/main/alarm",
            RetainRule.LATEST_OR_PASSING,
        ),
        ("silence:argo:main:aaaaaa:000000000001", "logboat/argo/sensor/main/silence", RetainRule.NO),
        ("gap:argo:main:aaaaaa:000000000001", "logboat/argo/sensor/main/gap", RetainRule.NO),
        ("boot:argo:aaaaaa:3", "logboat/argo/boot/aaaaaa/3", RetainRule.NO),
        (
            "note:argo:01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "logboat/argo/note/01ARZ3NDEKTSV4RRFFQ69G5FAV",
            RetainRule.NO,
        ),
        (
            "service:argo:01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "logboat/argo/service/01ARZ3NDEKTSV4RRFFQ69G5FAV",
            RetainRule.NO,
        ),
        ("vessel:argo", "logboat/argo/vessel", RetainRule.LATEST_OR_PASSING),
    ],
)
def test_each_kind_has_its_topic(document_id: str, topic: str, retention: RetainRule) -> None:
    (message,) = made(document_id)
    assert (message.topic, message.retention) == (topic, retention)
    assert json.loads(message.payload)["_id"] == document_id


@pytest.mark.parametrize("document_id", ["fleet:revocations", "forwarded:shore:argo", "recipe:pancakes"])
def test_documents_of_the_fleet_and_of_apps_are_not_published(document_id: str) -> None:
    assert list(messages_of(document_id, b"{}", deleted=False, facts=FACTS, options=PLAIN)) == []


def test_deleted_current_value_clears_its_topic() -> None:
    assert made("equipment:argo:main", deleted=True) == [
        Message("logboat/argo/sensor/main/state", b"", RetainRule.ALWAYS)
    ]


@given(st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=5), max_size=4))
def test_id_is_first_and_other_members_are_unchanged(found: dict[str, Any]) -> None:
    found.pop("_id", None)
    found = {key: value for key, value in found.items() if not key.startswith("_")}
    raw = bodies.canonical("x", found)
    assert json.loads(with_id("note:argo:x", raw)) == {"_id": "note:argo:x", **found}


def test_current_value_is_converted_to_a_signal_k_delta() -> None:
    delta = signalk.delta(
        UUID,
        {"sensor": "main", "path": "tanks.fuel.0.currentLevel", "value": 0.5, "unit": "ratio", "time": "T"},
        presentation,
    )
    assert delta == {
        "context": f"vessels.{UUID}",
        "updates": [
            {
                "$source": "logboat.main",
                "timestamp": "T",
                "values": [{"path": "tanks.fuel.0.currentLevel", "value": 0.5}],
                "meta": [{"path": "tanks.fuel.0.currentLevel", "value": {"units": "ratio"}}],
            }
        ],
    }


def test_faulty_value_is_null_in_signal_k() -> None:
    delta = signalk.delta(
        UUID, {"sensor": "main", "path": "a.b", "value": 0.5, "state": "open"}, presentation
    )
    assert delta is not None
    assert delta["updates"][0]["values"] == [{"path": "a.b", "value": None}]


RAISED = {
    "type": "alarm",
    "sensor": "bilge",
    "log": "aaaaaa",
    "sequence": 5,
    "path": "bilge.main.highWater",
    "severity": "alarm",
    "text": "Water in the bilge",
    "condition": "active for 10 s",
    "raised": {"utc": "2026-11-26T01:14:41.800Z"},
    "cleared": None,
    "acks": [],
    "history": [[1, 2, "alarm", "active"]],
}
CLEARED = {"utc": "2026-11-26T01:20:00.000Z"}
ACKS = [{"who": "mate", "when": "2026-11-26T01:15:00.000Z"}]


@pytest.mark.parametrize(
    ("change", "state", "method", "time"),
    [
        ({}, "alarm", ["visual", "sound"], "2026-11-26T01:14:41.800Z"),
        ({"acks": ACKS}, "alarm", ["visual"], "2026-11-26T01:14:41.800Z"),
        ({"cleared": CLEARED}, "normal", ["visual"], "2026-11-26T01:20:00.000Z"),
        ({"cleared": CLEARED, "acks": ACKS}, "normal", [], "2026-11-26T01:20:00.000Z"),
        ({"severity": "dire"}, "emergency", ["visual", "sound"], "2026-11-26T01:14:41.800Z"),
        ({"severity": ["alarm"]}, "emergency", ["visual", "sound"], "2026-11-26T01:14:41.800Z"),
    ],
    ids=["active", "acknowledged", "rectified", "normal", "unknown severity", "malformed severity"],
)
def test_alarm_is_converted_to_a_signal_k_notification(
    change: dict[str, Any], state: str, method: list[str], time: str
) -> None:
    assert signalk.notification(UUID, RAISED | change) == {
        "context": f"vessels.{UUID}",
        "updates": [
            {
                "$source": "logboat.bilge",
                "timestamp": time,
                "values": [
                    {
                        "path": "notifications.bilge.main.highWater",
                        "value": {
                            "state": state,
                            "method": method,
                            "message": "Water in the bilge: active for 10 s",
                        },
                    }
                ],
            }
        ],
    }


def test_silenced_alarm_is_shown_without_sound() -> None:
    def method(**change: Any) -> Any:
        delta = signalk.notification(UUID, RAISED | change, is_silenced=True)
        assert delta is not None
        return delta["updates"][0]["values"][0]["value"]["method"]

    assert method() == ["visual"]
    assert method(cleared=CLEARED, acks=ACKS) == []


def test_alarm_without_a_path_or_a_uuid_is_no_notification() -> None:
    assert signalk.notification(None, RAISED) is None
    assert signalk.notification(UUID, RAISED | {"path": None}) is None


@pytest.mark.parametrize(
    ("path", "cleared", "states"),
    [
        ("tanks.fuel.main.currentLevel", None, []),
        ("tanks.fuel.main.currentLevel", {"clock": 9.0}, ["normal"]),
        ("bilge.main.highWater", {"clock": 9.0}, []),
    ],
    ids=["active", "cleared", "cleared, and the sensor has another id now"],
)
def test_notification_of_a_removed_sensor_ends_unless_another_sensor_has_its_path(
    path: str, cleared: Any, states: list[str]
) -> None:
    bilge = SensorFacts("float", "Float", "bilge.main.highWater", "bool", "switch", has_alarms=True)
    facts = replace(FACTS, sensors=(bilge,), lists_sensors=True)
    alarm = RAISED | {"vessel": "argo", "path": path, "cleared": cleared}
    options = replace(PLAIN, mqtt=replace(PLAIN.mqtt, signalk=True))
    found = messages_of(
        "alarm:argo:bilge:aaaaaa:000000000005",
        json.dumps(alarm).encode(),
        deleted=False,
        facts=facts,
        options=options,
    )
    deltas = [json.loads(each.payload) for each in found if each.topic.endswith("/signalk")]
    assert [delta["updates"][0]["values"][0]["value"]["state"] for delta in deltas] == states


def test_home_assistant_gets_each_sensor_in_the_units_that_people_use() -> None:
    facts = VesselFacts(
        "argo",
        "Argo",
        sensors=(
            SensorFacts("bilge", "Bilge", "bilge.main.highWater", "bool", "switch", has_alarms=True),
            SensorFacts("main-rpm", "Main", "propulsion.main.revolutions", "Hz", "pulse"),
        ),
    )
    found = dict(homeassistant.discovery(facts, DiscoveryStyle(presentation, contact_class)))
    assert set(found) == {
        "homeassistant/binary_sensor/logboat-argo/_recorder/config",
        "homeassistant/binary_sensor/logboat-argo/bilge/config",
        "homeassistant/binary_sensor/logboat-argo/bilge_alarm/config",
        "homeassistant/binary_sensor/logboat-argo/bilge_fault/config",
        "homeassistant/sensor/logboat-argo/main-rpm/config",
        "homeassistant/binary_sensor/logboat-argo/main-rpm_fault/config",
    }
    assert found["homeassistant/binary_sensor/logboat-argo/bilge/config"]["device_class"] == "moisture"
    rpm = found["homeassistant/sensor/logboat-argo/main-rpm/config"]
    assert rpm["unit_of_measurement"] == "rpm"
    assert rpm["unique_id"] == "logboat_argo_main-rpm"
    assert rpm["default_entity_id"] == "sensor.argo_main_rpm"
    assert "object_id" not in rpm, "Home Assistant 2026.4 no longer reads it"
    assert rpm["state_topic"] == "logboat/argo/sensor/main-rpm/state"
    assert rpm["availability_topic"] == "logboat/argo/presence"
    assert rpm["device"]["identifiers"] == ["logboat-argo"]


def test_malformed_document_is_published_unchanged() -> None:
    (message,) = made("equipment:argo:main", log=7, sequence="x")
    assert message.standing is None
    assert facts_of("argo", {"logs": 3, "sensors": [1], "name": 4}).id == "argo"


@pytest.mark.parametrize(
    ("ours", "theirs", "older"),
    [
        (MessageAge("aaaaaa", 5), MessageAge("aaaaaa", 9), True),
        (MessageAge("aaaaaa", 9), MessageAge("aaaaaa", 5), False),
        (MessageAge("aaaaaa", 9), MessageAge("bbbbbb", 1), True),
        (MessageAge("bbbbbb", 1), MessageAge("aaaaaa", 9), False),
        (MessageAge("aaaaaa", 9), MessageAge("zzzzzz", 1), True),
        (MessageAge("zzzzzz", 1), MessageAge("aaaaaa", 9), False),
    ],
)
def test_age_is_compared_by_log_and_then_by_number(
    ours: MessageAge, theirs: MessageAge, *, older: bool
) -> None:
    assert is_older(ours, theirs, ("aaaaaa", "bbbbbb")) is older


def test_older_alarm_is_published_and_older_state_is_not() -> None:
    standings = RetainedMessages()
    state = Message("t/state", b"{}", RetainRule.LATEST, MessageAge("aaaaaa", 5))
    alarm = Message("t/alarm", b"{}", RetainRule.LATEST_OR_PASSING, MessageAge("aaaaaa", 5))
    for topic in ("t/state", "t/alarm"):
        standings.record_foreign(topic, b'{"log":"aaaaaa","sequence":9,"type":"equipment"}', FACTS.logs)
    assert standings.judge(state, FACTS.logs) is None
    judged = standings.judge(alarm, FACTS.logs)
    assert judged is not None
    assert not judged.is_retained


def test_notification_of_an_older_alarm_is_not_published() -> None:
    """For example, an acknowledgement of yesterday's alarm does not end the notification of today's alarm."""
    standings = RetainedMessages()
    delta = Message(
        "t/signalk", b"{}", RetainRule.PASSING_IF_LATEST, MessageAge("aaaaaa", 5), ranked_by="t/alarm"
    )
    assert not delta.is_retained
    assert standings.judge(delta, FACTS.logs) == replace(delta, retention=RetainRule.NO)
    for sequence, is_published in ((5, True), (9, False)):
        payload = json.dumps({"log": "aaaaaa", "sequence": sequence, "type": "alarm"}).encode()
        standings.record_foreign("t/alarm", payload, FACTS.logs)
        assert (standings.judge(delta, FACTS.logs) is not None) is is_published


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"url": "http://x"}, "is not the address of an MQTT broker"),
        ({"url": "mqtt://u:p@x"}, "use the separate settings"),
        ({"url": "mqtt://x/topic"}, "must end with the port"),
        ({"url": "mqtt://x", "password": "p"}, "but no user"),
        ({"url": "mqtts://x", "certificate": "a"}, "needs its certificate"),
        ({"url": "mqtt://x", "ca": "a"}, "did you mean mqtts"),
        ({"url": "mqtt://x", "limit": 0.0}, "more than 0"),
    ],
)
def test_invalid_configuration_is_refused_with_a_reason(given_: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MqttGatewayConfiguration("shore", **given_)


def test_reading_a_vessels_retained_messages_examines_only_its_topics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {
        topics.DEFAULT.sensor(f"v{vessel}", f"s{sensor}", "state"): MessageAge("aaaaaa", sensor)
        for vessel in range(20)
        for sensor in range(10)
    }
    parse, parsed = topics.Topics.parse, list[str]()

    def note(self: topics.Topics, topic: str) -> topics.RetainedTopic | None:
        parsed.append(topic)
        return parse(self, topic)

    monkeypatch.setattr(topics.Topics, "parse", note)
    standings = RetainedMessages(known)
    parsed.clear()
    standings.begin()
    for vessel in range(20):
        own = [topic for topic in known if topic.startswith(f"logboat/v{vessel}/")]
        standings.begin_reading(f"v{vessel}")
        for topic in own:
            standings.record_foreign(
                topic, b'{"type": "equipment", "log": "aaaaaa", "sequence": 99}', ["aaaaaa"]
            )
        standings.end_reading(is_complete=True)
        assert standings.topics(f"v{vessel}") == sorted(own)
    assert len(parsed) <= 3 * len(known), "as many as were heard, not as many for each vessel"
    assert {standing.sequence for standing in standings.known.values()} == {99}


def test_topic_without_a_retained_message_is_forgotten_after_a_complete_reading() -> None:
    topic = topics.DEFAULT.sensor("argo", "main", "state")
    standings = RetainedMessages({topic: MessageAge("aaaaaa", 1)})
    standings.begin_reading("argo")
    standings.end_reading(is_complete=False)
    assert standings.topics("argo") == [topic]
    standings.begin_reading("argo")
    standings.end_reading(is_complete=True)
    assert standings.topics("argo") == []
