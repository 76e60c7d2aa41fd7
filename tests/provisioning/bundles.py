"""A fleet with two vessels and their bundles, for tests. Keys are generated only once per process."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from provisioning import files
from provisioning.bundle.compose import compose
from provisioning.folder import FleetFolder
from provisioning.ingest.active_config import ActiveConfiguration
from provisioning.ingest.ingest import Intake, Outcome
from services.boot.check import check
from tests.net.certificates import NOW

PASSPHRASE = "four words and more"
VESSEL = '[vessel]\nid = "{}"\nname = "SY {}"\n'
SENSORS = '[[sensor]]\nid = "float"\nkind = "switch"\npin = {}\npath = "bilge.main.highWater"\n'


@cache
def bundle(
    vessel: str = "argo",
    *,
    fleet: str = "north",
    number: int = 1,
    valid_for: timedelta = timedelta(days=1000),
) -> Mapping[str, bytes]:
    """Return the content of each file in a vessel's bundle, by file name.

    Different values of `number` return bundles with different keys.
    """
    del number
    with TemporaryDirectory() as place:
        folder = FleetFolder.create(Path(place) / fleet, fleet=fleet, passphrase=PASSPHRASE, now=NOW)
        folder.add(folder.unlock(PASSPHRASE), vessel, now=NOW, valid_for=valid_for)
        (folder.place(vessel) / "vessel.toml").write_text(VESSEL.format(vessel, vessel.title()))
        (folder.place(vessel) / "sensors.toml").write_text(SENSORS.format(17))
        return compose(folder, vessel, now=NOW - timedelta(days=100))


def put(folder: Path, found: Mapping[str, bytes]) -> None:
    """Write the files of a bundle to a folder."""
    for name, content in found.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def content(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder, by its path relative to the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Card:
    """SD card and configuration folders of an appliance. `start` applies the card's files as at boot."""

    def __init__(self, root: Path) -> None:
        self.fat, self.etc, self.inbox = root / "logboat", root / "etc", root / "inbox"
        self.fat.mkdir()
        self.opened = 0
        self.read_only = False

    def start(self, now: datetime = NOW) -> Outcome:
        takein = Intake(
            ActiveConfiguration(self.etc),
            card=self.fat,
            inbox=self.inbox,
            check=check,
            now=now,
            fallback="vessel-123456",
            writable=self._writable,
        )
        return takein.run()

    @property
    def problems(self) -> str:
        path = self.fat / "PROBLEMS.txt"
        return path.read_text() if path.exists() else ""

    @contextmanager
    def _writable(self) -> Iterator[None]:
        if self.read_only:
            raise OSError(30, "Read-only file system", str(self.fat))
        self.opened += 1
        yield

    @property
    def force(self) -> dict[str, bytes]:
        """Content of each configuration file in use, by name, without internal files."""
        return {
            name: each for name, each in content(self.etc).items() if not name.startswith((".", "before/"))
        }


STEPS = ("write", "write_on_fat", "rename", "remove", "overwrite")


class Cut(BaseException):
    """Exception that simulates a power cut by ending the current operation."""


class Cutter:
    """Simulator of a power cut after a given number of changes to the file system."""

    def __init__(self) -> None:
        self.left: int | None = None
        self._real = {name: getattr(files, name) for name in STEPS}

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, real in self._real.items():
            monkeypatch.setattr(files, name, self._wrapped(real))

    def _wrapped(self, real: Callable[..., None]) -> Callable[..., None]:
        def step(*arguments: Any, **named: Any) -> None:
            if self.left is not None:
                if self.left == 0:
                    raise Cut
                self.left -= 1
            real(*arguments, **named)

        return step
