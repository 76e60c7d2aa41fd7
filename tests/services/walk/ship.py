"""A vessel with its files, its daemons as real processes, and their reports."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, Self

from services.cli.main import main
from services.console.environment import Environment
from services.state import state_file
from tests.faults.disks import Disk
from tests.polling import PATIENCE_S
from tests.ports import free_port
from tests.services.syncing import Fleet

from .board import Board

SENSORS: Final = """\
[[sensor]]
id = "fuel-level"
name = "Fuel"
kind = "analog"
chip = "mcp3008"
channel = 0
calibration = [[0.40, 1.0], [1.65, 0.0]]
valid = [0.2, 2.5]
path = "tanks.fuel.main.currentLevel"
rate = "5 Hz"

[[sensor]]
id = "cabin"
name = "Cabin"
kind = "simulated"
model = "temperature"
path = "environment.inside.saloon.temperature"
rate = "1 Hz"
"""
STILL_S: Final = 3.0
"""Seconds without an update after which the lights count as frozen."""

Lights = dict[str, tuple[str, str]]
"""Pattern and meaning of each light, by the light's name."""


class Ship:
    """Vessel of the test. As a context manager, it ends all processes that are still running."""

    def __init__(
        self,
        folder: Path,
        fleet: Fleet,
        *,
        vessel: str = "argo",
        number: str = "1",
        gateway: str = "",
        disk: Disk | None = None,
    ) -> None:
        """Prepare a vessel on board `number`. `gateway` is a broker's address; the data is on `disk`."""
        self.folder, self._number = folder, number
        self.data = folder / "data" if disk is None else disk.data
        self._prefix = [] if disk is None else disk.prefix
        for place in (folder / "run", self.data if disk is None else disk.seen):
            place.mkdir(parents=True, exist_ok=True)
        self.run = folder / "run"
        self.identity = folder / "identity"
        fleet.identity(self.identity, vessel)
        self.board = Board(folder)
        lights = "".join(f"{name} = 0\n" for name in ("power", "record", "mesh", "gateway", "fault"))
        club = f'[[gateway]]\nname = "club"\nkind = "mqtt"\nurl = "{gateway}"\n' if gateway else ""
        self.config = folder / "logboat.toml"
        self.config.write_text(
            f'[vessel]\nid = "{vessel}"\n[listener]\nport = {free_port()}\ninterfaces = ["lo"]\n'
            f"[lights]\n{lights}{club}"
        )
        self.sensors = folder / "sensors.toml"
        self.sensors.write_text(SENSORS)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill(*self._processes)

    def _command(self, *words: str) -> list[str]:
        return [
            *(*self._prefix, sys.executable, "-m", "tests.services.walk.daemon", str(self.folder), *words),
            *self._places(),
        ]

    def _places(self) -> list[str]:
        return [
            *("--config", str(self.config), "--sensors", str(self.sensors)),
            *("--data", str(self.data), "--run", str(self.run)),
        ]

    # Daemons

    def start(self, *daemons: str) -> None:
        for daemon in daemons:
            board = ("--board", self._number) if daemon == "sync" else ()
            with (self.folder / f"{daemon}.log").open("ab") as log:
                self._processes[daemon] = subprocess.Popen(
                    self._command(daemon, "--identity", str(self.identity), *board),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=_environment(),
                )

    def send(self, daemon: str, number: signal.Signals) -> None:
        self._processes[daemon].send_signal(number)

    def kill(self, *daemons: str) -> None:
        for daemon in daemons:
            self._processes[daemon].kill()
        for daemon in daemons:
            self._processes.pop(daemon).wait(PATIENCE_S)

    def restart(self, daemon: str) -> None:
        """Restart a daemon as systemd would."""
        process = self._processes.pop(daemon)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0, self.said()
        self.start(daemon)

    def said(self) -> str:
        """Return the last lines of the vessel's logs, for the message of a failed test."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text(errors='replace')[-2_000:]}" for log in logs)

    # Reports

    def lights(self) -> Lights:
        """Return the lights as the daemon's own code shows them now.

        The result is empty if the daemon has stopped updating the lights.
        """
        state = state_file.read(state_file.path(self.run, "lights"))
        if state is None or time.clock_gettime(time.CLOCK_BOOTTIME) - state["updated"]["clock"] > STILL_S:
            return {}
        return {name: (each["pattern"], each["means"]) for name, each in state["lights"].items()}

    def status(self) -> tuple[dict[str, str], str]:
        """Return the lines of the vessel's status, and the advice below them."""
        told = self._ask("status")
        return told["lines"], told["toDo"] or ""

    def doctor(self) -> dict[str, tuple[str, str, str]]:
        """Return the verdict, observation and remedy of each check of the doctor, by name."""
        checks = self._ask("doctor", "--identity", str(self.identity))["checks"]
        return {each["name"]: (each["verdict"], each["seen"], each["cure"]) for each in checks}

    def _ask(self, *command: str) -> Any:
        if not self._prefix:
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                main([*command, "--json", *self._places()], world=Environment(clock=self))
            return json.loads(said.getvalue())
        # the vessel's data is in another mount namespace
        done = subprocess.run(
            self._command(*command, "--json"),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env=_environment(),
        )
        assert done.stdout, f"{command}: {done.stderr}"
        return json.loads(done.stdout)

    # Clocks of its commands

    def boottime_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def utc_ns(self) -> int:
        return time.time_ns() - round(self.board.slow * 1e9)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
