"""Finds new files in the inbox and on the card's FAT partition, compared with the files in use.

The inbox is a folder on the data partition, which is filled when the card is written. Anyone can edit the
folder on the FAT partition. A file there is offered only if it differs from the file that was last applied
from that folder or written to it. Otherwise an old copy could undo a later change made in another way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from provisioning.bundle import contents, identity
from provisioning.bundle.contents import MANIFEST, SENSORS, VESSEL, BundleContents
from provisioning.errors import BundleError
from sync.fleet.identity_names import VESSEL_CERTIFICATE

from .active_config import CONFIG, StartRecord, digest

IN_FORCE: Final[Mapping[str, str]] = {VESSEL: CONFIG, SENSORS: SENSORS}
"""Name of each file in use, by its name on the card."""


@dataclass(slots=True)
class OfferedFiles:
    """All offered files, by the names that they will have once applied."""

    configuration: dict[str, bytes] = field(default_factory=dict)
    identity: dict[str, bytes] = field(default_factory=dict)
    origins: dict[str, Path] = field(default_factory=dict)
    """Paths of the files, for messages; the path of the identity is under the name of its folder."""
    shown: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the files on the card, by their names there."""
    secrets: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the files to wipe, by path."""


def collect(card: Path | None, inbox: Path | None, *, memory: StartRecord) -> OfferedFiles:
    """Return the files that the card and the inbox offer.

    Raises OSError, and BundleError if a bundle is incomplete or if the two bundles are for different vessels.
    """
    offer, sources = OfferedFiles(), []
    for folder in (inbox, card):
        if folder is None:
            continue
        _check_single(folder)
        source = contents.read(folder)
        contents.check(source)
        sources.append(source)
        _add(offer, source, memory if folder == card else None)
    whose = {
        identity.vessel_of(source.files[f"{contents.IDENTITY}/{VESSEL_CERTIFICATE}"]) or "nobody": source
        for source in sources
        if source.identity
    }
    if len(whose) > 1:  # of two bundles for one vessel, the card's is the later one
        where = " and ".join(f"of {vessel} in {source.folder}" for vessel, source in whose.items())
        text = (
            f"there are bundles of two different vessels, {where}; remove the one on the FAT partition, or"
            " write a new card"
        )
        raise BundleError(text)
    return offer


def _check_single(folder: Path) -> None:
    deeper = contents.others(folder)
    if deeper:
        names = " and ".join(f"{folder.name}/{path.name}" for path in deeper)
        text = (
            f"{names}: the bundle is in a subfolder; move its files up to {folder.name}/, and remove the"
            " subfolder"
        )
        raise BundleError(text)


def _add(offer: OfferedFiles, source: BundleContents, memory: StartRecord | None) -> None:
    """Add a folder's files to the offer.

    `memory` is the record of earlier starts for a folder that keeps its files. It is None for a folder that
    is emptied afterwards.
    """
    for name, in_force in IN_FORCE.items():
        content = source.files.get(name)
        if content is None:
            continue
        if memory is not None:
            offer.shown[name] = digest(content)
            if memory.shown.get(name) == digest(content):
                continue
        offer.configuration[in_force] = content
        offer.origins[in_force] = source.folder / name
    for name, content in source.beside.items():
        offer.configuration[name] = content
        offer.origins[name] = source.folder / name
    if source.identity:
        offer.identity = source.identity
        place = contents.identity_folder(source.folder)
        offer.origins[contents.IDENTITY] = place
        _goes(
            offer,
            {
                path: source.files[f"{contents.IDENTITY}/{path.name.lower()}"]
                for path in place.iterdir()
                if f"{contents.IDENTITY}/{path.name.lower()}" in source.files
            },
        )
    _goes(offer, {path: source.files[path.name] for path in source.secrets})
    if memory is None:
        _goes(
            offer,
            {source.folder / name: content for name, content in source.files.items() if "/" not in name},
        )
    elif MANIFEST in source.files:
        _goes(offer, {source.folder / MANIFEST: source.files[MANIFEST]})


def _goes(offer: OfferedFiles, contents: Mapping[Path, bytes]) -> None:
    offer.secrets |= {str(path): digest(content) for path, content in contents.items()}
