"""Generates docs/paths.md, the list of the Signal K paths that Logboat knows.

Run `python -m tests.docs.paths` to update the page.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from sensors.signalk_paths import TABLE, unit_words

from .pages import DOCS

PAGE: Final = DOCS / "paths.md"
NOTE: Final = (
    "<!-- Made from the table of paths by `python -m tests.docs.paths`; edit `sensors/signalk_paths.py`. -->"
)
_WORDS: Final = """\
A sensor's `path` key says what is measured, and where. The names are those of [Signal
K](https://signalk.org), so that other programs on board understand them. For some contacts and
counters, which Signal K does not define, Logboat has paths of its own.

Replace `*` with a name that you choose, such as `main`, `port` or `house`: the coolant temperature of
the port engine is `propulsion.port.coolantTemperature`. A name consists of letters, digits and hyphens.

You can use another path, if you also set the key `unit`: `path = "propulsion.main.sump.level"` with
`unit = "m"`. For a contact, set `unit = "bool"`.

The tables show the SI unit in which values are recorded. In the files, you write the [units](units.md)
that people use, such as °C and bar."""
_TITLES: Final = {
    "propulsion": "Engines",
    "electrical": "Batteries and electricity",
    "tanks": "Tanks",
    "environment": "Air, water and wind",
    "navigation": "Navigation",
    "steering": "Steering",
    "bilge": "Bilge",
    "security": "Doors, hatches and detectors",
    "notifications": "Other warnings",
}
"""Heading of each section of the page, in order, by the first component of the section's paths."""


def page() -> str:
    """Return the text of docs/paths.md."""
    parts = ["# Paths", NOTE, _WORDS]
    for first, title in _TITLES.items():
        parts += [f"## {title}", *_section(first)]
    return "\n\n".join(parts) + "\n"


def _section(first: str) -> Iterator[str]:
    rows = [(pattern, meta) for pattern, meta in TABLE.items() if pattern.partition(".")[0] == first]
    if first == "tanks":
        contents = [content for content, _ in groupby(pattern.split(".")[1] for pattern, _ in rows)]
        names = ", ".join(f"`{content}`" for content in contents)
        yield f"Replace `CONTENTS` with one of these names: {names}."
        rows = [
            (pattern.replace(f".{contents[0]}.", ".CONTENTS."), meta)
            for pattern, meta in rows
            if f".{contents[0]}." in pattern
        ]
    yield "\n".join(
        [
            "| path | recorded in | quantity |",
            "| --- | --- | --- |",
            *(f"| `{pattern}` | {unit_words(meta.units)} | {meta.description} |" for pattern, meta in rows),
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
