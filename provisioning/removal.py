"""Removes a vessel from a fleet's folder: its certificates are revoked, and its files are kept.

The identity may have been copied to an appliance by hand, or to a backup. So the vessel's certificates are
revoked before its folder is moved to `removed/`. If the command is interrupted, running it again completes
the removal.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sync.folders import OWN, make_folder

from . import files
from .authority import Authority
from .errors import FolderError
from .folder import FleetFolder

REMOVED: Final = "removed"
"""Name of the folder, in a fleet's folder, with the files of vessels that were removed."""
REASON: Final = "removed from the fleet"


@dataclass(frozen=True, slots=True)
class Removal:
    """Result of removing a vessel."""

    revoked: tuple[str, ...]
    """Serial numbers of the certificates that were revoked."""
    place: Path
    """Folder to which the vessel's files were moved."""


def is_revoked(folder: FleetFolder, vessel: str) -> bool:
    """Return True if all certificates of a vessel are revoked; raises UnknownVesselError, FolderError."""
    return all(issued.revoked is not None for issued in folder.vessel(vessel).issued)


def check_removable(folder: FleetFolder, vessel: str) -> None:
    """Raise FolderError if the vessel has a card whose certificate is valid, so that it may be in service.

    Also raises UnknownVesselError.
    """
    if is_revoked(folder, vessel):
        return
    card, unfinished = folder.carded(vessel), folder.unwritten(vessel)
    if card is not None:
        what = f"{vessel} has a card, written on {card.when:%Y-%m-%d} ({card.where})"
    elif unfinished is not None:
        what = f"a certificate was issued for a card of {vessel}, which may have been written"
    else:
        return
    text = (
        f"{what}; to exclude {vessel} from the fleet, first revoke its certificates: logboat fleet revoke"
        f" {folder.path} {vessel}"
    )
    raise FolderError(text)


def remove(folder: FleetFolder, authority: Authority | None, vessel: str, *, now: datetime) -> Removal:
    """Revoke the vessel's certificates, and move its files out of the fleet.

    `authority` can be None if `is_revoked`. Raises UnknownVesselError, FolderError.
    """
    check_removable(folder, vessel)
    revoked: tuple[str, ...] = ()
    if not is_revoked(folder, vessel) and authority is not None:
        added = folder.revoke(authority, vessel, now=now, reason=REASON)
        revoked = tuple(each.serial for each in added)
    with folder.alone():
        place = _free(folder.path / REMOVED, f"{vessel}-{now:%Y-%m-%d}")
        make_folder(place.parent, OWN)
        files.rename(folder.place(vessel), place)
        files.sync_folder(folder.path)
    return Removal(revoked, place)


def _free(folder: Path, name: str) -> Path:
    """Return the path of a new folder with this name, to which a number is added if the name is in use."""
    place, number = folder / name, 1
    while place.exists():
        number += 1
        place = folder / f"{name}-{number}"
    return place
