"""Checks `logboat.toml` (`vessel.toml` on a card) and `sensors.toml` together, with the files they refer to.

All commands and the boot of the appliance use this check for the two files. `services.boot.check` and
`services.config.check` add the rules for the folder that contains the files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from provisioning.bundle.contents import is_carried
from sensors.config.loader import ExaminedSensors, examine_sensors
from sensors.toml import toml_file
from sensors.toml.toml_file import EMPTIED, ConfigurationError, FileProblem, is_empty, unforeseen

from .broker_keys import incomplete_policies
from .loader import read_configuration, reserved_pins
from .model import Configuration
from .readiness import emptied, files_of_gateways, names_of_gateways_files, placeholders, radio_channel
from .wifi_files import files_of_wifi, names_of_wifi_files

_UNKNOWN_PINS: Final[Mapping[int, str]] = {}


@dataclass(frozen=True, slots=True)
class PairCheck:
    """Result of checking both files.

    `configuration` is None if `logboat.toml` has mistakes, and `examined` is None if `sensors.toml` has
    mistakes.
    """

    problems: tuple[FileProblem, ...]
    """Mistakes because of which a file cannot be used."""
    warnings: tuple[FileProblem, ...]
    """Mistakes because of which a new file is rejected, but a file that is already in use is not."""
    configuration: Configuration | None
    examined: ExaminedSensors | None = field(repr=False)
    not_checked: tuple[str, ...] = ()
    """Checks that were impossible, with the reasons, as phrases to print after "not checked:"."""

    @property
    def vessel(self) -> str:
        """Id of the vessel; '' if `logboat.toml` has mistakes."""
        return "" if self.configuration is None else self.configuration.vessel.id


def check_pair(config: Path | None, sensors: Path | None, *, check_recordings: bool = True) -> PairCheck:
    """Check both files. A missing file counts as empty. Pass None for a file that must not be checked.

    If `check_recordings` is False, recordings are not read, because this can take seconds. No exception is
    raised: every problem is reported in the result.
    """
    problems: list[FileProblem] = []
    warnings: list[FileProblem] = []
    configuration: Configuration | None = Configuration()
    if config is not None:
        try:
            configuration = None
            configuration = _configuration(config, warnings)
        except ConfigurationError as error:
            problems += error.problems
        except Exception as error:  # noqa: BLE001  # any error that the file causes is reported
            problems.append(FileProblem(config, None, "", *unforeseen(error)))
    examined = None
    if sensors is not None:
        try:
            file = toml_file.read(sensors, missing_ok=True)
            reserved = _UNKNOWN_PINS if configuration is None else reserved_pins(configuration)
            examined = examine_sensors(file, reserved=reserved, check_recordings=check_recordings)
            warnings += examined.warnings
        except ConfigurationError as error:
            problems += error.problems
        except Exception as error:  # noqa: BLE001  # as above
            problems.append(FileProblem(sensors, None, "", *unforeseen(error)))
    return PairCheck(tuple(problems), tuple(warnings), configuration, examined)


def _configuration(path: Path, warnings: list[FileProblem]) -> Configuration:
    file = toml_file.read(path, missing_ok=True)
    if file.content is not None and is_empty(file.content):
        warnings.append(FileProblem(path, None, "", *EMPTIED, refuses_only_new=True))
    configuration = read_configuration(file)
    warnings += files_of_gateways(file, configuration)
    warnings += files_of_wifi(configuration.network.wifi, folder=path.parent, file=file)
    warnings += placeholders(file, configuration)
    warnings += radio_channel(file, configuration)
    warnings += incomplete_policies(file, configuration)
    return configuration


def names_of_files(configuration: Configuration) -> tuple[str, ...]:
    """Return the names of all files to which a configuration refers."""
    return (*names_of_gateways_files(configuration), *names_of_wifi_files(configuration.network.wifi))


def check_folder(folder: Path, *, config: str, sensors: str) -> PairCheck:
    """Check both files in a folder. Also check that no other file to be copied to the card is empty.

    `config` and `sensors` are the names of the files. The result is that of `check_pair`.
    """
    found = check_pair(folder / config, folder / sensors)
    used = () if found.configuration is None else names_of_files(found.configuration)
    try:
        others = sorted(path for path in folder.iterdir() if is_carried(path.name) and path.name not in used)
    except OSError:  # the folder does not exist, or this user may not read it
        return found
    return replace(found, warnings=(*found.warnings, *emptied(others)))
