"""Checks whether the configuration files in a folder are valid together.

The files are `logboat.toml`, `sensors.toml` and any files that these refer to.
"""

from pathlib import Path

from provisioning.ingest.active_config import CONFIG
from provisioning.ingest.ingest import SENSORS, FolderCheck
from sensors.config.loader import examine_sensors
from sensors.toml import toml_file
from sensors.toml.toml_file import ConfigurationError, FileProblem, unforeseen
from services.config.loader import read_configuration, reserved_pins
from services.config.readiness import missing_files, placeholders


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
        problems += missing_files(file, configuration)
        warnings += tuple(placeholders(file, configuration))
    except ConfigurationError as error:
        problems += error.problems
    except Exception as error:  # noqa: BLE001  # any error that the file causes is reported
        problems.append(FileProblem(folder / config, None, "", *unforeseen(error)))
    try:
        wired = toml_file.read(folder / sensors, missing_ok=True)
        reserved = {} if configuration is None else reserved_pins(configuration)
        warnings += examine_sensors(wired, reserved=reserved).warnings
    except ConfigurationError as error:
        problems += error.problems
    except Exception as error:  # noqa: BLE001  # as above
        problems.append(FileProblem(folder / sensors, None, "", *unforeseen(error)))
    vessel = "" if configuration is None else configuration.vessel.id
    return FolderCheck(tuple(problems), vessel, warnings)
