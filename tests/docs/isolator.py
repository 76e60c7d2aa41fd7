"""Draws the pictures in docs/opto-isolator.md.

Run `python -m tests.docs.isolator` to update the pictures.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sensors.wiring_picture import Picture, Wire

from .pages import DOCS
from .wiring import drawing

PAGE: Final = DOCS / "opto-isolator.md"
ISOLATOR: Final = "PC817"
CIRCUITS: Final[Mapping[str, Picture]] = {
    "opto-isolator-switch": Picture(
        ISOLATOR,
        (Wire("GPIO17", "4 collector"), Wire("GND", "3 emitter")),
        next=Picture(
            "12 V circuit",
            (
                Wire("1 anode", "wire from float switch to pump", part="2.2 kΩ", bridge="1N4148"),
                Wire("2 cathode", "negative pole of the battery"),
            ),
        ),
    ),
    "opto-isolator-pulse": Picture(
        ISOLATOR,
        (
            Wire("3V3", "", bridge="2.2 kΩ"),
            Wire("GPIO22", "4 collector"),
            Wire("GND", "3 emitter"),
        ),
        next=Picture(
            "12 V alternator",
            (
                Wire("1 anode", "terminal W", part="2.2 kΩ", bridge="1N4148"),
                Wire("2 cathode", "B- (negative terminal)"),
            ),
        ),
    ),
}
"""Opto-isolator circuits, by the name of their picture."""


def files() -> dict[Path, str]:
    """Return the SVG text of each picture, by path."""
    return {DOCS / f"pictures/{name}.svg": drawing(circuit) for name, circuit in CIRCUITS.items()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
