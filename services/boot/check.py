"""Checks whether the configuration files in a folder are valid together.

The files are `logboat.toml`, `sensors.toml` and any files that these refer to.
"""

from collections.abc import Iterator
from pathlib import Path

from provisioning.ingest.active_config import CONFIG
from provisioning.ingest.ingest import SENSORS, FolderCheck
from sensors.config.loader import examine_sensors
from sensors.toml import toml_file
from sensors.toml.toml_file import ConfigurationError, FileProblem, TomlFile, unforeseen
from services.config.loader import Configuration, read_configuration, reserved_pins


def check(folder: Path, *, config: str = CONFIG, sensors: str = SENSORS) -> FolderCheck:
    """Check both configuration files in a folder; a missing file counts as empty.

    `config` and `sensors` are the file names. Never raise: every problem is reported in the result.
    """
    problems: list[FileProblem] = []
    warnings: tuple[FileProblem, ...] = ()
    configuration = None
    try:
        file = toml_file.read(folder / config, missing_ok=True)
        configuration = read_configuration(file)
        problems += _missing(file, configuration)
    except ConfigurationError as error:
        problems += error.problems
    except Exception as error:  # noqa: BLE001  # any error that the file causes is reported
        problems.append(FileProblem(folder / config, None, "", *unforeseen(error)))
    try:
        wired = toml_file.read(folder / sensors, missing_ok=True)
        reserved = {} if configuration is None else reserved_pins(configuration)
        warnings = examine_sensors(wired, reserved=reserved).warnings
    except ConfigurationError as error:
        problems += error.problems
    except Exception as error:  # noqa: BLE001  # as above
        problems.append(FileProblem(folder / sensors, None, "", *unforeseen(error)))
    vessel = "" if configuration is None else configuration.vessel.id
    return FolderCheck(tuple(problems), vessel, warnings)


def _missing(file: TomlFile, configuration: Configuration) -> Iterator[FileProblem]:
    """Yield a problem for each file that a gateway's settings refer to but that does not exist."""
    for number, gateway in enumerate(configuration.gateways):
        name = gateway.password_file
        if name is not None and not _is_file(file.path.parent / name):
            yield FileProblem(
                file.path,
                file.line(("gateway", number, "password_file")),
                "password_file",
                f'there is no file "{name}" in the same folder',
                "Add the file; its name must end with .password.",
                table=f'gateway "{gateway.name}"',
            )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have, or a folder that cannot be searched
        return False
