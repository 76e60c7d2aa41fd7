"""An appliance's folders, on which tests run the `logboat` command."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from services.cli.main import main
from services.console.environment import Environment
from services.state import state_file

from . import documents as build


@dataclass(slots=True)
class StoppedClock:
    """Clock stopped at the time at which the recorder's live state was written."""

    boottime: float = 100_000.2
    utc: float = build.UTC + 100_000.2

    def boottime_ns(self) -> int:
        return round(self.boottime * 1e9)

    def utc_ns(self) -> int:
        return round(self.utc * 1e9)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of running a command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Parsed JSON output of the command."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """Lines of the command's output."""
        return self.out.splitlines()


@dataclass(slots=True)
class Appliance:
    """Folders and clocks of an appliance, and its users' answers to prompts."""

    root: Path
    capture: pytest.CaptureFixture[str]
    clock: StoppedClock = field(default_factory=StoppedClock)
    living: set[int] = field(default_factory=lambda: {4711, 4712})
    failed: list[str] = field(default_factory=list)
    """Units that systemd reports as failed."""
    sleep: Callable[[float], None] = lambda _: None
    is_clock_synced: bool = True
    user: str = "anna"
    secrets: list[str] = field(default_factory=list)
    """Answers to prompts for a secret; empty if there is no terminal."""

    answers: list[str] = field(default_factory=list)
    """Answers to prompts for confirmation; empty if there is no terminal."""

    def __post_init__(self) -> None:
        for folder in (self.data, self.run_folder):
            folder.mkdir(parents=True)
        self.configure(f'[vessel]\nid = "{build.VESSEL}"\nname = "SY Argo"\n')

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def run_folder(self) -> Path:
        return self.root / "run"

    @property
    def store(self) -> Path:
        return self.data / "log.db"

    @property
    def places(self) -> list[str]:
        """Options that name the folders, which every command accepts."""
        return [
            *("--config", str(self.root / "logboat.toml")),
            *("--sensors", str(self.root / "sensors.toml")),
            *("--data", str(self.data)),
            *("--run", str(self.run_folder)),
        ]

    def configure(self, toml: str) -> None:
        (self.root / "logboat.toml").write_text(toml)

    def put(self, *built: build.Built) -> None:
        """Put documents into the appliance's store."""
        build.store(self.store, *built)

    def live(self, **changes: Any) -> None:
        """Write the live states of the daemons, with `changes` applied to the recorder's."""
        state_file.write(state_file.path(self.run_folder), build.live_state(**changes))
        self.mesh()

    def mesh(self, **changes: Any) -> None:
        """Write the sync daemon's live state."""
        state_file.write(state_file.path(self.run_folder, "sync"), build.mesh_state(**changes))

    def __call__(self, *arguments: str) -> Outcome:
        """Run `logboat` in this process, and return its result."""
        self.capture.readouterr()
        world = Environment(
            clock=self.clock,
            sleep=self.sleep,
            alive=lambda pid: pid in self.living,
            failed_units=lambda: self.failed,
            is_clock_synced=lambda: self.is_clock_synced,
            user=lambda: self.user,
        )
        if self.secrets:
            world = replace(world, secret=lambda _: self.secrets.pop(0))
        if self.answers:
            world = replace(world, ask=lambda _: self.answers.pop(0))
        status = main([*arguments, *self.places], world=world)
        out, err = self.capture.readouterr()
        assert "Traceback" not in err
        return Outcome(status, out, err)


@pytest.fixture
def logboat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Appliance:
    """Return the simulated appliance of the vessel `argo`, which does not have a document store yet."""
    return Appliance(tmp_path, capsys)
