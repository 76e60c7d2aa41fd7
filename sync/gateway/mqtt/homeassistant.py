"""Home Assistant discovery messages for a vessel's sensors (home-assistant.io, "MQTT discovery").

Logboat's values are in SI units. A template in each message converts them to the unit that the gateway's
`presenter` returns. If Home Assistant has a device class for a quantity, its users can select another unit.
"""

import math
from collections.abc import Iterator
from typing import Any, Final

from sync import documents
from sync.gateway.mqtt import topics
from sync.gateway.mqtt.presentation import Presentation, Presenter
from sync.gateway.mqtt.vessels import SensorFacts, VesselFacts

_CONTACT: Final = "bool"


GIVEN_KINDS: Final = frozenset({"manual", "replay"})
"""Kinds of sensors whose values users enter, so that the time of the next value is unknown."""
SLACK_S: Final = 15.0
"""Maximum seconds from a sample to its publication if the link has no backlog.

The recorder writes current values every 10 s.
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


def discovery(vessel: VesselFacts, presenter: Presenter) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the discovery topic and the retained configuration message for each sensor of a vessel."""
    device: dict[str, Any] = {
        "identifiers": [topics.node(vessel.id)],
        "name": vessel.name or vessel.id,
        "manufacturer": "Logboat",
    }
    if vessel.version:
        device["sw_version"] = vessel.version
    for sensor in vessel.sensors:
        if documents.NAME.fullmatch(sensor.id) is None:
            continue
        state = topics.sensor(vessel.id, sensor.id, "state")
        config: dict[str, Any] = {
            "name": sensor.name or sensor.id,
            "unique_id": f"logboat_{vessel.id}_{sensor.id}",
            "object_id": f"{vessel.id}_{sensor.id}".replace("-", "_"),
            "state_topic": state,
            "json_attributes_topic": state,
            "availability_topic": topics.presence(vessel.id),
            "qos": 1,
            "device": device,
            "origin": {"name": "Logboat"},
        }
        expires = expires_after(sensor)
        if expires is not None:
            config["expire_after"] = expires
        if sensor.unit == _CONTACT:
            config["value_template"] = _CONTACT_TEMPLATE
            component = "binary_sensor"
        else:
            config |= _number(sensor, presenter)
            component = "sensor"
        yield topics.discovery(component, vessel.id, sensor.id), config


_CONTACT_TEMPLATE: Final = (
    "{{ 'ON' if value_json.value is true else 'OFF' if value_json.value is false else None }}"
)


def _number(sensor: SensorFacts, presenter: Presenter) -> dict[str, Any]:
    shown = presenter(sensor.unit, sensor.path)
    if shown is None:
        return {"value_template": "{{ value_json.value }}"}
    config: dict[str, Any] = {
        "value_template": _template(shown),
        "state_class": shown.state_class,
    }
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
    if value == "value_json.value":
        return "{{ value_json.value }}"
    # The conversion of 358.15 K results in 84.99999999999994 °C, which Home Assistant would store.
    return "{{ (" + value + f") | round({_ROUNDED}) if value_json.value is number else None }}}}"


_ROUNDED: Final = 6
"""Number of decimals to which Home Assistant's values are rounded."""
