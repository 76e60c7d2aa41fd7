"""Finds vessels of a fleet that have the same id, name or MMSI, which must differ within a fleet."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from provisioning.starter_files import VESSEL
from sensors.toml import toml_file
from sensors.toml.toml_file import ConfigurationError, FileProblem
from sync.fleet.identity_names import FLEET_CERTIFICATE

VESSELS: Final = "vessels"
"""Name of the folder within a fleet's folder that contains a folder for each vessel."""
_WORDS: Final = {"id": "id", "name": "name", "mmsi": "MMSI"}
"""Human-readable names of the keys of `[vessel]` whose values must be unique in the fleet."""
_REMEDY: Final = {
    "id": "Write the name of the vessel's folder as its id.",
    "name": "Change one of the names, so that users can distinguish the vessels.",
    "mmsi": "Correct the MMSI that is wrong.",
}


@dataclass(frozen=True, slots=True)
class Clash:
    """A value that another vessel of the fleet also has."""

    key: str
    """Key in the `[vessel]` section: `id`, `name` or `mmsi`."""
    value: str
    vessel: str
    """Name of the other vessel's folder."""
    file: Path
    """The other vessel's `vessel.toml`."""

    @property
    def text(self) -> str:
        """Description of the mistake, as a sentence without a full stop."""
        return f"{self.value} is also the {_WORDS[self.key]} of {self.vessel}, in {self.where}"

    @property
    def where(self) -> str:
        """Path of the other vessel's file within the fleet's folder."""
        return "/".join(self.file.parts[-3:])

    @property
    def remedy(self) -> str:
        """Instruction that corrects the mistake, in whole sentences."""
        return (
            f"{_REMEDY[self.key]} If {self.vessel} no longer exists, remove it with `logboat fleet remove`."
        )


def is_vessels_folder(folder: Path) -> bool:
    """Return True if this is the folder of a vessel in a fleet's folder."""
    fleet = folder.resolve().parent.parent
    return folder.resolve().parent.name == VESSELS and (fleet / FLEET_CERTIFICATE).is_file()


def described(folder: Path) -> Mapping[str, Any] | None:
    """Return the `[vessel]` section of a vessel in a fleet's folder; None if its file has syntax errors."""
    try:
        file = toml_file.read(folder / VESSEL, missing_ok=True)
    except ConfigurationError:
        return None
    section = file.data.get("vessel")
    return None if file.problems else section if isinstance(section, dict) else {}


def clashes(fleet: Path, vessel: str, about: Mapping[str, Any]) -> tuple[list[Clash], list[str]]:
    """Return those values of a vessel, given in `about`, that other vessels of the fleet also have.

    `vessel` is the name of its folder, which does not have to exist. Also returns the names of the vessels
    whose files could not be compared. Raises OSError.
    """
    found, unread = list[Clash](), list[str]()
    own = _identifying(vessel, about)
    for folder in sorted((fleet / VESSELS).iterdir()):
        if folder.name == vessel or folder.name.startswith(".") or not folder.is_dir():
            continue
        other = described(folder)
        if other is None:
            unread.append(folder.name)
            continue
        theirs = _identifying(folder.name, other)
        for key, value in own.items():
            if _same(value) == _same(theirs.get(key)):
                shown = str(value) if key == "mmsi" else f'"{value}"'
                found.append(Clash(key, shown, folder.name, folder / VESSEL))
    return found, unread


def problems(folder: Path) -> tuple[list[FileProblem], list[str]]:
    """Return a problem for each value of a vessel in a fleet's folder that another vessel also has.

    Also returns the names of the vessels whose files could not be compared. Raises OSError.
    """
    folder = folder.resolve()
    about = described(folder)
    if about is None:  # its own mistakes are reported instead
        return [], []
    file = toml_file.read(folder / VESSEL, missing_ok=True)
    found, unread = clashes(folder.parent.parent, folder.name, about)
    return [
        FileProblem(
            folder / VESSEL,
            file.line(("vessel", clash.key)),
            clash.key,
            clash.text,
            clash.remedy,
            table="[vessel]",
            refuses_only_new=True,
        )
        for clash in found
    ], unread


def _identifying(vessel: str, about: Mapping[str, Any]) -> dict[str, Any]:
    name = about.get("id") or vessel
    values = {"id": name, "name": about.get("name") or name, "mmsi": about.get("mmsi")}
    return {key: value for key, value in values.items() if isinstance(value, str | int)}


def _same(value: object) -> object:
    """Return a normalised value, which is equal for values that users could confuse."""
    return " ".join(value.split()).casefold() if isinstance(value, str) else value
