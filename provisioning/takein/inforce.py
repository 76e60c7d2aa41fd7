"""The folder in force, `/etc/logboat/`: configuration, identity, and what was taken in from where.

    logboat.toml, sensors.toml, NAME.password …    as they were taken in
    identity/
    .taken.json                                    what this module remembers
    before/                                        what a change has replaced, for whoever wants it back

A change is prepared in `.staged/`, complete and durable, and decided by one rename, to `.install/`; what
follows can be done again from wherever it was interrupted, and is at the next start. Before that rename
nothing has changed, after it everything will.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from provisioning import files
from provisioning.bundle.contents import BESIDE, IDENTITY, SENSORS

from . import owners

CONFIG: Final = "logboat.toml"
BEFORE: Final = "before"
_STATE: Final = ".taken.json"
_STAGED: Final = ".staged"
_INSTALL: Final = ".install"
_OLD_IDENTITY: Final = ".identity.old"


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of earlier starts."""

    shown: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by name of what was last taken in from the card, or written there."""
    forced: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by name of what was in force then."""
    wipe: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by path of secrets that were taken in and have still to go from there."""
    generated: bool = False
    """Whether nobody has said yet which vessel this is."""


def digest(content: bytes) -> str:
    """SHA-256, as `Memory` has it."""
    return hashlib.sha256(content).hexdigest()


class InForce:
    """The folder. Whatever fails raises OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def identity(self) -> Path:
        """The folder of the identity in force."""
        return self.folder / IDENTITY

    @property
    def staged(self) -> Path:
        """The folder of a change being prepared."""
        return self.folder / _STAGED

    def recover(self) -> None:
        """Finish a change that was decided, forget one that was not."""
        owners.make_folder(self.folder)
        files.remove(self.staged)
        self._install()

    def configuration(self) -> dict[str, bytes]:
        """What is in force, by name: both files, and what they may name."""
        return {
            path.name: path.read_bytes()
            for path in sorted(self.folder.iterdir())
            if path.is_file() and (path.name in (CONFIG, SENSORS) or _is_beside(path))
        }

    @property
    def memory(self) -> Memory:
        """What is remembered; nothing if that cannot be read: then everything is looked at anew."""
        try:
            raw: Any = json.loads((self.folder / _STATE).read_bytes())
            return Memory(
                dict(raw["shown"]), dict(raw["forced"]), dict(raw["wipe"]), raw["generated"] is True
            )
        except Exception:  # noqa: BLE001  # whatever is in the file: then everything is looked at again
            return Memory()

    def remember(self, memory: Memory) -> None:
        """Replace what is remembered."""
        if memory != self.memory:
            files.write(self.folder / _STATE, _text(memory))

    def prepare(self, content: Mapping[str, bytes], identity: Mapping[str, bytes]) -> Path:
        """Stage a change: the whole configuration, and a new identity if there is one."""
        files.remove(self.staged)
        owners.make_folder(self.staged)
        for name, each in content.items():
            self._write(self.staged / name, each)
        if identity:
            owners.make_folder(self.staged / IDENTITY)
            for name, each in identity.items():
                self._write(self.staged / IDENTITY / name, each)
        return self.staged

    def commit(self, memory: Memory) -> None:
        """Put in force what is staged, and remember."""
        files.write(self.staged / _STATE, _text(memory))
        files.rename(self.staged, self.folder / _INSTALL)
        self._install()

    def discard(self) -> None:
        """Forget what is staged."""
        files.remove(self.staged)

    def _write(self, path: Path, content: bytes) -> None:
        files.write(path, content, mode=owners.mode(), group=owners.group())

    def _install(self) -> None:
        """Each step does nothing when done already; what is remembered comes last but for the clearing."""
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
                owners.make_folder(self.folder / BEFORE)
                self._write(self.folder / BEFORE / path.name, target.read_bytes())
            files.rename(path, target)
        files.remove(install)
        files.remove(self.folder / _OLD_IDENTITY)


def _is_beside(path: Path) -> bool:
    return not path.name.startswith(".") and path.name.lower().endswith(BESIDE)


def _text(memory: Memory) -> bytes:
    body = {
        "version": 1,
        "shown": dict(memory.shown),
        "forced": dict(memory.forced),
        "wipe": dict(memory.wipe),
        "generated": memory.generated,
    }
    return json.dumps(body, indent=1).encode() + b"\n"
