"""Commands work on a vessel whose recorder is a real process, from the first sample to `verify`."""

import csv
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.polling import wait_until

SCRIPT = str(Path(sys.executable).with_name("logboat"))
PATIENCE_S = 110.0

SENSORS = """
[[sensor]]
id = "engine"
name = "Engine"
kind = "simulated"
model = "engine"
path = "propulsion.main.revolutions"
rate = "20 Hz"

[[sensor]]
id = "dip"
name = "Fuel, by dipstick"
kind = "manual"
path = "tanks.fuel.main.currentLevel"
"""


@dataclass(slots=True)
class Vessel:
    """Vessel with a running recorder."""

    places: list[str]
    recorder: subprocess.Popen[bytes]
    ledger: int

    def logboat(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, *arguments, *self.places], capture_output=True, text=True, timeout=110, check=False
        )

    def json(self, *arguments: str) -> Any:
        done = self.logboat(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def stop(self) -> int:
        self.recorder.send_signal(signal.SIGTERM)
        return self.recorder.wait(PATIENCE_S)


@pytest.fixture
def vessel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vessel]:
    """Yield a vessel that is recording after its ledger has shown that the first sample is durable."""
    root = tmp_path_factory.mktemp("v")
    (root / "logboat.toml").write_text('[vessel]\nid = "argo"\nname = "SY Argo"\n')
    (root / "sensors.toml").write_text(SENSORS)
    places = [
        *("--config", str(root / "logboat.toml"), "--sensors", str(root / "sensors.toml")),
        *("--data", str(root / "data"), "--run", str(root / "run")),
    ]
    with recording(root, places) as vessel:
        yield vessel


@contextmanager
def recording(root: Path, places: list[str]) -> Iterator[Vessel]:
    """Run a recorder, and wait until its first sample is durable."""
    reading, writing = os.pipe()
    with (root / "recorder.log").open("wb") as log:
        recorder = subprocess.Popen(
            [SCRIPT, "record", "--ledger", str(writing), *places], pass_fds=[writing], stdout=log, stderr=log
        )
    os.close(writing)
    try:
        assert os.read(reading, 6) == b"engine", (root / "recorder.log").read_text()
        yield Vessel(places, recorder, reading)
    finally:
        os.close(reading)
        recorder.kill()
        recorder.wait()


def test_a_recorder_repairs_its_stores_before_it_records(vessel: Vessel) -> None:
    data = Path(vessel.places[5])
    assert vessel.stop() == 0
    (data / "log.db").write_bytes(bytes(range(256)) * 100)
    with recording(data.parent, vessel.places) as again:
        assert list((data / "set-aside").glob("log.db.*"))
        assert again.stop() == 0
    assert vessel.logboat("store", "check").returncode == 0
    assert vessel.json("verify")["complete"]


def test_recorded_samples_are_shown_and_verified(vessel: Vessel) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := vessel.json("status"))["recording"]:
        assert time.monotonic() < deadline, found
    assert found["recorder"]["vessel"] == "argo"

    live = vessel.json("sensors")
    assert live["live"]
    assert {sensor["sensor"] for sensor in live["sensors"]} == {"engine", "dip"}

    added = vessel.json("log", "dip", "--add", "35 %")
    assert (added["seq"], added["value"]) == (1, pytest.approx(0.35))
    refused = vessel.logboat("log", "engine", "--add", "3")
    assert (refused.returncode, refused.stdout) == (2, "")

    assert vessel.stop() == 0
    assert not vessel.json("status")["running"]
    proof = vessel.json("verify")
    assert proof["complete"]
    counts = {sensor["sensor"]: sensor["samples"] for sensor in proof["vessels"][0]["sensors"]}
    assert counts["dip"] == 1
    rows = list(csv.DictReader(vessel.logboat("log", "engine", "--csv").stdout.splitlines()))
    assert [int(row["seq"]) for row in rows] == list(range(1, counts["engine"] + 1))
    assert {row["unit"] for row in rows} == {"Hz"}


def test_recorder_opens_no_store_while_another_process_checks_them(vessel: Vessel) -> None:
    data = Path(vessel.places[5])
    assert vessel.stop() == 0
    journal = data / "samples.db"
    with (data / "in-use.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        journal.rename(data / "aside")  # as a repair does
        recorder = subprocess.Popen([SCRIPT, "record", *vessel.places], stderr=subprocess.PIPE)
        try:
            assert recorder.stderr is not None
            assert any(b"another process is checking the stores" in line for line in recorder.stderr)
            assert not journal.exists()
            fcntl.flock(lock, fcntl.LOCK_UN)
            wait_until(journal.exists, "the recorder opens its journal")
        finally:
            recorder.kill()
            recorder.communicate()
