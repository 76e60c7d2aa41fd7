"""Reads bundles of all versions. A bundle is a folder with all files for the card of one vessel.

    bundle.json           version, vessel, fleet, and the SHA-256 of each file that must not be edited
    vessel.toml           the vessel's configuration
    sensors.toml          the vessel's sensors; may be missing
    identity/             vessel.pem, vessel.key, fleet.pem, revocations.json; radio.key from version 2 on;
                          radio-key.json, if the radio's key ever changed
    NAME.password         a gateway's password, selected by password_file in vessel.toml; so are NAME.pem and
                          NAME.key
    NAME.csv              a recording for a sensor of kind replay

Version 1 has no bundle.json. It is an identity folder as `logboat fleet add` creates it, with or without a
vessel.toml beside it. Version 2 has a bundle.json. The case of names is ignored, as it is on FAT. Files that
editors and operating systems leave in the folder are ignored too. This module writes nothing.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from provisioning.errors import BundleError
from sync.fleet.identity_names import (
    FLEET_CERTIFICATE,
    RADIO_STATEMENT,
    REVOCATIONS,
    VESSEL_CERTIFICATE,
    VESSEL_KEY,
)

VERSION: Final = 2
MANIFEST: Final = "bundle.json"
VESSEL: Final = "vessel.toml"
SENSORS: Final = "sensors.toml"
IDENTITY: Final = "identity"
RADIO_KEY: Final = "radio.key"
IDENTITY_FILES: Final = (VESSEL_CERTIFICATE, VESSEL_KEY, FLEET_CERTIFICATE, REVOCATIONS)
"""Files that every identity must have."""
SECRETS: Final = (".password", ".key")
"""File name extensions of secrets, which are wiped once the appliance has applied them."""
RECORDING: Final = ".csv"
BESIDE: Final = (*SECRETS, ".pem", RECORDING)
"""File name extensions of the files that a configuration may refer to."""
MOST_BYTES: Final = 16_000_000
"""Maximum size of a recording, in bytes. A recording of a whole day is smaller."""
MOST_BYTES_OF_OTHERS: Final = 256_000
"""Maximum size of any other file, in bytes."""
MOST_TOGETHER: Final = 24_000_000
"""Maximum total size of all files in a folder, in bytes.

All of them are in memory at the same time, and a board may have only 512 MB of memory.
"""
MOST_ENTRIES: Final = 500
"""Maximum number of entries in a folder. A card with more is probably used for other purposes too."""
MOST_FILES: Final = 100
"""Maximum number of files that a configuration may refer to.

The appliance writes each of these files durably, which takes time.
"""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""Pattern of acceptable file names.

It excludes `.vessel.toml.swp`, `._vessel.toml`, `vessel.toml~` and `vessel (1).toml`.
"""


@dataclass(frozen=True, slots=True)
class BundleContents:
    """Folder of a bundle, with the bundle's files by name (such as `identity/vessel.pem`)."""

    folder: Path
    files: Mapping[str, bytes]

    @property
    def identity(self) -> dict[str, bytes]:
        """Files of the identity, by name without the folder; empty if there is no identity."""
        return {
            name.removeprefix(f"{IDENTITY}/"): content
            for name, content in self.files.items()
            if name.startswith(f"{IDENTITY}/")
        }

    @property
    def beside(self) -> dict[str, bytes]:
        """Files that a configuration may refer to, by name."""
        return {
            name: content
            for name, content in self.files.items()
            if "/" not in name and name.lower().endswith(BESIDE)
        }

    @property
    def secrets(self) -> list[Path]:
        """Paths of the secrets outside the identity, which are wiped once they have been applied."""
        names = [name for name in self.beside if name.lower().endswith(SECRETS)]
        return [self.folder / name for name in names]


def read(folder: Path) -> BundleContents:
    """Return the bundle files in a folder, or no files if the folder does not exist.

    Raises OSError, BundleError.
    """
    places: dict[str, Path] = {}
    for path in _entries(folder):
        lower = path.name.lower()
        if path.is_dir():
            if lower == IDENTITY:
                places |= {f"{IDENTITY}/{each.name.lower()}": each for each in _identity(path)}
        elif lower in (MANIFEST, VESSEL, SENSORS):
            places[lower] = path
        elif is_carried(path.name):
            places[path.name] = path
    _check_sizes(folder, places)
    return BundleContents(folder, {name: path.read_bytes() for name, path in places.items()})


def is_carried(name: str) -> bool:
    """Return True if a file to which a configuration refers can be put on a card under this name."""
    return name.lower().endswith(BESIDE) and _NAME.fullmatch(name) is not None


def identity_folder(folder: Path) -> Path:
    """Return the path of the identity folder, with its name spelt as it is on the card."""
    folders = (path for path in _entries(folder) if path.is_dir() and path.name.lower() == IDENTITY)
    return next(folders, folder / IDENTITY)


def others(folder: Path) -> list[Path]:
    """Return the subfolders that contain a bundle. Such a bundle was copied one level too deep."""
    return [
        path
        for path in _entries(folder)
        if path.is_dir()
        and path.name.lower() != IDENTITY
        and any(_is_bundle(each) for each in _first_entries(path))
    ]


def check(contents: BundleContents) -> None:
    """Raise BundleError if an identity or a secret is incomplete or damaged, or the version is unknown."""
    manifest_content = _manifest(contents)
    if manifest_content is not None:
        _check_digests(contents, manifest_content)
    identity = contents.identity
    missing = [name for name in IDENTITY_FILES if name not in identity]
    if identity and missing:
        text = (
            f"{contents.folder.name}/{IDENTITY}: {' and '.join(missing)} missing; write the bundle again"
            " with `logboat fleet card --bundle-only`"
        )
        raise BundleError(text)


def vessel(contents: BundleContents) -> str | None:
    """Return the vessel named in the manifest, or None if there is no manifest.

    Raises BundleError if the manifest is invalid.
    """
    content = _manifest(contents)
    return None if content is None else str(content.get("vessel"))


def manifest(*, vessel: str, fleet: str, made: str, files: Mapping[str, bytes]) -> bytes:
    """Return the content of bundle.json for these files; `made` is the creation time to record in it."""
    fixed = sorted(name for name in files if name not in (VESSEL, SENSORS, MANIFEST))
    body = {
        "version": VERSION,
        "vessel": vessel,
        "fleet": fleet,
        "made": made,
        "files": {name: hashlib.sha256(files[name]).hexdigest() for name in fixed},
    }
    return json.dumps(body, indent=2).encode() + b"\n"


def _manifest(contents: BundleContents) -> dict[str, Any] | None:
    raw = contents.files.get(MANIFEST)
    if raw is None:
        return None
    where = f"{contents.folder.name}/{MANIFEST}"
    again = "write the bundle again with `logboat fleet card --bundle-only`"
    try:
        body = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        text = f"{where}: not JSON; {again}"
        raise BundleError(text) from error
    if not isinstance(body, dict) or not isinstance(body.get("version"), int):
        text = f"{where}: version is missing; {again}"
        raise BundleError(text)
    if body["version"] != VERSION:
        text = (
            f"{where}: the bundle has version {body['version']}, but this image reads 1 and {VERSION};"
            " write a newer image to the card, or write the bundle with an older logboat"
        )
        raise BundleError(text)
    if not isinstance(body.get("files"), dict) or not isinstance(body.get("vessel"), str):
        text = f"{where}: vessel or files is missing; {again}"
        raise BundleError(text)
    return body


def _check_digests(contents: BundleContents, manifest_content: Mapping[str, Any]) -> None:
    """Raise BundleError if a file listed in the manifest is missing or differs.

    After a bundle has been applied, all listed files are wiped together. A bundle with none of the listed
    files is therefore accepted.
    """
    present = {name for name in manifest_content["files"] if name in contents.files}
    for name, digest in manifest_content["files"].items():
        if not present:
            return
        if name not in present:
            text = (
                f"{contents.folder.name}/{name}: the file is listed in bundle.json but missing; write the"
                " bundle again"
            )
            raise BundleError(text)
        if hashlib.sha256(contents.files[name]).hexdigest() != digest:
            text = (
                f"{contents.folder.name}/{name}: the file does not match its digest in bundle.json; write"
                " the bundle again"
            )
            raise BundleError(text)


def _entries(folder: Path) -> Iterable[Path]:
    entries = _first_entries(folder)
    if len(entries) > MOST_ENTRIES:
        text = (
            f"{folder.name}: the folder has more than {MOST_ENTRIES} files; move those that are not"
            " Logboat's to another folder"
        )
        raise BundleError(text)
    return entries


def _first_entries(folder: Path) -> list[Path]:
    """Return the entries of a folder, sorted, but at most one more than `MOST_ENTRIES`."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in islice(entries, MOST_ENTRIES + 1))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _identity(folder: Path) -> Iterable[Path]:
    known = (*IDENTITY_FILES, RADIO_KEY, RADIO_STATEMENT)
    return [path for path in _entries(folder) if path.name.lower() in known and path.is_file()]


def _is_bundle(path: Path) -> bool:
    return path.name.lower() in (MANIFEST, IDENTITY)


def _check_sizes(folder: Path, places: Mapping[str, Path]) -> None:
    """Raise BundleError if the files are too large. This must be called before any file is read."""
    together = 0
    for path in places.values():
        size = path.stat().st_size
        most = MOST_BYTES if path.name.lower().endswith(RECORDING) else MOST_BYTES_OF_OTHERS
        if size > most:
            kilobytes = most // 1000
            text = f"{path.name}: the file is larger than {kilobytes} kB; check that it is the right file"
            raise BundleError(text)
        together += size
    if together > MOST_TOGETHER:
        text = (
            f"{folder.name}: the files are larger than {MOST_TOGETHER // 1_000_000} MB in total; remove"
            " recordings that no sensor needs, or shorten them"
        )
        raise BundleError(text)
    if len(places) > MOST_FILES:
        text = (
            f"{folder.name}: the folder has {len(places)} passwords, certificates, keys and recordings,"
            f" more than {MOST_FILES}; remove those that the configuration does not use"
        )
        raise BundleError(text)
