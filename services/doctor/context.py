"""Input for the doctor's checks: files, live states and command output. Tests substitute their own input."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sensors.config.loader import ExaminedSensors, examine_sensors
from sensors.outputs import OutputSettings
from sensors.settings import SensorSettings
from sensors.toml import toml_file
from sensors.toml.toml_file import ConfigurationError
from services.config.loader import Configuration, read_configuration
from services.state import gnss_state, lights_state, recorder_state, sync_state
from services.state.boot_state import BootState
from services.state.boot_state import read as read_boot
from services.state.recorder_state import LiveState
from services.state.sync_state import LiveMesh


def run_command(command: Sequence[str]) -> str:
    """Return the output of a command.

    Raise OSError if the command does not exist, or does not finish within 10 s.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} does not respond") from error
    return done.stdout


@dataclass
class Appliance:
    """The appliance that the doctor examines."""

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
    """Function that runs a command and returns its output, or raises OSError."""

    @cached_property
    def configuration(self) -> Configuration:
        """The configuration in the file.

        If it is invalid, which a separate check reports, the defaults are used.
        """
        try:
            return read_configuration(toml_file.read(self.config, missing_ok=True))
        except ConfigurationError:
            return Configuration()

    @cached_property
    def sensors(self) -> tuple[SensorSettings, ...]:
        """The configured sensors; empty if the file is invalid. Their recordings are checked separately."""
        return () if self._examined is None else self._examined.sensors

    @cached_property
    def outputs(self) -> tuple[OutputSettings, ...]:
        """The configured outputs, such as sirens; empty if the file is invalid."""
        return () if self._examined is None else self._examined.outputs

    @cached_property
    def _examined(self) -> ExaminedSensors | None:
        try:
            return examine_sensors(
                toml_file.read(self.sensors_file, missing_ok=True), reserved={}, check_recordings=False
            )
        except ConfigurationError:
            return None

    @cached_property
    def recorder_sight(self) -> recorder_state.Sight:
        """The recorder's published state, and whether it is current."""
        return recorder_state.read(self.run, boottime=self.boottime, alive=self.alive)

    @cached_property
    def sync_sight(self) -> sync_state.Sight:
        """The sync daemon's published state, and whether it is current."""
        return sync_state.read(self.run, boottime=self.boottime, alive=self.alive)

    @cached_property
    def lights_sight(self) -> lights_state.Sight:
        """The lights daemon's published state, and whether it is current."""
        return lights_state.read(self.run, boottime=self.boottime, alive=self.alive)

    @cached_property
    def gnss_sight(self) -> gnss_state.Sight:
        """The state of the daemon that reads the satellite receiver, and whether it is current."""
        return gnss_state.read(self.run, boottime=self.boottime, alive=self.alive)

    @property
    def recorder(self) -> LiveState | None:
        """The recorder's state if it is current, else None."""
        return self.recorder_sight.state if self.recorder_sight.is_live else None

    @property
    def sync(self) -> LiveMesh | None:
        """The sync daemon's state if it is current, else None."""
        return self.sync_sight.state if self.sync_sight.is_live else None

    @cached_property
    def boot(self) -> BootState:
        """Result of the last boot: what was read from the card and set up."""
        return read_boot(self.run)

    def text(self, path: str) -> str | None:
        """Return the stripped text of a file below the root; None if the file cannot be read."""
        try:
            return (self.root / path).read_text(errors="replace").strip()
        except OSError:
            return None

    def number(self, path: str, base: int = 10) -> int | None:
        """Return the number in a file below the root; None if the file contains no number."""
        text = self.text(path)
        try:
            return None if text is None else int(text, base)
        except ValueError:
            return None

    def glob(self, pattern: str) -> list[Path]:
        """Return the paths below the root that match a pattern, sorted."""
        return sorted(self.root.glob(pattern))

    def config_txt(self) -> list[str]:
        """Return the lines of config.txt without blank lines and comments."""
        try:
            lines = (self.firmware / "config.txt").read_text(errors="replace").splitlines()
        except OSError:
            return []
        return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
