"""Home Assistant discovery messages for a vessel's sensors (home-assistant.io, "MQTT discovery").

Each sensor has one entity that shows its value and one that shows its faults. A sensor with alarms also has
an entity for its alarms and, if the gateway allows it, a button that acknowledges them. For each vessel, one
entity shows whether the vessel is recording.

Logboat's values are in SI units. A template in each message converts them to the unit that the gateway's
`presenter` returns. If Home Assistant has a device class for a quantity, its users can select another unit.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sync import documents
from sync.gateway.mqtt import topics
from sync.gateway.mqtt.presentation import ContactClass, Presentation, Presenter, as_stored, no_class
from sync.gateway.mqtt.topics import Topics
from sync.gateway.mqtt.vessels import SensorFacts, VesselFacts

_CONTACT: Final = "bool"
_MANUAL: Final = "manual"


GIVEN_KINDS: Final = frozenset({_MANUAL, "replay"})
"""Kinds of sensors whose next value arrives at an unknown time, because users supply the values."""
SLACK_S: Final = 15.0
"""Maximum time, in seconds, from a sample to its publication if the link has no backlog.

The recorder writes current values every 10 s.
"""


@dataclass(frozen=True, slots=True)
class DiscoveryStyle:
    """Settings that determine the content of the discovery messages."""

    presenter: Presenter = as_stored
    contact_class: ContactClass = no_class
    topics: Topics = topics.DEFAULT
    acknowledges: bool = False
    """True if Home Assistant may acknowledge alarms."""
    forwarder: str = ""
    """Id of the vessel that runs the gateway."""
    configuration_url: str = ""
    """Web address of the vessel that runs the gateway; '' for none.

    Home Assistant shows it on the page of the device.
    """


def expires_after(sensor: SensorFacts) -> int | None:
    """Return the number of seconds without a message after which a sensor's value expires.

    Return None for a sensor without regular samples.

    A constant value is recorded with the first sample after its window ends, and is then published again
    (`signs_of_life`). The returned time is twice the maximum interval between these messages, so that one
    late message has no effect.
    """
    if sensor.kind in GIVEN_KINDS or sensor.window is None or sensor.interval is None:
        return None
    return math.ceil(2 * (sensor.window + sensor.interval + SLACK_S))


def discovery(vessel: VesselFacts, style: DiscoveryStyle) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the discovery topic and the retained configuration message of each entity of a vessel."""
    device: dict[str, Any] = {
        "identifiers": [topics.node(vessel.id)],
        "name": vessel.name or vessel.id,
        "manufacturer": "Logboat",
    }
    origin: dict[str, Any] = {"name": "Logboat"}
    if vessel.version:
        device["sw_version"] = origin["sw_version"] = vessel.version
    if style.configuration_url and vessel.id == style.forwarder:
        device["configuration_url"] = style.configuration_url
    for component, entity, config in _entities(vessel, style):
        label = f"{vessel.id}_{entity.strip('_')}".replace("-", "_")
        common = {
            "unique_id": f"logboat_{vessel.id}_{entity}",
            "default_entity_id": f"{component}.{label}",
            "qos": 1,
            "device": device,
            "origin": origin,
        }
        yield style.topics.discovery(component, vessel.id, entity), {**config, **common}


def _entities(vessel: VesselFacts, style: DiscoveryStyle) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the component, the id and the configuration of each entity.

    Ids of sensors contain no underscore, so the ids of the other entities differ from them.
    """
    sensors = [sensor for sensor in vessel.sensors if documents.NAME.fullmatch(sensor.id)]
    if not sensors:
        return
    yield "binary_sensor", "_recorder", _recorder(style.topics.presence(vessel.id))
    for sensor in sensors:
        component = "binary_sensor" if sensor.unit == _CONTACT else "sensor"
        yield component, sensor.id, _value(vessel, sensor, style)
        if sensor.kind != _MANUAL:
            yield "binary_sensor", f"{sensor.id}_fault", _fault(vessel, sensor, style.topics)
        if sensor.has_alarms:
            yield "binary_sensor", f"{sensor.id}_alarm", _alarm(vessel, sensor, style.topics)
            if style.acknowledges:
                yield "button", f"{sensor.id}_acknowledge", _button(vessel, sensor, style.topics)


def _recorder(presence: str) -> dict[str, Any]:
    # Without an availability topic: the entity must show that the vessel is offline.
    return {
        "name": "Recorder",
        "state_topic": presence,
        "payload_on": topics.ONLINE.decode(),
        "payload_off": topics.OFFLINE.decode(),
        "device_class": "connectivity",
        "entity_category": "diagnostic",
    }


def _current(vessel: VesselFacts, sensor: SensorFacts, topics: Topics) -> dict[str, Any]:
    """Return the members of an entity's configuration for showing one part of a sensor's current value."""
    config: dict[str, Any] = {
        "state_topic": topics.sensor(vessel.id, sensor.id, "state"),
        "availability_topic": topics.presence(vessel.id),
    }
    expires = expires_after(sensor)
    return config if expires is None else {**config, "expire_after": expires}


def _value(vessel: VesselFacts, sensor: SensorFacts, style: DiscoveryStyle) -> dict[str, Any]:
    config = {"name": sensor.name or sensor.id, **_current(vessel, sensor, style.topics)}
    config["json_attributes_topic"] = config["state_topic"]
    config["json_attributes_template"] = _QUALITY
    if sensor.unit != _CONTACT:
        return config | _number(sensor, style.presenter)
    config["value_template"] = _CONTACT_TEMPLATE
    device_class = style.contact_class(sensor.path)
    return config if device_class is None else {**config, "device_class": device_class}


def _fault(vessel: VesselFacts, sensor: SensorFacts, topics: Topics) -> dict[str, Any]:
    config = _current(vessel, sensor, topics)
    return {
        "name": f"{sensor.name or sensor.id} fault",
        **config,
        "value_template": "{{ 'OFF' if value_json.state == 'good' else 'ON' }}",
        "json_attributes_topic": config["state_topic"],
        "json_attributes_template": _QUALITY,
        "device_class": "problem",
        "entity_category": "diagnostic",
    }


def _alarm(vessel: VesselFacts, sensor: SensorFacts, topics: Topics) -> dict[str, Any]:
    # The current value states whether there is an alarm. The alarm's own topic stays empty until the first
    # alarm.
    return {
        "name": f"{sensor.name or sensor.id} alarm",
        **_current(vessel, sensor, topics),
        "value_template": "{{ 'ON' if value_json.alarm else 'OFF' }}",
        "json_attributes_topic": topics.sensor(vessel.id, sensor.id, "alarm"),
        "json_attributes_template": _EPISODE,
        "device_class": "problem",
    }


def _button(vessel: VesselFacts, sensor: SensorFacts, topics: Topics) -> dict[str, Any]:
    # The command names the alarm that the user saw, so that a late command does not acknowledge a newer one.
    return {
        "name": f"Acknowledge {sensor.name or sensor.id} alarm",
        "command_topic": topics.acknowledge(vessel.id, sensor.id),
        "command_template": "{{ this.attributes.alarm_id | default('no alarm') }}",
        "availability_topic": topics.presence(vessel.id),
        "json_attributes_topic": topics.sensor(vessel.id, sensor.id, "alarm"),
        "json_attributes_template": _EPISODE,
    }


_IF_GOOD: Final = " if value_json.state == 'good' and value_json.value is number else None }}"
_CONTACT_TEMPLATE: Final = (
    "{{ None if value_json.state != 'good' else 'ON' if value_json.value is true"
    " else 'OFF' if value_json.value is false else None }}"
)
# Home Assistant ignores attributes that have the names of an entity's own properties, such as `state`.
_QUALITY: Final = (
    "{{ {'quality': value_json.state, 'measured': value_json.get('time'),"
    " 'time_trust': value_json.get('trust')} | tojson }}"
)
_EPISODE: Final = (
    "{{ {'alarm_id': value_json.get('_id'), 'severity': value_json.get('severity'),"
    " 'text': value_json.get('text'), 'raised': (value_json.get('raised') or {}).get('utc'),"
    " 'cleared': (value_json.get('cleared') or {}).get('utc'), 'phase':"
    " ('normal' if value_json.get('acks') else 'rectified-unacknowledged') if value_json.get('cleared')"
    " else ('active-acknowledged' if value_json.get('acks') else 'active-unacknowledged'),"
    " 'acknowledged_by': value_json.get('acks', []) | map(attribute='who') | list} | tojson }}"
)


def _number(sensor: SensorFacts, presenter: Presenter) -> dict[str, Any]:
    shown = presenter(sensor.unit, sensor.path)
    if shown is None:
        return {"value_template": "{{ value_json.value if value_json.state == 'good' else None }}"}
    config: dict[str, Any] = {
        "value_template": _template(shown),
        "state_class": shown.state_class,
    }
    if shown.state_class == _TOTAL_INCREASING and sensor.kind in _FALLING_KINDS:
        config["state_class"] = "total"
    if shown.home_assistant_unit is not None:
        config["unit_of_measurement"] = shown.home_assistant_unit
    if shown.device_class is not None:
        config["device_class"] = shown.device_class
    if shown.decimals is not None:
        config["suggested_display_precision"] = shown.decimals
    return config


def _template(shown: Presentation) -> str:
    value = "value_json.value"
    if shown.offset:
        value = f"({value} - {shown.offset:.15g})"
    if shown.factor < 1:
        value = f"{value} * {1 / shown.factor:.15g}"
    elif shown.factor > 1:
        value = f"{value} / {shown.factor:.15g}"
    if value != "value_json.value":
        # The conversion of 358.15 K results in 84.99999999999994 °C, which Home Assistant would store.
        value = f"({value}) | round({_ROUNDED})"
    return "{{ " + value + _IF_GOOD


_TOTAL_INCREASING: Final = "total_increasing"
_FALLING_KINDS: Final = frozenset({_MANUAL, "derived"})
"""Kinds of sensors whose totals can fall: users correct them, or an expression computes them.

If a `total_increasing` value falls, Home Assistant assumes that the meter has restarted from zero.
"""
_ROUNDED: Final = 6
"""Number of decimals to which Home Assistant's values are rounded."""
