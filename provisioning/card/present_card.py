"""Reads the content of a card before a change: the vessel that it belongs to, and whether it has records.

The FAT partition contains a copy of the configuration in use, which the appliance updates at each boot. The
data partition contains the identity in use and the records. It can be read from a device or a file, but not
if only a mounted FAT partition is given. This module writes nothing.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioning.bundle.contents import IDENTITY, SENSORS, VESSEL
from provisioning.card import partitions
from provisioning.card.tools import run
from provisioning.card_folders import ON_FAT
from provisioning.errors import CardError
from sync.fleet.identity_names import VESSEL_CERTIFICATE

JOURNAL: Final = "/logboat/samples.db"
"""Path of the recorder's journal in the data partition."""
CERTIFICATE: Final = f"/etc/{IDENTITY}/{VESSEL_CERTIFICATE}"
"""Path of the certificate in use in the data partition."""


@dataclass(frozen=True, slots=True)
class PresentCard:
    """Content of a Logboat card."""

    shown: Mapping[str, bytes]
    """The vessel.toml and sensors.toml on the FAT partition, by name."""
    certificate: bytes | None
    """Certificate in use, in PEM: empty if there is none; None if the data partition cannot be read."""
    has_records: bool | None
    """True if the card contains a recorder's journal; None if the data partition cannot be read."""

    @property
    def vessel(self) -> str | None:
        """Id of the vessel in the card's vessel.toml; None if there is none."""
        try:
            about = tomllib.loads(self.shown[VESSEL].decode("utf-8-sig"))["vessel"]
            return str(about["id"])
        except (KeyError, TypeError, ValueError, RecursionError):
            return None


def read(target: Path) -> PresentCard | None:
    """Return the content of a card: a device, a file, or the folder where its FAT partition is mounted.

    Returns None if there is no Logboat card, or if it cannot be read.
    """
    if target.is_dir():
        place = target / ON_FAT
        files = {name: place / name for name in (VESSEL, SENSORS)}
        return PresentCard(
            {name: path.read_bytes() for name, path in files.items() if path.is_file()}, None, None
        )
    try:
        with target.open("rb") as file:
            fat, data = partitions.ours(partitions.at(file.fileno()), str(target))
        shown = {}
        for name in (VESSEL, SENSORS):
            content = run(
                ["mcopy", "-n", "-i", f"{target}@@{fat.start}", f"::{ON_FAT}/{name}", "-"], good=(0, 1)
            )
            if content:
                shown[name] = content
        place_of_data = f"{target}?offset={data.start}"
        journal = run(["debugfs", "-R", f"stat {JOURNAL}", place_of_data])
        certificate = run(["debugfs", "-R", f"cat {CERTIFICATE}", place_of_data])
    except (CardError, OSError):
        return None
    return PresentCard(shown, certificate, bool(journal.strip()))
