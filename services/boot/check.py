"""Checks whether a folder's configuration files can be used with each other and with other files there."""

from pathlib import Path

from provisioning.ingest.active_config import CONFIG
from provisioning.ingest.ingest import SENSORS, FolderCheck
from services.config.pair_check import check_folder


def check(folder: Path) -> FolderCheck:
    """Check `logboat.toml` and `sensors.toml` in a folder; a missing file counts as empty.

    No exception is raised: every problem is reported in the result.
    """
    found = check_folder(folder, config=CONFIG, sensors=SENSORS)
    return FolderCheck(found.problems, found.vessel, found.warnings)
