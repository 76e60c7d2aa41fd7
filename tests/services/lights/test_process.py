"""Without LEDs, the lights daemon runs as a process, reports the lights' states and feeds its watchdog."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.lights.daemon import OUTPUTS_WATCHDOG_S
from services.state import state_file

PATIENCE_S = 60.0
DARK = '[vessel]\nid = "argo"\n[lights]\n' + "".join(
    f"{name} = 0\n" for name in ("power", "record", "mesh", "gateway", "fault")
)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(PATIENCE_S)
        yield heard


@pytest.fixture
def lights(tmp_path: Path, systemd: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    with daemon(tmp_path, DARK) as process:
        yield process


@pytest.fixture
def lights_on_pins(tmp_path: Path, systemd: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    with daemon(tmp_path, '[vessel]\nid = "argo"\n') as process:
        yield process


@contextlib.contextmanager
def daemon(
    tmp_path: Path, configuration: str, *, sensors: str = "no_sensors = true\n"
) -> Iterator[subprocess.Popen[bytes]]:
    for name in ("data", "run", "identity"):
        (tmp_path / name).mkdir()
    (tmp_path / "logboat.toml").write_text(configuration)
    (tmp_path / "sensors.toml").write_text(sensors)
    command = [sys.executable, "-m", "services", "lights", "--identity", str(tmp_path / "identity")]
    for option in ("config", "sensors", "data", "run"):
        place = f"{'logboat' if option == 'config' else option}.toml"
        command += [f"--{option}", str(tmp_path / (place if option in ("config", "sensors") else option))]
    environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def test_missing_header_is_reported_and_the_daemon_continues(
    lights_on_pins: subprocess.Popen[bytes], systemd: socket.socket, tmp_path: Path
) -> None:
    if list(Path("/dev").glob("gpiochip*")):
        pytest.skip("this machine has a header")
    until(systemd, "WATCHDOG=1")
    told = state_file.read(state_file.path(tmp_path / "run", "lights"))
    assert told is not None
    assert told["whyDark"].startswith("no GPIO header")
    assert told["lights"]["record"]["means"] == "NOTHING IS RECORDED"
    lights_on_pins.send_signal(signal.SIGTERM)
    assert lights_on_pins.wait(PATIENCE_S) == 0


def test_watchdog_is_shorter_if_a_hung_daemon_could_leave_a_siren_on(
    tmp_path: Path, systemd: socket.socket
) -> None:
    siren = '[[output]]\nid = "siren"\npin = 23\non = ["alarm"]\n'
    with daemon(tmp_path, DARK, sensors=f"no_sensors = true\n{siren}"):
        until(systemd, "READY=1")
        assert systemd.recv(4096).decode() == f"WATCHDOG_USEC={OUTPUTS_WATCHDOG_S * 1e6:.0f}"


def until(systemd: socket.socket, word: str) -> None:
    while systemd.recv(4096).decode() != word:
        pass


def test_without_leds_states_are_reported_and_removed_at_the_end(
    lights: subprocess.Popen[bytes], systemd: socket.socket, tmp_path: Path
) -> None:
    until(systemd, "WATCHDOG=1")
    told = state_file.read(state_file.path(tmp_path / "run", "lights"))
    assert told is not None
    assert told["lights"]["record"] == {"pattern": "fast blink", "means": "NOTHING IS RECORDED"}
    lights.send_signal(signal.SIGTERM)
    assert lights.wait(PATIENCE_S) == 0
    assert not state_file.path(tmp_path / "run", "lights").exists()


def test_watchdog_is_notified_only_by_completed_checks(
    lights: subprocess.Popen[bytes], systemd: socket.socket, tmp_path: Path
) -> None:
    """If a check blocks (here, reading a pipe to which no process writes), the notifications stop."""
    until(systemd, "WATCHDOG=1")
    os.mkfifo(tmp_path / "identity/vessel.pem")
    systemd.settimeout(3.0)
    with contextlib.suppress(TimeoutError):
        for _ in range(5):
            systemd.recv(4096)
        pytest.fail("it is still fed")
    assert lights.poll() is None
