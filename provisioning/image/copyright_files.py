"""Licences of Debian packages, read from the files `/usr/share/doc/PACKAGE/copyright` of a root.

Most of these files have Debian's machine-readable format (DEP-5). They describe a whole source package, so
they can name licences of files that are not in the image. For a package whose file is damaged or has another
format, the result refers to the file instead. No content of these files makes a build fail.

The parser is our own, because it needs only three fields: `python-debian` is under the GPL, which would then
apply to the image builder too, and `debian-inspector` would add 2,700 lines and two further packages.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioning.image import licenses
from provisioning.image.licenses import License

_FORMAT: Final = re.compile(r"https?://www\.debian\.org/doc/packaging-manuals/copyright-format/1\.0/?")
_FIELD: Final = re.compile(r"([^\s:#-][^\s:]*):(.*)")
"""Name and value of a field: Debian Policy, section 5.1."""
_OR: Final = re.compile(" or ", re.IGNORECASE)
_LICENSE: Final = re.compile(r"\S+|\S+ with .+|.+ or .+", re.IGNORECASE)
_COMMA_AND: Final = re.compile(", ?and ", re.IGNORECASE)
_AND: Final = re.compile(" ?, ?| and ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StatedLicenses:
    """Licences that a package states."""

    licenses: tuple[License, ...]
    problem: str = ""
    """Reason why licences may be missing, and the name of the file concerned; empty if there is none."""


def read(root: Path, names: Iterable[str]) -> Mapping[str, StatedLicenses]:
    """Return the licences of the packages that are installed in a root, by name; never raises OSError."""
    return {name: _of_package(root.resolve(), name) for name in names}


def parse(content: bytes, file: str) -> StatedLicenses:
    """Return the licences in the content of a copyright file, whose path in the image is `file`."""
    try:
        text, problem = content.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        text, problem = content.decode("utf-8-sig", errors="replace"), f"{file} is not UTF-8"
    reference = licenses.named(f"see {file}")
    header, *others = list(_stanzas(text)) or [{}]
    if not _FORMAT.fullmatch(header.get("format", "")):
        return StatedLicenses((reference,))
    synopses = [each.get("license", "") for each in others if "files" in each]
    if not synopses:
        synopses = [header.get("license", "")]
        problem = problem or f"{file} lists no files"
    elif not all(synopses):
        problem = problem or f"{file} names no licence for some of its files"
    found = (
        licenses.of_debian(name) if name else reference
        for synopsis in synopses
        for name in conjuncts(synopsis)
    )
    return StatedLicenses(tuple(dict.fromkeys(found)), problem)


def conjuncts(synopsis: str) -> tuple[str, ...]:
    """Return the parts of a licence expression that are joined by "and", all of which apply.

    A part can be a choice such as "GPL-2+ or Artistic".

    "And" binds more tightly than "or", unless a comma precedes it. A text that is not such an expression is
    returned unchanged.
    """
    synopsis = " ".join(synopsis.split())
    parts: list[str] = []
    for part in _COMMA_AND.split(synopsis):
        if not _OR.search(part):
            parts += _AND.split(part)
        elif "," not in part:
            parts.append(part)
        else:
            return (synopsis,)
    return tuple(parts) if all(map(_LICENSE.fullmatch, parts)) else (synopsis,)


def _of_package(root: Path, name: str) -> StatedLicenses:
    file = f"/usr/share/doc/{name}/copyright"
    reference = (licenses.named(f"see {file}"),)
    try:
        # The documentation folder of a package is often a link to that of another package.
        path = Path(f"{root}{file}").resolve(strict=True)
        if not path.is_relative_to(root):
            return StatedLicenses(reference, f"{file} is a link to a path outside of the image")
        if not path.is_file():
            return StatedLicenses(reference, f"{file} is not a regular file")
        return parse(path.read_bytes(), file)
    except (OSError, ValueError, RuntimeError) as error:
        text = error.strerror if isinstance(error, OSError) else str(error)
        return StatedLicenses(reference, f"{file} cannot be read: {text}")


def _stanzas(text: str) -> Iterator[Mapping[str, str]]:
    """Yield a mapping for each stanza of a control file: lower-case field name to the field's first line."""
    stanza: dict[str, str] = {}
    for line in (*text.split("\n"), ""):
        if not line.strip():
            if stanza:
                yield stanza
            stanza = {}
        elif field := _FIELD.fullmatch(line):
            stanza.setdefault(field[1].lower(), field[2].strip())
