"""Script that runs Home Assistant with its MQTT integration, in the environment of Home Assistant.

    python assistant.py FOLDER BROKER_PORT HTTP_PORT

The script reads commands from standard input, one JSON object per line. The commands are `{"do": "states"}`,
`{"do": "press", "entity": ID}` and `{"do": "stop"}`. Each is answered by one line of JSON on standard output.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

from homeassistant import bootstrap, config_entries, loader
from homeassistant.core import HomeAssistant
from homeassistant.core_config import async_process_ha_core_config
from homeassistant.helpers import device_registry, entity_registry
from homeassistant.setup import async_setup_component


async def begin(folder: str, broker: int, http: int) -> HomeAssistant:
    (Path(folder) / "configuration.yaml").touch()
    hass = HomeAssistant(folder)
    hass.config.skip_pip = True
    loader.async_setup(hass)
    config = {"http": {"server_host": "127.0.0.1", "server_port": http}}
    hass.config_entries = config_entries.ConfigEntries(hass, config)
    await loader.async_get_custom_components(hass)
    await bootstrap.async_load_base_functionality(hass)
    assert await async_setup_component(hass, "homeassistant", config)
    await async_process_ha_core_config(hass, {})
    assert await async_setup_component(hass, "http", config)
    if not hass.config_entries.async_entries("mqtt"):
        await hass.config_entries.async_add(
            config_entries.ConfigEntry(
                data={"broker": "127.0.0.1", "port": broker, "protocol": "5"},
                discovery_keys={},
                domain="mqtt",
                minor_version=1,
                options={},
                source="user",
                subentries_data=(),
                title="broker",
                unique_id=None,
                version=2,
            )
        )
    assert await async_setup_component(hass, "mqtt", config)
    await hass.async_start()
    return hass


def entities(hass: HomeAssistant) -> dict[str, object]:
    """Return the state and the device of every entity in Home Assistant, by entity id."""
    registry, devices = entity_registry.async_get(hass), device_registry.async_get(hass)
    found: dict[str, object] = {}
    for entry in registry.entities.values():
        state = hass.states.get(entry.entity_id)
        device = devices.async_get(entry.device_id) if entry.device_id else None
        found[entry.entity_id] = {
            "state": None if state is None else state.state,
            "attributes": {} if state is None else dict(state.attributes),
            "category": entry.entity_category,
            "unique_id": entry.unique_id,
            "device": None
            if device is None
            else {
                "name": device.name,
                "manufacturer": device.manufacturer,
                "sw_version": device.sw_version,
                "configuration_url": device.configuration_url,
                "identifiers": sorted(map(list, device.identifiers)),
            },
        }
    return found


logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")


async def run(folder: str, broker: int, http: int) -> None:
    hass = await begin(folder, broker, http)
    print(json.dumps("ready"), flush=True)
    while True:
        line = await hass.async_add_executor_job(sys.stdin.readline)
        command = json.loads(line) if line else {"do": "stop"}
        answer: object = "done"
        if command["do"] == "states":
            answer = entities(hass)
        elif command["do"] == "press":
            await hass.services.async_call("button", "press", {"entity_id": command["entity"]}, blocking=True)
        elif command["do"] == "stop":
            await hass.async_stop(force=True)
        print(json.dumps(answer, default=str), flush=True)
        if command["do"] == "stop":
            return


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
