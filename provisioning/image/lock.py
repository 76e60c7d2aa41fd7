"""Which versions of Debian's packages a base has, and how that differs from what it should have. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package of Debian's."""

    name: str
    version: str
    architecture: str
    source: str
    """The source package, with its version if that is another."""


def installed(status: str) -> tuple[Package, ...]:
    """From dpkg's `status` file, by name."""
    found = [
        Package(
            fields["Package"],
            fields["Version"],
            fields["Architecture"],
            fields.get("Source", fields["Package"]),
        )
        for fields in _paragraphs(status)
        if fields.get("Status", "").endswith(" installed")
    ]
    return tuple(sorted(found, key=lambda each: (each.name, each.architecture)))


def text_of(packages: tuple[Package, ...]) -> str:
    """A lock file."""
    return "".join(f"{each.name} {each.version}\n" for each in packages)


def differences(lock: str, packages: tuple[Package, ...]) -> tuple[str, ...]:
    """What is not as the lock says, a line each."""
    wanted = dict(line.split(" ", 1) for line in lock.splitlines() if line)
    there = {each.name: each.version for each in packages}
    return tuple(
        f"{name}: locked {wanted.get(name, 'not at all')}, is {there.get(name, 'not there')}"
        for name in sorted(wanted.keys() | there.keys())
        if wanted.get(name) != there.get(name)
    )


def _paragraphs(status: str) -> Iterator[Mapping[str, str]]:
    for block in status.split("\n\n"):
        fields: dict[str, str] = {}
        for line in block.splitlines():
            if line[:1] not in (" ", "\t") and ": " in line:
                key, value = line.split(": ", 1)
                fields[key] = value
        if "Package" in fields:
            yield fields
