"""`logboat config sender` prints the keys of an analog sender, in a form that is valid in `sensors.toml`."""

import subprocess
import sys
from pathlib import Path

import pytest

from sensors.analog.options import AnalogOptions
from sensors.config.loader import read_sensors
from sensors.driver import options_of
from sensors.kinds.analog import measure
from sensors.toml import toml_file
from services.config.check import check

SENSOR = """[[sensor]]
id = "fuel"
name = "Fuel"
kind = "analog"
chip = "mcp3008"
channel = 0
path = "tanks.fuel.main.currentLevel"
every = "10 s"
"""


def sender(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services", "config", "sender", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "volts", "value"),
    [
        (("--ohms", "240", "33", "--pull-up", "240"), 1.65, 0.0),
        (("--ohms", "10", "180", "--pull-up", "180", "--supply", "5"), 2.5, 1.0),
        (("--shunt", "150", "--values", "0", "0.5"), 3.0, 0.5),
        (("--shunt", "150", "--divider", "10000", "20000"), 0.6, 0.0),
    ],
)
def test_printed_keys_are_accepted_and_give_the_value(
    arguments: tuple[str, ...], volts: float, value: float, tmp_path: Path
) -> None:
    done = sender(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "sensors.toml").write_text(SENSOR + done.stdout)
    [settings] = read_sensors(toml_file.read(tmp_path / "sensors.toml"), reserved={})
    assert measure(volts, options_of(settings, AnalogOptions).conversion).value == pytest.approx(
        value, abs=0.001
    )


def test_values_with_their_unit_are_printed_as_a_new_file_needs_them(tmp_path: Path) -> None:
    done = sender("--ohms", "10", "180", "--pull-up", "180", "--values", "0 bar", "10 bar")
    path = tmp_path / "sensors.toml"
    path.write_text(
        SENSOR.replace("tanks.fuel.main.currentLevel", "propulsion.main.oilPressure") + done.stdout
    )
    assert check(path).good
    [settings] = read_sensors(toml_file.read(path), reserved={})
    assert measure(1.65, options_of(settings, AnalogOptions).conversion).value == pytest.approx(1e6)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--shunt", "150", "--values", "0 bar", "1 psi"),
        ("--shunt", "150", "--values", "0 foo", "1 foo"),
        ("--ohms", "240", "33"),
        ("--ohms", "240", "240", "--pull-up", "240"),
        ("--shunt", "-1"),
        ("--shunt", "nan"),
        ("--shunt", "150", "--divider", "0", "1"),
        (),
    ],
)
def test_impossible_circuit_is_refused(arguments: tuple[str, ...]) -> None:
    done = sender(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
