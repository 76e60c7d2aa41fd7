"""Which packages of Debian's a base has, and how they differ from those that it should have. Pure.

A lock has a line for each package: name, version, and the SHA-256 of its file as the archive's signed index
has it. A line may lack the digest, where it is not known: a base that is handed in as an image, say.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

DIGESTS = "usr/share/logboat/packages.sha256"
"""Where a base has the digests of its packages: `name:architecture version sha256` in each line."""
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package of Debian's."""

    name: str
    version: str
    architecture: str
    source: str
    """The source package, with its version if that is another."""
    sha256: str = ""
    """Of its file, as the archive's signed index has it; '' where that is not known."""


def installed(status: str, digests: str = "") -> tuple[Package, ...]:
    """From dpkg's `status` file, by name; `digests` as in `DIGESTS`."""
    known = {}
    for line in digests.splitlines():
        name, version, digest = line.split()
        known[name, version] = digest
    found = [
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
        for each in found
    )
    return tuple(sorted(complete, key=lambda each: (each.name, each.architecture)))


def text_of(packages: tuple[Package, ...]) -> str:
    """A lock file."""
    return "".join(f"{each.name} {each.version} {each.sha256}".rstrip() + "\n" for each in packages)


def differences(lock: str, packages: tuple[Package, ...]) -> tuple[str, ...]:
    """Return a line for each version that differs from the lock."""
    wanted = {name: version for name, version, _ in _entries(lock)}
    there = {each.name: each.version for each in packages}
    return tuple(
        f"{name}: locked {wanted.get(name, 'not at all')}, is {there.get(name, 'not there')}"
        for name in sorted(wanted.keys() | there.keys())
        if wanted.get(name) != there.get(name)
    )


def forged(lock: str, packages: Iterable[Package]) -> tuple[str, ...]:
    """Return a line for each package that has the locked version and another content.

    No archive gives out one version with two contents: somebody has changed one.
    """
    wanted = {(name, version): digest for name, version, digest in _entries(lock) if digest}
    return tuple(
        f"{each.name} {each.version}: locked with SHA-256 {digest}, is {each.sha256}"
        for each in packages
        if each.sha256 and (digest := wanted.get((each.name, each.version))) not in (None, each.sha256)
    )


def of_file(name: str, sha256: str) -> Package:
    """A package by its file's name in apt's cache: `tar_1.35_amd64.deb`, a version's colon as `%3a`."""
    package, version, architecture = name.removesuffix(".deb").split("_")
    return Package(package, version.replace("%3a", ":"), architecture, package, sha256)


def _entries(lock: str) -> Iterator[tuple[str, str, str]]:
    for line in lock.splitlines():
        name, _, rest = line.partition(" ")
        version, _, digest = rest.partition(" ")
        if name:
            yield name, version, digest if _SHA256.fullmatch(digest) else ""


def paragraphs(status: str) -> Iterator[Mapping[str, str]]:
    """The packages in a file of dpkg's or apt's: their fields of one line."""
    for block in status.split("\n\n"):
        fields: dict[str, str] = {}
        for line in block.splitlines():
            if line[:1] not in (" ", "\t") and ": " in line:
                key, value = line.split(": ", 1)
                fields[key] = value
        if "Package" in fields:
            yield fields
