"""Checks a vessel's files together with other files in their folder: identity, bundle, and the fleet's files.

The rules depend on the folder: a vessel's folder in a fleet's folder, the `logboat/` folder of a card, or any
other folder. The checks use the same functions as writing a card and booting an appliance.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from provisioning import files, fleet_duplicates
from provisioning.bundle import contents, identity
from provisioning.bundle.contents import IDENTITY, MANIFEST, VESSEL, is_carried
from provisioning.card_folders import ON_FAT
from provisioning.errors import BundleError
from provisioning.ingest.near_misses import near_misses
from sensors.toml.toml_file import FileProblem, is_empty, unforeseen
from sync.fleet.identity_names import VESSEL_CERTIFICATE

from .pair_check import PairCheck, names_of_files

_ON_FIRST_PARTITION: Final = ("autoboot.txt", "config.txt", "cmdline.txt")


def with_surroundings(
    found: PairCheck, config: Path, sensors: Path, *, now: datetime, new_identity: bool = False
) -> PairCheck:
    """Return the result of checking two files in one folder, including problems with other files there.

    `config` and `sensors` are the paths of the files, one of which may be missing. `new_identity` is True if
    the identity will be replaced. In that case, the current identity is not checked. No exception is raised.
    """
    folder = config.parent
    problems, unchecked = list[FileProblem](), list[str]()
    try:
        in_fleet = fleet_duplicates.is_vessels_folder(folder)
        for_card = in_fleet or _is_on_card(folder)
        if for_card:
            problems += _not_carried(found, config, sensors)
            problems += _bundle(folder, new_identity=new_identity)
        if in_fleet:
            problems += _in_fleet(config, unchecked)
        elif for_card:
            problems += near_misses(folder)
        has_certificate = (folder / IDENTITY / VESSEL_CERTIFICATE).is_file()
        if not new_identity and (in_fleet or (for_card and has_certificate)):
            problems += _identity(folder, now, in_fleet=in_fleet)
        if has_certificate:
            problems += _id(found, config, in_fleet=in_fleet)
        elif config.is_file():
            unchecked.append(
                f"{config.name}: whether the id matches the vessel's certificate, because this folder"
                " contains none (only vessels of a fleet have one)"
            )
    except PermissionError:
        unchecked.append(f"{config.name}: whether the id matches the certificate, which only root can read")
    except OSError as error:
        words = f"cannot be read: {error.strerror or error}"
        problems.append(FileProblem(Path(str(error.filename or folder)), None, "", words, "Check the card."))
    except Exception as error:  # noqa: BLE001  # any error that the files cause is reported
        problems.append(FileProblem(folder, None, "", *unforeseen(error)))
    if config.is_file() and not sensors.is_file():
        unchecked.append(
            f"{config.name}: whether sensors use the pins of lights, because this folder contains no"
            f" {sensors.name}"
        )
    return replace(found, warnings=(*found.warnings, *problems), not_checked=(*found.not_checked, *unchecked))


def is_for_card(folder: Path) -> bool:
    """Return True if a folder is on a card, or in a fleet's folder, from which cards are written."""
    return fleet_duplicates.is_vessels_folder(folder) or _is_on_card(folder)


def _is_on_card(folder: Path) -> bool:
    if (folder / MANIFEST).is_file():
        return True
    place = folder.resolve()
    return place.name.lower() == ON_FAT and any(
        (place.parent / name).is_file() for name in _ON_FIRST_PARTITION
    )


def _not_carried(found: PairCheck, config: Path, sensors: Path) -> Iterator[FileProblem]:
    """Yield a problem for each file to which a configuration refers but which a card would not contain."""
    others = () if found.configuration is None else names_of_files(found.configuration)
    recordings = {
        str(file.relative_to(sensors.parent))
        for sensor in (() if found.examined is None else found.examined.sensors)
        for file in sensor.options.files
    }
    for file, names in ((config, others), (sensors, sorted(recordings))):
        for name in names:
            if (file.parent / name).is_file() and not is_carried(name):
                yield FileProblem(
                    file,
                    None,
                    "",
                    f'"{name}" would not be copied to a card',
                    "Put the file in the same folder; its name must consist of letters, digits and -._, and"
                    f" end with {' or '.join(contents.BESIDE)}.",
                    refuses_only_new=True,
                )


def _bundle(folder: Path, *, new_identity: bool) -> Iterator[FileProblem]:
    try:
        bundle = contents.read(folder)
        if not new_identity:
            contents.check(bundle)
    except BundleError as error:
        yield bundle_problem(folder, error)


def bundle_problem(folder: Path, error: BundleError) -> FileProblem:
    """Convert an error in a bundle to a problem that names the bundle's folder."""
    what, _, remedy = str(error).partition("; ")
    return FileProblem(folder, None, "", what, f"{remedy[:1].upper()}{remedy[1:]}." if remedy else "")


def _in_fleet(config: Path, unchecked: list[str]) -> Iterator[FileProblem]:
    folder = config.parent
    if not config.is_file():
        yield FileProblem(
            config,
            None,
            "",
            "the file does not exist",
            "Restore it from a backup, or create it with the lines [vessel] and"
            f' id = "{folder.resolve().name}".',
        )
    found, unread = fleet_duplicates.problems(folder)
    yield from (replace(problem, file=config) for problem in found)
    if unread:
        unchecked.append(
            f"{config.name}: whether {' and '.join(unread)} has the same id, name or MMSI, because its"
            f" {VESSEL} contains mistakes"
        )


def _identity(folder: Path, now: datetime, *, in_fleet: bool) -> Iterator[FileProblem]:
    place = folder / IDENTITY
    with TemporaryDirectory(prefix="logboat-") as private:
        offered = place
        if not in_fleet:  # FAT has no permissions, so the key would count as readable by others
            offered = Path(private)
            for name, content in contents.read(folder).identity.items():
                files.write(offered / name, content, mode=files.SECRET)
        for text, remedy in identity.objections(offered, present=None, now=now):
            yield FileProblem(place, None, "", text, remedy)


def _id(found: PairCheck, config: Path, *, in_fleet: bool) -> Iterator[FileProblem]:
    folder = config.parent
    whose = identity.vessel_of((folder / IDENTITY / VESSEL_CERTIFICATE).read_bytes())
    if whose is None:  # the certificate is damaged, which another check reports
        return
    if in_fleet and whose != folder.resolve().name:
        yield FileProblem(
            folder / IDENTITY,
            None,
            "",
            f'the certificate is for "{whose}", but the folder is named "{folder.resolve().name}"',
            f"Rename the folder back to {whose}; to add a vessel, run `logboat fleet add`.",
        )
    if found.configuration is None or not config.is_file() or is_empty(config.read_bytes()):
        return
    objection = identity.id_objection(found.vessel, whose)
    if objection is not None:
        yield FileProblem(config, None, "id", *objection, table="[vessel]", refuses_only_new=True)
