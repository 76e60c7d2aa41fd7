"""Real recorders keep recording with any configuration, even if a driver cannot be created."""

import os
import select
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.config.last_good import load_or_last_good
from tests import processes

from .appliance import Appliance, logboat

__all__ = ["logboat"]  # a fixture

SCRIPT = str(Path(sys.executable).with_name("logboat"))
PATIENCE_S = 60.0
PATH = "electrical.batteries.1.voltage"
SENSORS = f"""
[[sensor]]
id = "engine"
kind = "simulated"
model = "engine"
path = "propulsion.main.revolutions"
rate = "20 Hz"

[[sensor]]
id = "house"
kind = "replay"
file = "yacht.csv"
path = "{PATH}"

[[sensor]]
id = "float"
kind = "switch"
pin = 17
path = "bilge.main.highWater"
"""
RECORDING = f"time,path,value\n0,{PATH},12.6\n1,{PATH},12.5\n"


def record(vessel: Appliance, *wanted: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a recorder until each of these sensors has a durable sample, and return its log output."""
    reading, writing = os.pipe()
    with (vessel.root / "recorder.log").open("wb") as log:
        recorder = processes.Popen(
            [SCRIPT, "record", "--ledger", str(writing), *vessel.places],
            pass_fds=[writing],
            stdout=log,
            stderr=log,
            env={**os.environ, **(environment or {})},
        )
    os.close(writing)
    said, missing = b"", set(wanted)
    try:
        while missing:
            heard, _, _ = select.select([reading], [], [], PATIENCE_S)
            more = os.read(reading, 65_536) if heard else b""
            assert more, f"no sample of {missing}: {(vessel.root / 'recorder.log').read_text()}"
            said += more
            missing -= {row.partition(b",")[0].decode() for row in said.split(b"\n")[:-1]}
        recorder.send_signal(signal.SIGTERM)
        while os.read(reading, 65_536):
            pass
        assert recorder.wait(100) == 0
    finally:
        os.close(reading)
        recorder.kill()
        recorder.wait()
    return (vessel.root / "recorder.log").read_text()


@pytest.fixture
def vessel(logboat: Appliance) -> Appliance:
    """Return a vessel whose configuration is valid, and is also kept as the last good one."""
    (logboat.root / "sensors.toml").write_text(SENSORS)
    (logboat.root / "yacht.csv").write_text(RECORDING)
    loaded = load_or_last_good(logboat.root / "logboat.toml", logboat.root / "sensors.toml", logboat.data)
    assert loaded.problems == ()
    return logboat


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("yacht.csv", RECORDING + f"1e999,{PATH},12.4\n", "yacht.csv, line 4: '1e999' is not a time"),
        ("sensors.toml", "", "write no_sensors = true if nothing is wired"),
    ],
)
def test_last_good_configuration_is_recorded_and_the_problem_is_reported(
    vessel: Appliance, name: str, content: str, said: str
) -> None:
    (vessel.root / name).write_text(content)
    logged = record(vessel, "engine", "house")
    assert "Traceback" not in logged
    assert said in logged
    checked = vessel("config", "check", str(vessel.root / "sensors.toml"))
    assert (checked.status, said in checked.out) == (2, True)
    if name == "sensors.toml":  # without a recorder, status does not read recordings
        assert said in vessel("status", "--json").json["problems"][0]
    doctor = {check["name"]: check for check in vessel("doctor", "--json").json["checks"]}
    assert said in doctor["configuration"]["seen"]


@pytest.mark.parametrize("name", ["yacht.csv", "sensors.toml"])
def test_start_without_a_stored_configuration_ends_with_a_sentence(logboat: Appliance, name: str) -> None:
    (logboat.root / "sensors.toml").write_text(SENSORS)
    (logboat.root / "yacht.csv").write_text(RECORDING + f"1e999,{PATH},12.4\n")
    if name == "sensors.toml":
        (logboat.root / name).write_text("")
    done = processes.run(
        [SCRIPT, "record", *logboat.places], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sensors.toml:")
    assert "Traceback" not in done.stderr


def test_driver_that_cannot_be_created_does_not_stop_the_others(vessel: Appliance) -> None:
    broken = vessel.root / "broken/gpiozero"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('it was built for another Python')\n")
    logged = record(vessel, "engine", "house", "float", environment={"PYTHONPATH": str(broken.parent)})
    assert "the driver of float could not be created" in logged
    assert "Traceback" not in logged
    assert "it was built for another Python" in logged
    [sample] = vessel("log", "float", "--json").json["samples"]
    assert (sample["value"], sample["quality"]) == (None, "failed")


def test_file_of_an_earlier_version_is_recorded_and_the_meaning_of_its_numbers_is_shown(
    logboat: Appliance,
) -> None:
    said = "100 without a unit means 100 Hz (6000 rpm)"
    earlier = SENSORS.replace('rate = "20 Hz"', 'rate = "20 Hz"\nalarm = { above = 100, severity = "warn" }')
    (logboat.root / "sensors.toml").write_text(earlier)
    (logboat.root / "yacht.csv").write_text(RECORDING)
    for _ in range(2):
        logged = record(logboat, "engine", "house")
        assert said in logged
    status = logboat("status", "--json").json
    assert status["problems"] == []
    doctor = {check["name"]: check for check in logboat("doctor", "--json").json["checks"]}
    assert (doctor["configuration"]["verdict"], said in doctor["configuration"]["seen"]) == ("warn", True)
    checked = logboat("config", "check", str(logboat.root / "sensors.toml"))
    assert (checked.status, said in checked.out) == (2, True)
