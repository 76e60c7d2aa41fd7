"""Home Assistant shows what a vessel's recorder and sync daemon publish.

Installing Home Assistant takes minutes, so these tests have their own target: `make home-assistant-test`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.broker import Broker, Listener
from tests.gateway.test_mqtt_homeassistant import ENTITIES, sensors
from tests.interop import builds
from tests.polling import wait_until
from tests.services.test_mqtt_aboard import Vessel

from .program import Assistant, home_assistant, is_installed

pytestmark = [pytest.mark.assistant, pytest.mark.timeout(1200)]

SENSORS = """
[[sensor]]
id = "bilge"
name = "Bilge float"
kind = "simulated"
model = "bilge"
path = "bilge.main.highWater"

[[sensor]]
id = "hatch"
kind = "simulated"
model = "door"
path = "security.hatch.state"

[[sensor]]
id = "main-rpm"
name = "Main engine"
kind = "simulated"
model = "engine"
path = "propulsion.main.revolutions"

[[sensor]]
id = "oil"
kind = "simulated"
model = "engine"
path = "propulsion.main.oilPressure"

[[sensor]]
id = "hours"
kind = "manual"
path = "propulsion.main.runTime"

[[sensor]]
id = "fuel"
name = "Fuel"
kind = "simulated"
model = "tank"
path = "tanks.fuel.main.currentLevel"
alarm = { below = "110 %", hysteresis = "1 %", severity = "warn", text = "Fuel is low" }

[[sensor]]
id = "diesel"
kind = "manual"
path = "tanks.fuel.main.currentVolume"

[[sensor]]
id = "sea"
kind = "simulated"
model = "temperature"
path = "environment.water.temperature"

[[sensor]]
id = "loose"
name = "Loose wire"
kind = "simulated"
model = "temperature"
wire = "open"
path = "environment.inside.saloon.temperature"

[[sensor]]
id = "wind"
kind = "manual"
path = "environment.wind.directionTrue"
"""
ADDRESS = "https://club.example.org/argo"
ANNOUNCED: Mapping[str, tuple[str | None, str | None, str | None]] = {
    # Device class, state class and unit of each entity.
    "binary_sensor.argo_recorder": ("connectivity", None, None),
    "binary_sensor.argo_bilge": ("moisture", None, None),
    "binary_sensor.argo_hatch": ("opening", None, None),
    "sensor.argo_main_rpm": (None, "measurement", "rpm"),
    "sensor.argo_oil": ("pressure", "measurement", "bar"),
    "sensor.argo_hours": ("duration", "total", "h"),
    "sensor.argo_fuel": (None, "measurement", "%"),
    "sensor.argo_diesel": ("volume_storage", "measurement", "L"),
    "sensor.argo_sea": ("temperature", "measurement", "°C"),
    "sensor.argo_loose": ("temperature", "measurement", "°C"),
    "sensor.argo_wind": ("wind_direction", "measurement_angle", "°"),
    "binary_sensor.argo_fuel_alarm": ("problem", None, None),
    "button.argo_fuel_acknowledge": (None, None, None),
    **{
        f"binary_sensor.argo_{sensor}_fault": ("problem", None, None)
        for sensor in ("bilge", "hatch", "main_rpm", "oil", "fuel", "sea", "loose")
    },
}


@pytest.fixture(scope="module", autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    if "assistant" not in request.config.option.markexpr and not is_installed():
        pytest.skip("Home Assistant is not installed; run make home-assistant-test")
    try:
        home_assistant()
    except builds.MissingError as missing:
        pytest.fail(str(missing))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    found = Broker(tmp_path / "broker").start()
    yield found
    found.stop()


@pytest.fixture
def vessel(tmp_path: Path, broker: Broker) -> Iterator[Vessel]:
    more = f'acknowledge = true\nconfiguration_url = "{ADDRESS}"\n'
    found = Vessel(tmp_path / "argo", broker, more=more)
    found.configure(SENSORS)
    with found.sync:
        found.record()
        found.sync.start()
        yield found
        found.end_recorder(kill=True)


@pytest.fixture
def assistant(tmp_path: Path, broker: Broker) -> Iterator[Assistant]:
    found = Assistant(tmp_path / "assistant", broker.port).start()
    yield found
    found.stop()


def states(assistant: Assistant) -> dict[str, str]:
    return {entity: facts["state"] for entity, facts in assistant.entities().items()}


def is_complete(assistant: Assistant) -> Mapping[str, Any] | None:
    """Return Home Assistant's entities if all expected entities and states are present, otherwise None."""
    found = assistant.entities()
    if set(found) != set(ANNOUNCED):
        return None
    known = ("binary_sensor.argo_recorder", "binary_sensor.argo_fuel_alarm", "binary_sensor.argo_loose_fault")
    numbers = ("sensor.argo_main_rpm", "sensor.argo_fuel", "sensor.argo_sea")
    is_known = all(found[each]["state"] == "on" for each in known)
    return found if is_known and all(_is_number(found[each]["state"]) for each in numbers) else None


def _is_number(state: str) -> bool:
    try:
        float(state)
    except ValueError:
        return False
    return True


def test_every_sensor_is_an_entity_of_the_right_class(vessel: Vessel, assistant: Assistant) -> None:
    assert vessel.broker is not None
    found = wait_until(lambda: is_complete(assistant), lambda: f"all is there: {states(assistant)}")
    for entity, facts in found.items():
        attributes = facts["attributes"]
        told = tuple(attributes.get(key) for key in ("device_class", "state_class", "unit_of_measurement"))
        assert told == ANNOUNCED[entity], entity
        assert facts["device"]["name"] == "argo"
        assert facts["device"]["manufacturer"] == "Logboat"
        assert facts["device"]["sw_version"]
        assert facts["device"]["configuration_url"] == ADDRESS
        is_diagnostic = entity.endswith(("_fault", "_recorder"))
        assert facts["category"] == ("diagnostic" if is_diagnostic else None), entity
    loose = found["sensor.argo_loose"]
    assert loose["state"] == "unknown", "a faulty sensor has no value"
    assert loose["attributes"]["quality"] == "open"
    assert found["binary_sensor.argo_sea_fault"]["state"] == "off"
    assert found["binary_sensor.argo_fuel_alarm"]["attributes"]["text"] == "Fuel is low"
    assert 0 < float(found["sensor.argo_fuel"]["state"]) <= 100
    assert "homeassistant.components" not in assistant.errors, assistant.errors


def test_every_known_path_is_announced_without_a_complaint(broker: Broker, assistant: Assistant) -> None:
    with Listener(broker.port) as publisher:
        publisher.publish("logboat/argo/presence", b"online")
        for topic, config in ENTITIES.items():
            publisher.publish(topic, json.dumps(config).encode())
        for sensor in sensors():
            value = True if sensor.unit == "bool" else 1.0
            state = {"value": value, "state": "good", "time": "2026-11-26T01:14:41.800Z", "alarm": None}
            publisher.publish(f"logboat/argo/sensor/{sensor.id}/state", json.dumps(state).encode())
        wanted = {config["default_entity_id"]: config for config in ENTITIES.values()}
        wait_until(lambda: set(assistant.entities()) == set(wanted), "all are there")

        def are_known() -> bool:
            found = states(assistant)
            return not [
                each
                for each, state in found.items()
                if state in {"unknown", "unavailable"} and not each.startswith("button.")
            ]

        wait_until(are_known, lambda: f"all have states: {states(assistant)}")
    for entity, facts in assistant.entities().items():
        for key in ("device_class", "state_class", "unit_of_measurement"):
            assert facts["attributes"].get(key) == wanted[entity].get(key), entity
    assert "homeassistant.components" not in assistant.errors, assistant.errors


def test_entities_are_unavailable_while_the_recorder_does_not_run(
    vessel: Vessel, assistant: Assistant
) -> None:
    wait_until(lambda: is_complete(assistant), "all is there")
    vessel.end_recorder(kill=True)

    def is_unavailable() -> bool:
        found = states(assistant)
        return found.pop("binary_sensor.argo_recorder") == "off" and set(found.values()) == {"unavailable"}

    wait_until(is_unavailable, lambda: f"nothing is available: {states(assistant)}")
    vessel.record()
    wait_until(lambda: is_complete(assistant), lambda: f"all is available again: {states(assistant)}")


def test_button_acknowledges_the_alarm(vessel: Vessel, assistant: Assistant) -> None:
    wait_until(lambda: is_complete(assistant), "all is there")
    button, alarm = "button.argo_fuel_acknowledge", "binary_sensor.argo_fuel_alarm"
    wait_until(lambda: "alarm_id" in assistant.entities()[button]["attributes"], "the alarm is there")
    assistant.ask(do="press", entity=button)

    def is_acknowledged() -> bool:
        attributes = assistant.entities()[alarm]["attributes"]
        return bool(attributes["acknowledged_by"] == ["Home Assistant, by broker club"])

    wait_until(is_acknowledged, lambda: f"it is acknowledged: {assistant.entities()[alarm]}")
    topic = "logboat/argo/sensor/fuel/alarm"
    assert b'"who":"Home Assistant, by broker club"' in vessel.retained()[topic]


def test_removed_sensor_has_no_entity(vessel: Vessel, assistant: Assistant) -> None:
    wait_until(lambda: is_complete(assistant), "all is there")
    vessel.end_recorder(kill=False)
    vessel.configure(SENSORS.replace('id = "sea"', 'id = "water"'))
    vessel.record()
    wait_until(
        lambda: not {"sensor.argo_sea", "binary_sensor.argo_sea_fault"} & set(assistant.entities()),
        lambda: f"the old sensor is gone: {states(assistant)}",
    )
    wait_until(lambda: "sensor.argo_water" in assistant.entities(), "the new one is there")


def test_everything_is_there_again_after_restarts(vessel: Vessel, assistant: Assistant) -> None:
    wait_until(lambda: is_complete(assistant), "all is there")
    vessel.broker.kill()
    vessel.broker.start()
    wait_until(lambda: is_complete(assistant), lambda: f"the broker is back: {states(assistant)}", within=120)
    assistant.stop()
    assistant.start()
    wait_until(lambda: is_complete(assistant), lambda: f"it is back: {states(assistant)}")
