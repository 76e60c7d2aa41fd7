"""What the doctor asks: files below a root, the daemons' live states, commands. Tests hand in others."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sensors import tomlfile
from sensors.configuration import read_sensors
from sensors.settings import SensorSettings
from sensors.tomlfile import ConfigurationError
from services import live, livelights, livesync
from services.boot.state import BootState
from services.boot.state import read as read_boot
from services.configuration import Configuration, read_configuration
from services.live import LiveState
from services.livesync import LiveMesh


def run_command(command: Sequence[str]) -> str:
    """What a command prints. Raises OSError if there is no such command, or it takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} does not answer") from error
    return done.stdout


@dataclass
class Patient:
    """One appliance."""

    config: Path
    sensors_file: Path
    data: Path
    run: Path
    identity: Path
    boottime: float
    utc: float
    alive: Callable[[int], bool]
    root: Path = Path("/")
    firmware: Path = Path("/boot/firmware")
    ask: Callable[[Sequence[str]], str] = field(default=run_command)
    """Runs a command. Raises OSError."""

    @cached_property
    def configuration(self) -> Configuration:
        """What is in force; defaults if it cannot be read (a check of its own says so)."""
        try:
            return read_configuration(tomlfile.read(self.config, missing_ok=True))
        except ConfigurationError:
            return Configuration()

    @cached_property
    def sensors(self) -> tuple[SensorSettings, ...]:
        """What is wired; none if the file cannot be read."""
        try:
            return read_sensors(tomlfile.read(self.sensors_file, missing_ok=True), reserved={})
        except ConfigurationError:
            return ()

    @cached_property
    def recorder_sight(self) -> live.Sight:
        """What can be seen of the recorder."""
        return live.look(self.run, boottime=self.boottime, alive=self.alive)

    @cached_property
    def sync_sight(self) -> livesync.Sight:
        """What can be seen of the sync daemon."""
        return livesync.look(self.run, boottime=self.boottime, alive=self.alive)

    @cached_property
    def lights_sight(self) -> livelights.Sight:
        """What can be seen of the lights' daemon."""
        return livelights.look(self.run, boottime=self.boottime, alive=self.alive)

    @property
    def recorder(self) -> LiveState | None:
        """The recorder's state, if it lives."""
        return self.recorder_sight.state if self.recorder_sight.is_live else None

    @property
    def sync(self) -> LiveMesh | None:
        """The sync daemon's."""
        return self.sync_sight.state if self.sync_sight.is_live else None

    @cached_property
    def boot(self) -> BootState:
        """How the start's taking-in ended."""
        return read_boot(self.run)

    def text(self, path: str) -> str | None:
        """A file below the root, stripped; None if it cannot be read."""
        try:
            return (self.root / path).read_text(errors="replace").strip()
        except OSError:
            return None

    def number(self, path: str, base: int = 10) -> int | None:
        """A file with a number in it."""
        found = self.text(path)
        try:
            return None if found is None else int(found, base)
        except ValueError:
            return None

    def glob(self, pattern: str) -> list[Path]:
        """Paths below the root, in order."""
        return sorted(self.root.glob(pattern))

    def config_txt(self) -> list[str]:
        """Lines of config.txt that mean something."""
        try:
            lines = (self.firmware / "config.txt").read_text(errors="replace").splitlines()
        except OSError:
            return []
        return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
