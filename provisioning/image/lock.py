"""Reads the Debian packages in a base, and compares them with the locked packages.

A lock has one line for each package: name, version, and the SHA-256 of the package's file according to the
archive's signed index. A line has no digest if the digest is not known, for example because the base is an
official image.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

DIGESTS = "usr/share/logboat/packages.sha256"
"""File in a base with its packages' digests, in lines of the form `name:architecture version sha256`."""
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Package:
    """An installed Debian package."""

    name: str
    version: str
    architecture: str
    source: str
    """Name of the source package, and its version if that differs from the binary package's version."""
    sha256: str = ""
    """SHA-256 of the package's file in the archive's signed index; empty if it is not known."""


def installed(status: str, digests: str = "") -> tuple[Package, ...]:
    """Return the packages installed according to dpkg's file `status`.

    `digests` has the form of `DIGESTS`.
    """
    known = {}
    for line in digests.splitlines():
        name, version, digest = line.split()
        known[name, version] = digest
    packages = [
        Package(
            fields["Package"],
            fields["Version"],
            fields["Architecture"],
            fields.get("Source", fields["Package"]),
        )
        for fields in paragraphs(status)
        if fields.get("Status", "").endswith(" installed")
    ]
    complete = (
        replace(each, sha256=known.get((f"{each.name}:{each.architecture}", each.version), ""))
        for each in packages
    )
    return tuple(sorted(complete, key=lambda each: (each.name, each.architecture)))


def text_of(packages: tuple[Package, ...]) -> str:
    """Return the text of a lock file for these packages."""
    return "".join(f"{each.name} {each.version} {each.sha256}".rstrip() + "\n" for each in packages)


def differences(lock: str, packages: tuple[Package, ...]) -> tuple[str, ...]:
    """Return a line for each package whose version differs from the lock."""
    wanted = {name: version for name, version, _ in _entries(lock)}
    there = {each.name: each.version for each in packages}
    return tuple(
        f"{name}: locked {wanted.get(name, 'no version')}, found {there.get(name, 'no version')}"
        for name in sorted(wanted.keys() | there.keys())
        if wanted.get(name) != there.get(name)
    )


def forged(lock: str, packages: Iterable[Package]) -> tuple[str, ...]:
    """Return a line for each package that has the locked version but different content.

    An archive never distributes one version with two contents, so one of the two must have been altered.
    """
    wanted = {(name, version): digest for name, version, digest in _entries(lock) if digest}
    return tuple(
        f"{each.name} {each.version}: locked SHA-256 {digest}, found {each.sha256}"
        for each in packages
        if each.sha256 and (digest := wanted.get((each.name, each.version))) not in (None, each.sha256)
    )


def of_file(name: str, sha256: str) -> Package:
    """Return the package in a file of apt's cache, according to the file's name (`tar_1.35_amd64.deb`).

    A colon in a version is written as `%3a` in the name.
    """
    package, version, architecture = name.removesuffix(".deb").split("_")
    return Package(package, version.replace("%3a", ":"), architecture, package, sha256)


def _entries(lock: str) -> Iterator[tuple[str, str, str]]:
    for line in lock.splitlines():
        name, _, rest = line.partition(" ")
        version, _, digest = rest.partition(" ")
        if name:
            yield name, version, digest if _SHA256.fullmatch(digest) else ""


def paragraphs(status: str) -> Iterator[Mapping[str, str]]:
    """Yield the single-line fields of each package in a file of dpkg's or apt's format."""
    for block in status.split("\n\n"):
        fields: dict[str, str] = {}
        for line in block.splitlines():
            if line[:1] not in (" ", "\t") and ": " in line:
                key, value = line.split(": ", 1)
                fields[key] = value
        if "Package" in fields:
            yield fields
