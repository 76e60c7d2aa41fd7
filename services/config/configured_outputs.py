"""Finds the outputs that are configured, for commands that run while the lights daemon does not."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sensors.outputs import OutputSettings

_NAME: Final = b"output"


def configured_outputs(config: Path, sensors: Path, data: Path) -> "tuple[OutputSettings, ...]":
    """Return the outputs that the lights daemon would use: those in the files, or else the last good outputs.

    Return an empty tuple if there are none, or if no configuration can be read. No file is written.
    """
    stored = data / "last-good"
    if not any(map(_may_have_outputs, (sensors, stored / "current" / "sensors.toml"))):
        return ()
    # imported only now, because these imports take longer than the rest of `status`, and few vessels need
    # them
    from .last_good import LastGood
    from .loader import ConfigurationError
    from .pair_check import check_pair

    found = check_pair(config, sensors, check_recordings=False)
    if found.examined is not None and not found.problems:
        return found.examined.outputs
    try:
        return LastGood(stored).load(ConfigurationError(found.problems), check_recordings=False).outputs
    except ConfigurationError:
        return ()


def _may_have_outputs(path: Path) -> bool:
    try:
        return _NAME in path.read_bytes()
    except OSError:
        return False
