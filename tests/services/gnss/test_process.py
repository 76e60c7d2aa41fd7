"""The daemon `logboat gnss` runs as a process, with a simulated satellite receiver on a pseudo-terminal."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.clocks.clock_quality import ClockQuality
from services.clocks.time_source import TimeSource
from services.gnss.time_judge import ROLLOVER_S
from services.state import gnss_state, state_file
from tests.polling import wait_until

from .receiver import gga, rmc

AHEAD = 400 * 86_400.0
"""Seconds by which the receiver's time is ahead of the machine's clock, as after a year without power."""


class Receiver:
    """Simulated satellite receiver on a pseudo-terminal. It sends `content` every 0.2 s."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self.content: Callable[[], bytes] = lambda: b""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._fds: tuple[int, int] = (-1, -1)

    def plug_in(self) -> None:
        self._fds = os.openpty()
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(os.ttyname(self._fds[1]))
        self._stop.clear()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def unplug(self) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
            for fd in self._fds:
                os.close(fd)
            self._link.unlink()

    def _send(self) -> None:
        while not self._stop.wait(0.2):
            with contextlib.suppress(OSError):
                os.write(self._fds[0], self.content())


class Started:
    """Running GNSS daemon, and the files that the daemon writes."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self._folder, self.process = folder, process

    @property
    def state(self) -> dict[str, Any]:
        return state_file.read(gnss_state.path(self._folder / "run")) or {}

    @property
    def calls(self) -> list[str]:
        notes = self._folder / "notes"
        return notes.read_text().splitlines() if notes.exists() else []

    @property
    def quality(self) -> ClockQuality:
        system = ClockQuality(TimeSource.NETWORK, 1.0)
        return gnss_state.clock_quality(self._folder / "run", system=lambda: system)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    link = Path(f"/dev/shm/logboat-test-{os.getpid()}-gnss")
    found = Receiver(link)
    yield found
    found.unplug()


@contextlib.contextmanager
def daemon(folder: Path, clock: str) -> Iterator[Started]:
    for name in ("data", "run"):
        (folder / name).mkdir()
    (folder / "logboat.toml").write_text(f'[vessel]\nid = "argo"\n[clock]\n{clock}\n')
    (folder / "sensors.toml").write_text("no_sensors = true\n")
    command = [sys.executable, "-m", "tests.services.gnss.setter_process", str(folder / "notes"), "gnss"]
    for option, place in (
        ("config", "logboat.toml"),
        ("sensors", "sensors.toml"),
        ("data", "data"),
        ("run", "run"),
    ):
        command += [f"--{option}", str(folder / place)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(int(time.time() - 86_400))}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield Started(folder, process)
        finally:
            process.kill()


def test_receiver_on_a_terminal_sets_the_clock_and_is_its_source(tmp_path: Path, receiver: Receiver) -> None:
    receiver.content = lambda: rmc(time.time() + AHEAD) + gga(0)
    receiver.plug_in()
    with daemon(tmp_path, f'gnss = "{receiver._link}"') as started:
        wait_until(lambda: started.calls, "the clock to be set")
        assert started.calls[0].startswith("step ")
        assert abs(float(started.calls[0].split()[1]) - AHEAD) < 1
        wait_until(lambda: started.quality.source is TimeSource.GNSS, "the clock's source")
        receiver.unplug()
        wait_until(lambda: started.state.get("fault") == "no-device", "the loss of the receiver")
        receiver.plug_in()
        wait_until(lambda: started.state.get("fault") is None, "the receiver to be read again")
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(30) == 0
        assert started.state == {}
        assert started.quality.source is TimeSource.GNSS, "the clock has not been set by anything else"


def test_wrong_date_is_told_and_does_not_set_the_clock(tmp_path: Path, receiver: Receiver) -> None:
    receiver.content = lambda: rmc(time.time() - ROLLOVER_S) + gga(0)
    receiver.plug_in()
    with daemon(tmp_path, f'gnss = "{receiver._link}"\nbaud = 4800') as started:
        wait_until(lambda: started.state.get("fault") == "rollover", "the fault")
        assert "1024 weeks" in started.state["words"]
        assert "firmware" in started.state["remedy"]
        assert started.calls == []
        assert started.quality.source is TimeSource.NETWORK


def test_wrong_baud_rate_is_told(tmp_path: Path, receiver: Receiver) -> None:
    receiver.content = lambda: b"\xf8\x00\x80\x0a\xff\x1c"
    receiver.plug_in()
    with daemon(tmp_path, f'gnss = "{receiver._link}"\nbaud = 9600') as started:
        wait_until(lambda: started.state.get("fault") == "not-nmea", "the fault")
        assert started.state["words"].endswith("no NMEA sentences at 9600 baud")
        assert started.calls == []


def test_baud_rates_are_tried_one_after_the_other(tmp_path: Path, receiver: Receiver) -> None:
    receiver.content = lambda: b"\xf8\x00\x80\x0a\xff\x1c"
    receiver.plug_in()
    with daemon(tmp_path, f'gnss = "{receiver._link}"') as started:
        wait_until(lambda: "9600, 4800" in started.state.get("words", ""), "the next rate")
        receiver.content = lambda: rmc(time.time() + AHEAD)
        wait_until(lambda: started.calls, "the clock to be set")


def test_daemon_without_a_receiver_waits(tmp_path: Path) -> None:
    with daemon(tmp_path, "") as started:
        with pytest.raises(subprocess.TimeoutExpired):
            started.process.wait(3)
        assert started.state == {}
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(30) == 0
