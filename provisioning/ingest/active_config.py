"""The folder of the files in use, `/etc/logboat/`: configuration, identity, and a record of applied files.

    logboat.toml, sensors.toml, NAME.password …    as they were applied
    identity/
    .taken.json                                    the record that this module keeps
    before/                                        earlier files, which can be restored by hand

A change is first written completely and durably to `.staged/`. A single rename, to `.install/`, then commits
the change. Before the rename, nothing has changed. After the rename, the change is always completed. Each
later step can be repeated, so that the next start completes an interrupted change.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from provisioning import files
from provisioning.bundle.contents import BESIDE, IDENTITY, SENSORS

from . import permissions

CONFIG: Final = "logboat.toml"
BEFORE: Final = "before"
_STATE: Final = ".taken.json"
_STAGED: Final = ".staged"
_INSTALL: Final = ".install"
_OLD_IDENTITY: Final = ".identity.old"


@dataclass(frozen=True, slots=True)
class StartRecord:
    """Record of files that earlier starts applied or wrote to the card, and of secrets still to be wiped."""

    shown: Mapping[str, str] = field(default_factory=dict)
    """SHA-256, by name, of the files that were last applied from the card or written to it."""
    forced: Mapping[str, str] = field(default_factory=dict)
    """SHA-256, by name, of the files that were in use when those files were applied or written."""
    wipe: Mapping[str, str] = field(default_factory=dict)
    """SHA-256, by path, of secrets that were applied and still have to be wiped."""
    generated: bool = False
    """True if the vessel's id was generated, because no configuration contains one."""


def digest(content: bytes) -> str:
    """Return the SHA-256 in the form that `StartRecord` uses."""
    return hashlib.sha256(content).hexdigest()


class ActiveConfiguration:
    """Folder of the files in use; any method may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def identity(self) -> Path:
        """Path of the identity in use."""
        return self.folder / IDENTITY

    @property
    def staged(self) -> Path:
        """Path of the change that is being prepared."""
        return self.folder / _STAGED

    def recover(self) -> None:
        """Finish a change that was committed, and discard a change that was not."""
        permissions.make_folder(self.folder)
        files.remove(self.staged)
        self._install()

    def configuration(self) -> dict[str, bytes]:
        """Return the files in use by name: both configuration files, and files that they may refer to."""
        return {
            path.name: path.read_bytes()
            for path in sorted(self.folder.iterdir())
            if path.is_file() and (path.name in (CONFIG, SENSORS) or _is_beside(path))
        }

    @property
    def memory(self) -> StartRecord:
        """The record of earlier starts.

        If the record cannot be read, an empty one is returned, so that all files are examined again.
        """
        try:
            raw: Any = json.loads((self.folder / _STATE).read_bytes())
            return StartRecord(
                dict(raw["shown"]), dict(raw["forced"]), dict(raw["wipe"]), raw["generated"] is True
            )
        except Exception:  # noqa: BLE001  # if the record is unreadable, all files are examined again
            return StartRecord()

    def remember(self, memory: StartRecord) -> None:
        """Replace the record of earlier starts."""
        if memory != self.memory:
            files.write(self.folder / _STATE, _text(memory))

    def prepare(self, content: Mapping[str, bytes], identity: Mapping[str, bytes]) -> Path:
        """Stage the whole configuration, and a new identity if there is one; return the staging folder."""
        files.remove(self.staged)
        permissions.make_folder(self.staged)
        for name, each in content.items():
            self._write(self.staged / name, each)
        if identity:
            permissions.make_folder(self.staged / IDENTITY)
            for name, each in identity.items():
                self._write(self.staged / IDENTITY / name, each)
        return self.staged

    def commit(self, memory: StartRecord) -> None:
        """Apply the staged change, and replace the record."""
        files.write(self.staged / _STATE, _text(memory))
        files.rename(self.staged, self.folder / _INSTALL)
        self._install()

    def discard(self) -> None:
        """Discard the staged change."""
        files.remove(self.staged)

    def _write(self, path: Path, content: bytes) -> None:
        files.write(path, content, mode=permissions.mode(), group=permissions.group())

    def _install(self) -> None:
        """Install a change that has been committed.

        Each step has no effect if it has already been done. The record is moved last, before the clean-up.
        """
        install = self.folder / _INSTALL
        if not install.is_dir():
            files.remove(self.folder / _OLD_IDENTITY)
            return
        if (install / IDENTITY).is_dir():
            if self.identity.exists():
                files.remove(self.folder / _OLD_IDENTITY)
                files.rename(self.identity, self.folder / _OLD_IDENTITY)
            files.rename(install / IDENTITY, self.identity)
        for path in sorted(install.iterdir(), key=lambda path: path.name == _STATE):
            target = self.folder / path.name
            if path.name != _STATE and target.is_file() and target.read_bytes() != path.read_bytes():
                permissions.make_folder(self.folder / BEFORE)
                self._write(self.folder / BEFORE / path.name, target.read_bytes())
            files.rename(path, target)
        files.remove(install)
        files.remove(self.folder / _OLD_IDENTITY)


def _is_beside(path: Path) -> bool:
    return not path.name.startswith(".") and path.name.lower().endswith(BESIDE)


def _text(memory: StartRecord) -> bytes:
    body = {
        "version": 1,
        "shown": dict(memory.shown),
        "forced": dict(memory.forced),
        "wipe": dict(memory.wipe),
        "generated": memory.generated,
    }
    return json.dumps(body, indent=1).encode() + b"\n"
