"""Commands work on a vessel whose recorder is a real process, from the first sample to `verify`."""

import csv
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import processes
from tests.polling import wait_until

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
        return processes.run(
            [processes.LOGBOAT, *arguments, *self.places],
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
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
    with recording(root, places_in(root)) as vessel:
        yield vessel


def places_in(root: Path) -> list[str]:
    return [
        *("--config", str(root / "logboat.toml"), "--sensors", str(root / "sensors.toml")),
        *("--data", str(root / "data"), "--run", str(root / "run")),
    ]


@contextmanager
def recording(root: Path, places: list[str]) -> Iterator[Vessel]:
    """Run a recorder, and wait until its first sample is durable."""
    reading, writing = os.pipe()
    with (root / "recorder.log").open("wb") as log:
        recorder = processes.Popen(
            [processes.LOGBOAT, "record", "--ledger", str(writing), *places],
            pass_fds=[writing],
            stdout=log,
            stderr=log,
        )
    os.close(writing)
    try:
        assert os.read(reading, 6) == b"engine", (root / "recorder.log").read_text()
        yield Vessel(places, recorder, reading)
    finally:
        os.close(reading)
        recorder.kill()
        recorder.wait()


RECORDED = """\
time,path,value
0,propulsion.main.revolutions,20
0.1,bilge.main.highWater,False
0.2,tanks.fuel.main.currentLevel,40
0.3,tanks.fuel.main.currentLevel,0.123456789012
0.4,propulsion.main.revolutions,
0.5,bilge.main.highWater,True
0.6,propulsion.main.revolutions,1e-7
0.7,bilge.main.highWater,-
"""
REPLAYED = {
    "engine": "propulsion.main.revolutions",
    "float": "bilge.main.highWater",
    "tank": "tanks.fuel.main.currentLevel",
}


def test_log_csv_can_be_replayed_with_the_same_values_and_faults(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    first, second = tmp_path_factory.mktemp("v"), tmp_path_factory.mktemp("v")
    (first / "rec.csv").write_text(RECORDED)
    written = replayed(first, dict.fromkeys(REPLAYED, "rec.csv"))
    assert readings(written["engine"]) == [("20", "good"), ("", "failed"), ("1e-07", "good")]
    assert readings(written["float"]) == [("0", "good"), ("1", "good"), ("", "failed")]
    assert readings(written["tank"]) == [("", "out-of-range"), ("0.123456789012", "good")]
    for name, text in written.items():
        (second / f"{name}.csv").write_text(text)
    again = replayed(second, {name: f"{name}.csv" for name in REPLAYED})
    assert {name: readings(text) for name, text in again.items()} == {
        name: readings(text) for name, text in written.items()
    }


def replayed(root: Path, files: dict[str, str]) -> dict[str, str]:
    """Record sensors that replay recordings, and return the output of `log --csv` for each sensor."""
    (root / "logboat.toml").write_text('[vessel]\nid = "argo"\nname = "SY Argo"\n')
    (root / "sensors.toml").write_text(
        "".join(
            f'[[sensor]]\nid = "{name}"\nkind = "replay"\nfile = "{file}"\npath = "{REPLAYED[name]}"\n'
            for name, file in files.items()
        )
    )
    expected = RECORDED.count("\n") - 1
    with recording(root, places_in(root)) as vessel:
        wait_until(
            lambda: sum(each["seq"] or 0 for each in vessel.json("sensors")["sensors"]) == expected,
            "all rows are recorded",
        )
        assert vessel.stop() == 0
        return {name: vessel.logboat("log", name, "--csv").stdout for name in files}


def readings(text: str) -> list[tuple[str, str]]:
    return [(row["value"].removesuffix(".0"), row["quality"]) for row in csv.DictReader(text.splitlines())]


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
    state = json.loads((Path(vessel.places[7]) / "recorder.json").read_text())
    assert 0 < state["startedClock"] <= state["lastDurable"]["clock"] <= state["updated"]["clock"]

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
        recorder = processes.Popen([processes.LOGBOAT, "record", *vessel.places], stderr=subprocess.PIPE)
        try:
            assert recorder.stderr is not None
            assert any(b"another process is checking the stores" in line for line in recorder.stderr)
            assert not journal.exists()
            fcntl.flock(lock, fcntl.LOCK_UN)
            wait_until(journal.exists, "the recorder opens its journal")
        finally:
            recorder.kill()
            recorder.communicate()
