"""`logboat config check FILE`: makes the checks that are also made when a card is written and at each boot.

The type of a file is determined by its name, or else by its content: it is either a `sensors.toml`, or a
`vessel.toml` or `logboat.toml`. Both files in a folder are checked together, as in `logboat fleet card` and
at each boot.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from provisioning.bundle.contents import SENSORS, VESSEL
from provisioning.card_folders import ON_FAT
from provisioning.fleet_duplicates import VESSELS, is_vessels_folder
from provisioning.ingest.active_config import CONFIG
from sensors.config.loader import NO_SENSORS, ExaminedSensors
from sensors.config.sections import SECTIONS
from sensors.toml import toml_file
from sensors.toml.schema import Table
from sync.fleet.identity_names import FLEET_CERTIFICATE

from .example_values import example_values
from .loader import ConfigurationError, FileProblem
from .pair_check import PairCheck, check_folder, check_pair
from .summary import configuration_summary, sensors_summary
from .surroundings import is_for_card, with_surroundings


@dataclass(frozen=True, slots=True)
class Checked:
    """Result of checking a configuration file."""

    path: Path
    text: str
    """Human-readable text: a summary, or one line for each problem."""
    problems: tuple[FileProblem, ...] = ()
    """Mistakes that prevent the file from being used."""
    warnings: tuple[FileProblem, ...] = ()
    """Mistakes because of which a new file is rejected, but a file that is already in use is not."""
    reminders: tuple[FileProblem, ...] = ()
    """Values in a valid file that were copied from an example, and must be replaced."""
    examined: ExaminedSensors | None = field(default=None, repr=False)
    """Sensors and outputs in a valid `sensors.toml`; None for other files and for a file with mistakes."""

    @property
    def good(self) -> bool:
        """True if the file could be applied."""
        return not self.problems and not self.warnings


@dataclass(frozen=True, slots=True)
class CheckedFiles:
    """Result of checking several files, together with other files in the same folders."""

    files: tuple[Checked, ...]
    """Results for the given files, in order, then for other files in the same folders that have mistakes."""
    not_checked: tuple[str, ...]
    """Checks that were impossible, with the reasons, as phrases to print after "not checked:"."""

    @property
    def problems(self) -> tuple[FileProblem, ...]:
        """All mistakes that prevent a card from being written."""
        return tuple(problem for each in self.files for problem in (*each.problems, *each.warnings))


@dataclass(frozen=True, slots=True)
class _Pair:
    """Paths of the two files that are checked together; one of them may not exist."""

    config: Path
    sensors: Path


def check(path: Path) -> Checked:
    """Check a file together with the other configuration file in its folder. Return the result for `path`.

    No exception is raised: every problem is reported in the result.
    """
    return check_files([path]).files[0]


def check_files(
    paths: Iterable[Path], *, now: datetime | None = None, new_identity: bool = False
) -> CheckedFiles:
    """Check files and folders. A folder may belong to a vessel, a card or a whole fleet.

    `now` is the time at which certificates must be valid, by default the current time. `new_identity` has the
    same meaning as for `surroundings.with_surroundings`. No exception is raised: every problem is reported in
    the result.
    """
    now = now or datetime.now(UTC)
    files: dict[Path, Checked | None] = {}
    given: dict[Path, _Pair] = {}
    for path in (each for place in paths for each in _files_of(place)):
        try:
            given[path] = _pair(path)
            files[path] = None
        except ConfigurationError as error:
            files[path] = Checked(path, _listed(path, error.problems), error.problems)
    pairs = _together(given)
    results = {
        pair: with_surroundings(_checked(pair), pair.config, pair.sensors, now=now, new_identity=new_identity)
        for pair in dict.fromkeys(pairs.values())
    }
    for path, pair in pairs.items():
        files[path] = _of_file(path, pair, results[pair])
    beside = [
        _of_file(other, pair, result)
        for pair, result in results.items()
        for other in (pair.config, pair.sensors)
        if other not in files
    ]
    not_checked = [each for result in results.values() for each in result.not_checked]
    return CheckedFiles(
        (
            *(each for each in files.values() if each is not None),
            *(each for each in beside if not each.good),
        ),
        tuple(dict.fromkeys(not_checked)),
    )


def _files_of(path: Path) -> Iterator[Path]:
    """Yield the files to check for a path: the path itself, or the configuration files in a folder."""
    if not path.is_dir():
        yield path
        return
    if (path / FLEET_CERTIFICATE).is_file() and (path / VESSELS).is_dir():
        for folder in sorted((path / VESSELS).iterdir()):
            if folder.is_dir() and not folder.name.startswith("."):
                yield from _in_folder(folder)
        return
    on_card = path / ON_FAT  # this folder exists if a card's first partition is mounted at the path
    if is_for_card(on_card) and any(_in_folder(on_card)):
        yield from _in_folder(on_card)
    else:
        yield from list(_in_folder(path)) or list(_in_folder(on_card)) or [path]


def _in_folder(folder: Path) -> Iterator[Path]:
    """Yield the configuration files in a folder.

    For a vessel's folder in a fleet's folder, vessel.toml is always included, even if it is missing.
    """
    in_fleet = is_vessels_folder(folder)
    names = (VESSEL, SENSORS) if in_fleet or is_for_card(folder) else (CONFIG, VESSEL, SENSORS)
    for name in names:
        path = _named(folder, name)
        if path.exists() or (name == VESSEL and in_fleet):
            yield path


def _named(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder, ignoring the case of `name`.

    The path has the name as it is spelt in the folder.
    """
    if (folder / name).exists() or not folder.is_dir():
        return folder / name
    return next((path for path in sorted(folder.iterdir()) if path.name.lower() == name), folder / name)


def _pair(path: Path) -> _Pair:
    """Return a file together with the other configuration file in its folder.

    Raise ConfigurationError if the type of the file is unknown.
    """
    folder = path.parent
    if path.is_dir():
        text = f"this folder contains neither {VESSEL} nor {SENSORS}"
        raise ConfigurationError([FileProblem(path, None, "", text, "Specify a file, or another folder.")])
    if not path.exists() and not is_vessels_folder(folder):
        toml_file.read(path)  # this call raises the error
    if _describes_sensors(path):
        configs = [_named(folder, name) for name in (CONFIG, VESSEL)]
        return _Pair(next((config for config in configs if config.exists()), configs[-1]), path)
    return _Pair(path, _named(folder, SENSORS))


def _together(pairs: Mapping[Path, _Pair]) -> Mapping[Path, _Pair]:
    """Return the pairs, after combining files in the same folder into one pair."""
    together = dict[Path, _Pair]()
    for path, pair in pairs.items():
        others = {other: each for other, each in pairs.items() if other.parent == path.parent}
        configs = [other for other, each in others.items() if other == each.config]
        sensors = [other for other, each in others.items() if other == each.sensors]
        if path == pair.config:
            together[path] = _Pair(path, next(iter(sensors), pair.sensors))
        else:
            together[path] = _Pair(next(iter(configs), pair.config), path)
    return together


def _checked(pair: _Pair) -> PairCheck:
    if is_for_card(pair.config.parent):
        return check_folder(pair.config.parent, config=pair.config.name, sensors=pair.sensors.name)
    return check_pair(pair.config, pair.sensors)


def _of_file(path: Path, pair: _Pair, result: PairCheck) -> Checked:
    """Return the part of a result that concerns one file of a pair.

    Problems with other files in the folder are assigned to the configuration file.
    """

    def own(problems: Iterable[FileProblem]) -> tuple[FileProblem, ...]:
        return tuple(
            problem
            for problem in problems
            if problem.file == path or (path == pair.config and problem.file not in (path, pair.sensors))
        )

    problems, warnings = own(result.problems), own(result.warnings)
    if problems or warnings:
        return Checked(path, _listed(path, [*problems, *warnings]), problems, warnings)
    if path == pair.config:
        assert result.configuration is not None
        reminders = tuple(example_values(toml_file.read(path, missing_ok=True), result.configuration))
        text = "\n".join([_good(path, configuration_summary(result.configuration)), *map(str, reminders)])
        return Checked(path, text, reminders=reminders)
    assert result.examined is not None
    pins = _pins(pair.config, has_mistakes=result.configuration is None)
    summary = sensors_summary(result.examined.sensors, result.examined.outputs, pins)
    return Checked(path, _good(path, summary), examined=result.examined)


def _pins(config: Path, *, has_mistakes: bool) -> str:
    if has_mistakes:
        return f"not checked, because {config.name} contains mistakes"
    if config.is_file():
        return f"from {config.name}"
    return f"defaults, because this folder has no {config.name}"


def _good(path: Path, summary: str) -> str:
    return f"{path.name}: good\n{summary}"


def _listed(path: Path, problems: Sequence[FileProblem]) -> str:
    count = len(problems)
    where = path.name
    if any(problem.file != path for problem in problems):
        where += " and the files beside it"
    return "\n".join([*map(str, problems), f"{where}: {count} problem{'s' if count > 1 else ''}"])


def name_in_force(path: Path) -> str:
    """Return the name of the configuration file on an appliance that a file would replace if applied.

    Raise ConfigurationError if the file cannot be read, or if its type is unknown.
    """
    toml_file.read(path)
    return SENSORS if _describes_sensors(path) else CONFIG


def _describes_sensors(path: Path) -> bool:
    """Return True if the file describes sensors. Raise ConfigurationError if its type is unknown."""
    if path.name.lower() == SENSORS:
        return True
    if path.name.lower() in (CONFIG, VESSEL):
        return False
    file = toml_file.read(path)
    if not file.data.keys().isdisjoint({"sensor", "output", NO_SENSORS}) or "sensor" in path.stem:
        return True
    if file.data.keys().isdisjoint(SECTIONS):
        table = Table.root(file)
        table.complain(
            "",
            "this is neither sensors.toml nor the vessel's configuration",
            f"Add a [[sensor]] or an [[output]], or a section such as [{SECTIONS[0]}].",
        )
        raise ConfigurationError(table.problems)
    return False
