"""Discovery messages contain only keys that Home Assistant's MQTT documentation allows.

`tests/homeassistant` tests the messages with a real Home Assistant, which takes minutes to install.
"""

import json
import re
from typing import Any, Final

import jinja2
import pytest

from sensors import signalk_paths
from sensors.contact_classes import contact_class
from sensors.presentation import presentation
from services.alarms.phases import phase_of
from sync.gateway.mqtt.homeassistant import DiscoveryStyle, discovery
from sync.gateway.mqtt.vessels import SensorFacts, VesselFacts

COMMON: Final = frozenset(
    {
        *("availability", "availability_mode", "availability_template", "availability_topic"),
        *("default_entity_id", "device", "enabled_by_default", "encoding", "entity_category"),
        *("entity_picture", "icon", "json_attributes_template", "json_attributes_topic", "name", "origin"),
        *("payload_available", "payload_not_available", "platform", "qos", "unique_id", "device_class"),
    }
)
"""Keys of discovery messages that all of Home Assistant's components accept."""
KEYS: Final = {
    "sensor": COMMON
    | {
        *("expire_after", "force_update", "last_reset_value_template", "options", "state_class"),
        *("state_topic", "suggested_display_precision", "unit_of_measurement", "value_template"),
    },
    "binary_sensor": COMMON
    | {
        *("expire_after", "force_update", "off_delay", "payload_off", "payload_on"),
        *("state_topic", "value_template"),
    },
    "button": COMMON | {"command_template", "command_topic", "payload_press", "retain"},
}
"""Keys of discovery messages that each component accepts.

Home Assistant ignores other keys, or rejects the message.
"""
NEEDED: Final = {"sensor": "state_topic", "binary_sensor": "state_topic", "button": "command_topic"}
DEVICE_KEYS: Final = {
    *("configuration_url", "connections", "hw_version", "identifiers", "manufacturer", "model", "model_id"),
    *("name", "serial_number", "suggested_area", "sw_version", "via_device"),
}
ORIGIN_KEYS: Final = {"name", "support_url", "sw_version"}
OBJECT_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")


def sensors() -> tuple[SensorFacts, ...]:
    """Return one sensor for each known Signal K path."""
    return tuple(
        SensorFacts(
            f"s{number}",
            f"Sensor {number}",
            path.replace("*", "main"),
            meta.units,
            "analog",
            300.0,
            1.0,
            has_alarms=True,
        )
        for number, (path, meta) in enumerate(signalk_paths.TABLE.items())
    )


ENTITIES: Final = dict(
    discovery(
        VesselFacts("argo", "SY Argo", version="1.0", sensors=sensors()),
        DiscoveryStyle(presentation, contact_class, acknowledges=True),
    )
)


@pytest.mark.parametrize("topic", ENTITIES)
def test_message_has_only_documented_keys(topic: str) -> None:
    config: dict[str, Any] = ENTITIES[topic]
    root, component, node, entity, last = topic.split("/")
    assert (root, last) == ("homeassistant", "config")
    assert OBJECT_ID.fullmatch(node)
    assert OBJECT_ID.fullmatch(entity)
    assert config.keys() <= KEYS[component]
    assert NEEDED[component] in config
    assert config["default_entity_id"].partition(".")[0] == component
    assert re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", config["default_entity_id"])
    assert config["device"].keys() <= DEVICE_KEYS
    assert config["device"]["identifiers"] == ["logboat-argo"]
    assert config["device"]["sw_version"] == "1.0"
    assert config["origin"].keys() <= ORIGIN_KEYS
    assert config.get("entity_category") in {None, "diagnostic"}
    assert ("availability_topic" in config) == (entity != "_recorder")


def test_every_entity_has_its_own_id() -> None:
    assert len({config["unique_id"] for config in ENTITIES.values()}) == len(ENTITIES)
    assert len({config["default_entity_id"] for config in ENTITIES.values()}) == len(ENTITIES)


@pytest.mark.parametrize("cleared", [None, {"utc": "2026-10-09T08:55:17Z"}])
@pytest.mark.parametrize("acks", [[], [{"who": "anna"}]])
def test_attribute_of_an_alarm_states_its_phase(
    cleared: dict[str, str] | None, acks: list[dict[str, str]]
) -> None:
    templates = {
        entity["json_attributes_template"]
        for topic, entity in ENTITIES.items()
        if "alarm" in topic or "button" in topic
    }
    assert len(templates) == 1
    alarm = {"_id": "alarm:argo:s1:qwerty:000000000001", "cleared": cleared, "acks": acks}
    attributes = json.loads(jinja2.Template(templates.pop()).render(value_json=alarm))
    assert attributes["phase"] == phase_of(cleared=cleared is not None, acknowledged=bool(acks))
