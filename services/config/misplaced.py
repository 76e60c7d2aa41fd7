"""Finds the section to which a key belongs if the key is written in the wrong section.

A key below the wrong header is a frequent mistake: in TOML, every line belongs to the last header above it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sensors.toml.declarations import declarations
from sensors.toml.schema import Advice, Table
from sensors.units import close

from .model import Configuration, UserSection

_CLEARLY_SIMILAR: Final = 0.68
"""Minimum similarity at which a key counts as a misspelling of a key in its own section.

Whether another section has a key of that name then does not matter. The similarity of `password_hash` and
`password_file` is above this minimum, and that of `ssid` and `id` is below it.
"""
_SPECIAL: Final[Mapping[type, Mapping[str, Advice]]] = {
    UserSection: {
        "password": (
            "passwords must not be stored in clear text",
            "Write password_hash instead, with the output of `logboat fleet password`.",
        ),
    },
}
"""Advice about misplaced keys for which naming the right section is not enough, by section and key."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A section to which a key belongs."""

    header: str
    """Header of the section, such as `[network]` or `[[network.wifi]]`."""
    section: str
    """First name in the section's header."""
    inner: str
    """Second name in the section's header; empty if there is none."""
    own_header: str
    """Header of the key itself if its value is a table, such as `[network.ethernet]`; otherwise empty."""

    def exists_in(self, table: Table) -> bool:
        """Return True if the file that contains `table` already contains this section."""
        section = table.whole_file.get(self.section)
        return table.has_header(self.header) or (bool(self.inner) and self._has_inner(section))

    def _has_inner(self, section: object) -> bool:
        return isinstance(section, dict) and self.inner in section

    def remedy(self, table: Table, key: str) -> str:
        """Return the instruction to move a key of `table` to this section."""
        if self.own_header and table.row(key).lstrip().startswith("["):
            below = f", below its {self.header}" if self.header.startswith("[[") else ""
            return f"Write the header as {self.own_header}{below}."
        if table.has_header(self.header):
            return f"Move this line directly below the line {self.header}."
        if self.exists_in(table):
            braces = f"{{ {key} = …, … }}"
            example = f"[{braces}]" if self.header.startswith("[[") else braces
            return f"Move it into the braces of {self.inner}: {self.inner} = {example}"
        return f"Move this line below {self.header}. If there is no such line, add it at the end of the file."


def advice(table: Table, cls: type) -> Mapping[str, Advice]:
    """Return advice about the keys in a table of section `cls` that belong only to other sections.

    A key that is very similar to a known key of the section was probably misspelt, so no advice is given.
    """
    unknown = [key for key in table.data if not _is_own(table, key, cls)]
    places = _places() if unknown else {}
    found = {key: _advice(table, key, places[key]) for key in unknown if key in places}
    return {**found, **_SPECIAL.get(cls, {})}


def _is_own(table: Table, key: str, cls: type) -> bool:
    """Return True if a key is known in its section, or is a misspelling of such a key."""
    own = declarations(cls)
    if cls is Configuration and not isinstance(table.data[key], dict | list):
        return key in own  # a single value is not a misspelt header
    return key in own or bool(close(key, own, cutoff=_CLEARLY_SIMILAR))


def _advice(table: Table, key: str, places: list[_Place]) -> Advice:
    place = next((place for place in places if place.exists_in(table)), places[0])
    headers = " or ".join(place.header for place in places)
    return f"this key belongs in {headers}", place.remedy(table, key)


def _places() -> Mapping[str, list[_Place]]:
    """Return the sections to which each key belongs, by key. For each key, nested sections come last."""
    places: dict[str, list[_Place]] = {}
    for key, place in sorted(_each_place(), key=lambda each: bool(each[1].inner)):
        places.setdefault(key, []).append(place)
    return places


def _each_place() -> Iterator[tuple[str, _Place]]:
    for name, (_field, declaration, _default) in declarations(Configuration).items():
        assert declaration.section is not None
        header = _header(name, is_list=declaration.is_list)
        for key, (_field, below, _default) in declarations(declaration.section).items():
            if below.section is None or below.is_included:
                yield key, _Place(header, name, "", "")
                continue
            inner_header = _header(f"{name}.{key}", is_list=below.is_list)
            yield key, _Place(header, name, "", inner_header)
            for inner_key in declarations(below.section):
                yield inner_key, _Place(inner_header, name, key, "")


def _header(name: str, *, is_list: bool) -> str:
    return f"[[{name}]]" if is_list else f"[{name}]"
