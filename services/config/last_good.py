"""The last good configuration, with which recording continues when a configuration file is invalid.

Whenever both files are valid, they are stored under `DATA/last-good/`, with the recordings to which `replay`
sensors refer. When either file is invalid, both are taken from that folder, and the problems are returned for
`status` and the fault light. The files are stored and used as a pair, because the pins of lights and sensors
must not conflict.

    last-good/current                  a symbolic link to the folder in use
    last-good/<digest>-<random>/       logboat.toml, sensors.toml, recordings, as they were read

A folder is complete and durable before `current` points to it, and is never written again. So a power cut at
any instant leaves either the old folder or the new one. The digest covers names and contents. It shows
whether a file has changed since the last call, and whether the card has preserved the files. If no file has
changed, nothing is written. If several processes store the configuration at once, only one of them writes.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sensors.config.loader import examine_sensors, nothing_described
from sensors.outputs import OutputSettings
from sensors.service_settings import ServiceSettings
from sensors.settings import SensorSettings
from sensors.toml import toml_file
from sensors.toml.toml_file import EMPTIED, TomlFile, is_empty, unforeseen
from sync.durable_files import create, sync_folder
from sync.folders import OWN, OWN_FILE, make_folder, opener

from .loader import Configuration, ConfigurationError, FileProblem, read_configuration, reserved_pins

CONFIG: Final = Path("/etc/logboat/logboat.toml")
SENSORS: Final = Path("/etc/logboat/sensors.toml")
USUAL_PLACES: Final = frozenset({CONFIG, SENSORS})
"""Paths of configuration files that may be missing because the appliance has not been configured yet."""

_CONFIG_NAME: Final = "logboat.toml"
_SENSORS_NAME: Final = "sensors.toml"
_CURRENT: Final = "current"
_DIGEST_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration in use, and its problems."""

    configuration: Configuration
    sensors: tuple[SensorSettings, ...]
    problems: tuple[FileProblem, ...] = ()
    """Reasons why the files are not in use, or could not be stored as the last good configuration.

    If the files in use describe no sensors, this is also a problem.
    """
    is_last_good: bool = False
    """True if this is the stored last good configuration, because the files are invalid."""
    warnings: tuple[FileProblem, ...] = ()
    """Mistakes in the files in use for which new files would be rejected."""
    outputs: tuple[OutputSettings, ...] = ()
    """Sirens and other outputs that alarms turn on."""
    services: tuple[ServiceSettings, ...] = ()
    """Maintenance tasks (services) that fall due at intervals."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair of `logboat.toml` and `sensors.toml` that was read without errors."""

    configuration: Configuration
    sensors: tuple[SensorSettings, ...]
    contents: Mapping[str, bytes]
    """Contents of the files that exist, by name."""
    folder: Path
    """Folder that contains `sensors.toml` and its recordings."""
    warnings: tuple[FileProblem, ...] = ()
    """Mistakes for which new files would be rejected."""
    outputs: tuple[OutputSettings, ...] = ()
    services: tuple[ServiceSettings, ...] = ()

    @property
    def recordings(self) -> tuple[Path, ...]:
        """Paths of the recordings that sensors replay, relative to `folder`."""
        files = {file.relative_to(self.folder) for sensor in self.sensors for file in sensor.options.files}
        return tuple(sorted(files))

    @property
    def describes_sensors(self) -> bool:
        """True if there is a `sensors.toml`."""
        return _SENSORS_NAME in self.contents


def load_or_last_good(
    config_path: Path, sensors_path: Path, data_dir: Path, *, missing_ok: Collection[Path] = USUAL_PLACES
) -> Loaded:
    """Return the configuration in the files, or the last good configuration if the files are invalid.

    A file in `missing_ok` may be missing if the last good configuration did not include it either. In that
    case, all defaults apply. Raise ConfigurationError if the files are invalid and no good configuration is
    stored. An error in `data_dir` is returned as a problem, not raised.
    """
    keeper = LastGood(data_dir / "last-good")
    try:
        pair = _read(
            config_path,
            sensors_path,
            config_missing_ok=config_path in missing_ok and not keeper.has(_CONFIG_NAME),
            sensors_missing_ok=sensors_path in missing_ok and not keeper.has(_SENSORS_NAME),
            config_empty_ok=not keeper.has_content(_CONFIG_NAME),
        )
    except ConfigurationError as error:
        return keeper.load(error)
    problems = () if pair.describes_sensors else (nothing_described(sensors_path),)
    problems = (*problems, *keeper.keep(pair))
    return Loaded(
        pair.configuration,
        pair.sensors,
        problems,
        warnings=pair.warnings,
        outputs=pair.outputs,
        services=pair.services,
    )


def _read(
    config_path: Path,
    sensors_path: Path,
    *,
    config_missing_ok: bool,
    sensors_missing_ok: bool,
    config_empty_ok: bool = True,
    none_ok: bool = False,
    check_recordings: bool = True,
) -> Pair:
    """Read both files. If either has errors, raise ConfigurationError with the problems of both files.

    No other exception is raised.
    """
    try:
        return _read_both(
            config_path,
            sensors_path,
            config_missing_ok=config_missing_ok,
            sensors_missing_ok=sensors_missing_ok,
            config_empty_ok=config_empty_ok,
            none_ok=none_ok,
            check_recordings=check_recordings,
        )
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError([FileProblem(config_path.parent, None, "", *unforeseen(error))]) from error


def _read_both(
    config_path: Path,
    sensors_path: Path,
    *,
    config_missing_ok: bool,
    sensors_missing_ok: bool,
    config_empty_ok: bool,
    none_ok: bool,
    check_recordings: bool,
) -> Pair:
    problems: list[FileProblem] = []
    configuration = examined = None
    config_file, sensors_file = TomlFile(config_path), TomlFile(sensors_path)
    try:
        config_file = toml_file.read(config_path, missing_ok=config_missing_ok)
        if not config_empty_ok and config_file.content is not None and is_empty(config_file.content):
            problems.append(FileProblem(config_path, None, "", *EMPTIED))
        configuration = read_configuration(config_file)
    except ConfigurationError as error:
        problems += error.problems
    try:
        sensors_file = toml_file.read(sensors_path, missing_ok=sensors_missing_ok)
        # Without a valid [lights] section the lights' pins are unknown, so conflicts cannot be checked.
        examined = examine_sensors(
            sensors_file,
            reserved={} if configuration is None else reserved_pins(configuration),
            none_ok=none_ok,
            check_recordings=check_recordings,
        )
    except ConfigurationError as error:
        problems += error.problems
    if configuration is None or examined is None or problems:
        raise ConfigurationError(problems)
    files = {_CONFIG_NAME: config_file, _SENSORS_NAME: sensors_file}
    contents = {name: file.content for name, file in files.items() if file.content is not None}
    return Pair(
        configuration,
        examined.sensors,
        contents,
        sensors_path.parent,
        examined.warnings,
        outputs=examined.outputs,
        services=examined.services,
    )


class LastGood:
    """The folder `last-good` in the data directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str = "") -> bool:
        """Return True if a configuration is stored in the folder. With `name`, it must include that file."""
        return os.path.lexists(self._folder / _CURRENT / name if name else self._folder / _CURRENT)

    def has_content(self, name: str) -> bool:
        """Return True if the stored configuration includes this file and the file is not empty."""
        try:
            return not is_empty((self._folder / _CURRENT / name).read_bytes())
        except OSError:
            return False

    def load(self, why: ConfigurationError, *, check_recordings: bool = True) -> Loaded:
        """Return the stored configuration, with the problems in `why`. If none is stored, raise `why`.

        If `check_recordings` is False, recordings are not parsed, because that can take seconds.
        """
        if not self.has():
            raise why
        try:
            current = (self._folder / _CURRENT).resolve(strict=True)
            if not _digest_of_folder(current).startswith(_named_digest(current)):
                raise ConfigurationError([self._problem("is damaged", "Correct the files above.")])
            pair = _read(
                current / _CONFIG_NAME,
                current / _SENSORS_NAME,
                config_missing_ok=True,
                sensors_missing_ok=True,
                # older versions stored files without `no_sensors`, and such a file may be in use
                none_ok=True,
                check_recordings=check_recordings,
            )
        except ConfigurationError as error:
            raise ConfigurationError([*why.problems, *error.problems]) from error
        except Exception as error:
            trouble = self._problem(f"cannot be read: {_words(error)}", "Check the card.")
            raise ConfigurationError([*why.problems, trouble]) from error
        return Loaded(
            pair.configuration,
            pair.sensors,
            why.problems,
            is_last_good=True,
            warnings=pair.warnings,
            outputs=pair.outputs,
            services=pair.services,
        )

    def keep(self, pair: Pair) -> tuple[FileProblem, ...]:
        """Store both configuration files as the last good configuration, and return any problems."""
        try:
            digest = _digest(_sources(pair))[:_DIGEST_DIGITS]
            if self._holds(digest):
                return ()
            make_folder(self._folder)
            sync_folder(self._folder.parent)
            with _locked(self._folder / "lock") as is_ours:
                if is_ours:  # otherwise another process, started at the same time, is writing the same files
                    self._write(pair, digest)
        except Exception as error:  # noqa: BLE001  # used even if it cannot be stored
            return (
                self._problem(
                    f"could not be saved: {_words(error)}",
                    "Recording continues, but fix this before you change the configuration.",
                ),
            )
        return ()

    def _holds(self, digest: str) -> bool:
        if not self.has():
            return False
        try:
            current = (self._folder / _CURRENT).resolve(strict=True)
            return _named_digest(current) == digest and _digest_of_folder(current).startswith(digest)
        except OSError:  # unreadable, so write it again
            return False

    def _write(self, pair: Pair, digest: str) -> None:
        # mkdtemp creates a folder that only the owner can read: logboat.toml contains Wi-Fi passwords.
        new = Path(tempfile.mkdtemp(prefix=f"{digest}-", dir=self._folder))
        try:
            for name, content in pair.contents.items():
                create(new / name, content, mode=OWN_FILE)
            for recording in pair.recordings:
                make_folder((new / recording).parent, OWN)
                create(new / recording, (pair.folder / recording).read_bytes(), mode=OWN_FILE)
            for folder in [path for path in new.rglob("*") if path.is_dir()]:
                sync_folder(folder)
            sync_folder(new)
            link = self._folder / f"{_CURRENT}.new"
            link.unlink(missing_ok=True)
            link.symlink_to(new.name)
            sync_folder(self._folder)
            link.replace(self._folder / _CURRENT)
        except Exception:
            shutil.rmtree(new, ignore_errors=True)  # any folder left over is removed at the next change
            raise
        sync_folder(self._folder)
        for old in self._folder.iterdir():
            if old.is_dir() and not old.is_symlink() and old != new:
                shutil.rmtree(old, ignore_errors=True)

    def _problem(self, text: str, remedy: str) -> FileProblem:
        return FileProblem(self._folder, None, "", f"the last good configuration {text}", remedy)


def _words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


# Files ---------------------------------------------------------------------------------------------


def _sources(pair: Pair) -> dict[str, str]:
    """Return the SHA-256 digest of every file to be stored, by name."""
    sources = {name: hashlib.sha256(content).hexdigest() for name, content in pair.contents.items()}
    return sources | {str(name): _sha256(pair.folder / name) for name in pair.recordings}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _digest(sources: Mapping[str, str]) -> str:
    lines = "".join(f"{digest} {name}\n" for name, digest in sorted(sources.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _digest_of_folder(folder: Path) -> str:
    files = (path for path in folder.rglob("*") if path.is_file())
    return _digest({str(file.relative_to(folder)): _sha256(file) for file in files})


def _named_digest(folder: Path) -> str:
    return folder.name.partition("-")[0]


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Yield True if this process gets the lock.

    Never wait for the lock, because the process that holds it may be suspended.
    """
    with open(path, "wb", opener=opener()) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
