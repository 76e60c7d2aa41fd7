"""A real recorder and a real sync daemon publish a vessel's messages to a real mosquitto broker."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import processes
from tests.gateway.broker import Broker, retained
from tests.polling import PATIENCE_S, wait_until

from .syncing import SyncProcess

SENSORS = """
[[sensor]]
id = "bilge"
name = "Bilge float"
kind = "simulated"
model = "bilge"
path = "bilge.main.highWater"

[[sensor]]
id = "fuel"
name = "Fuel"
kind = "simulated"
model = "tank"
path = "tanks.fuel.main.currentLevel"
rate = "1 Hz"

[[sensor]]
id = "sea"
name = "Sea"
kind = "simulated"
model = "temperature"
path = "environment.water.temperature"
every = "600 s"

[[sensor]]
id = "dip"
name = "Dipstick"
kind = "manual"
path = "tanks.freshWater.main.currentLevel"
"""


class Vessel:
    """Recorder and sync daemon of one vessel, each a real process."""

    def __init__(self, folder: Path, broker: Broker, *, more: str = "") -> None:
        self.broker = broker
        self.sync = SyncProcess(
            folder,
            toml=f'[[gateway]]\nname = "club"\nkind = "mqtt"\nurl = "{broker.url}"\n'
            f"home_assistant = true\n{more}",
        )
        self.configure(SENSORS)
        self._recorder: subprocess.Popen[bytes] | None = None

    def configure(self, sensors: str) -> None:
        (self.sync.folder / "sensors.toml").write_text(sensors)

    def record(self) -> None:
        with (self.sync.folder / "recorder.log").open("ab") as log:
            self._recorder = processes.Popen(
                [sys.executable, "-m", "services", "record", *self.sync.places], stdout=log, stderr=log
            )

    def end_recorder(self, *, kill: bool) -> None:
        if self._recorder is None:
            return
        if kill:
            self._recorder.kill()
        else:
            self._recorder.terminate()
        self._recorder.wait(PATIENCE_S)
        self._recorder = None

    def retained(self) -> dict[str, bytes]:
        return retained(self.broker.port)


@pytest.fixture
def vessel(tmp_path: Path) -> Iterator[Vessel]:
    broker = Broker(tmp_path / "broker").start()
    found = Vessel(tmp_path / "argo", broker)
    with found.sync:
        found.record()
        found.sync.start()
        yield found
        found.end_recorder(kill=True)
    broker.stop()


def config_of(found: dict[str, bytes], sensor: str) -> dict[str, object]:
    (topic,) = (each for each in found if each.endswith(f"/{sensor}/config"))
    config: dict[str, object] = json.loads(found[topic])
    return config


def test_values_are_available_only_while_the_recorder_records(vessel: Vessel) -> None:
    bilge = "logboat/argo/sensor/bilge/state"
    wait_until(lambda: bilge in vessel.retained(), "the bilge is told of", within=PATIENCE_S)
    found = vessel.retained()
    topic = config_of(found, "bilge")["availability_topic"]
    wait_until(lambda: vessel.retained()[str(topic)] == b"online", "it records")
    units = [config_of(found, sensor).get("unit_of_measurement") for sensor in ("fuel", "sea", "bilge")]
    assert units == ["%", "°C", None]
    fast, slow = (config_of(found, sensor)["expire_after"] for sensor in ("fuel", "sea"))
    assert isinstance(fast, int)
    assert isinstance(slow, int)
    assert 300 < fast < slow - 600, "a sensor that speaks more rarely expires later"
    assert "expire_after" not in config_of(found, "dip"), "nobody knows when somebody looks again"
    vessel.end_recorder(kill=True)
    wait_until(lambda: vessel.retained()[str(topic)] == b"offline", "a late subscriber sees that it is dead")
    vessel.record()
    wait_until(lambda: vessel.retained()[str(topic)] == b"online", "it records again", within=PATIENCE_S)


def test_retained_messages_of_removed_sensors_are_cleared(vessel: Vessel) -> None:
    def sensors() -> set[str]:
        found = vessel.retained()
        levels = [topic.split("/") for topic in found if topic.count("/") == 4]
        return {re.split("_(?=fault|alarm)", each[3])[0] for each in levels} - {"_recorder"}

    wait_until(lambda: sensors() == {"bilge", "fuel", "sea", "dip"}, "all are told of", within=PATIENCE_S)
    vessel.end_recorder(kill=False)
    vessel.configure(SENSORS.partition('[[sensor]]\nid = "sea"')[0].replace('"fuel"', '"diesel"'))
    vessel.record()
    wait_until(lambda: sensors() == {"bilge", "diesel"}, "the old ones are gone", within=PATIENCE_S)
