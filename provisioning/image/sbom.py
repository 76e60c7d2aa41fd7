"""Descriptions of an image's contents: CycloneDX bill of materials, manifest, Raspberry Pi Imager entry.

Only `distributions` reads files: the metadata of the Python packages.

The bill of materials is a plain dictionary, which this module creates in about 60 lines. The library
`cyclonedx-python-lib` would not shorten this code, because the same fields would still have to be set. It
(version 11.12.0: 14,500 lines) would also add seven packages to the build.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, Final

from provisioning.image.licenses import License, of_python
from provisioning.image.lock import Package

_NAMES: Final = uuid.UUID("7a8f0e7c-2c6b-5a0e-9d3b-6c6f67626f61")


@dataclass(frozen=True, slots=True)
class Distribution:
    """A Python package that is installed in the image."""

    name: str
    version: str
    licenses: tuple[License, ...]


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """URL, sizes and digests of an image, for Raspberry Pi Imager's list of images."""

    url: str
    size: int
    sha256: str
    download_size: int
    download_sha256: str


def distributions(site: Path) -> tuple[Distribution, ...]:
    """Return the distributions in a site-packages folder, sorted by name."""
    installed = []
    for path in site.glob("*.dist-info/METADATA"):
        head = HeaderParser().parsestr(path.read_text())
        licenses = of_python(
            head.get("License-Expression"), head.get("License"), head.get_all("Classifier", [])
        )
        installed.append(Distribution(head["Name"], head["Version"], licenses))
    return tuple(sorted(installed, key=lambda each: each.name.lower()))


def cyclonedx(
    about: Mapping[str, Any],
    packages: Iterable[Package],
    python: Iterable[Distribution],
    licenses: Mapping[str, Sequence[License]],
    *,
    epoch: int,
) -> Mapping[str, Any]:
    """Return a CycloneDX 1.6 document that lists the Debian and Python packages.

    `licenses` contains the licences of each Debian package, by the name of the package.
    """
    name = str(about["name"])
    components = [
        _component(
            each.name,
            each.version,
            f"pkg:deb/debian/{each.name}@{_quoted(each.version)}?arch={each.architecture}&distro=debian-13",
            licenses[each.name],
            {"debian:source": each.source},
        )
        for each in packages
    ] + [
        _component(
            each.name,
            each.version,
            f"pkg:pypi/{each.name.lower().replace('_', '-')}@{_quoted(each.version)}",
            each.licenses,
            {},
        )
        for each in python
    ]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": _serial(name, str(about["commit"]), epoch),
        "version": 1,
        "metadata": {
            "timestamp": iso(epoch),
            "component": {
                "type": "operating-system",
                "bom-ref": name,
                "name": name,
                "version": about["version"],
            },
        },
        "components": components,
    }


def imager(
    entry: Mapping[str, Any], about: Mapping[str, Any], image: BuiltFile, *, epoch: int
) -> Mapping[str, Any]:
    """Return the list of images that Raspberry Pi Imager reads with its `--repo` option."""
    return {
        "os_list": [
            {
                "name": f"{entry['name']} {about['version']}",
                "description": entry["description"],
                "url": image.url,
                "extract_size": image.size,
                "extract_sha256": image.sha256,
                "image_download_size": image.download_size,
                "image_download_sha256": image.download_sha256,
                "release_date": iso(epoch)[:10],
                "devices": entry["devices"],
                "init_format": entry["init_format"],
                "architecture": "armv8",
            }
        ]
    }


def packages_of(packages: Sequence[Package], python: Sequence[Distribution]) -> Mapping[str, Any]:
    """Return the part of the manifest that lists the packages."""
    return {
        "debian": {each.name: each.version for each in packages},
        "python": {each.name: each.version for each in python},
    }


def iso(epoch: int) -> str:
    """Return a time in UTC in ISO 8601 format."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _component(
    name: str, version: str, purl: str, licenses: Sequence[License], properties: Mapping[str, str]
) -> Mapping[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }
    if licenses:
        component["licenses"] = [
            {"expression": each.text} if each.form == "expression" else {"license": {each.form: each.text}}
            for each in licenses
        ]
    if properties:
        component["properties"] = [{"name": key, "value": value} for key, value in properties.items()]
    return component


def _quoted(version: str) -> str:
    return version.replace("+", "%2B").replace(":", "%3A").replace("~", "%7E")


def _serial(name: str, commit: str, epoch: int) -> str:
    return f"urn:uuid:{uuid.uuid5(_NAMES, f'{name} {commit} {epoch}')}"
