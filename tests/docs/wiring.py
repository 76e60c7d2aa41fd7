"""Draws the wiring of a sensor as an SVG picture, from the data in the module of the sensor's kind."""

from html import escape
from itertools import chain
from typing import Final

from sensors.header_pins import HEADER_PINS
from sensors.wiring_picture import Picture, Wire

HEADER: Final = "Raspberry Pi"
PINS: Final = {
    "3V3": 1,
    "5V": 2,
    "GND": 9,
    **{f"GPIO{bcm}": pin for bcm, pin in HEADER_PINS.items()},
}
"""Position of each pin on the 40-pin header. For 3.3 V, 5 V and ground, this is one of several pins."""
ROW: Final = 34
GAP: Final = 120
LETTER: Final = 7.5
INK: Final = "#37474f"


def on_header(start: str) -> str:
    """Return the name and position of a pin on the header, such as `GPIO17 (pin 11)`."""
    name, _, use = start.partition(" ")
    words = f"{use.strip('()')}, " if use else ""
    return f"{name} ({words}pin {PINS[name]})"


def stages(picture: Picture) -> list[tuple[str, str, tuple[Wire, ...]]]:
    """Return each pair of neighbouring devices with the wires between them, beginning at the header.

    The start of each wire at the header includes the pin's position.
    """
    wires = tuple(wire._replace(start=on_header(wire.start)) for wire in picture.wires)
    found, last = [(HEADER, picture.device, wires)], picture
    while last.next is not None:
        found.append((last.device, last.next.device, last.next.wires))
        last = last.next
    return found


def drawing(picture: Picture) -> str:
    """Return a picture of the wiring as a self-contained SVG document."""
    parts: list[str] = []
    left, x = HEADER, 10.0
    bottom = 0.0
    found = stages(picture)
    for number in range(len(found) + 1):
        into = [wire.end for wire in found[number - 1][2]] if number else []
        out = [wire.start for wire in found[number][2]] if number < len(found) else []
        rows = max(len(into), len(out))
        inside = max((len(a) + len(b) for a, b in zip(_padded(into, rows), _padded(out, rows), strict=True)))
        width = max(inside + 5, len(left) + 3) * LETTER
        height = 40 + rows * ROW
        parts.append(_box(x, width, height, left))
        parts += [_text(x + 10, 58 + row * ROW, name) for row, name in enumerate(into)]
        parts += [_text(x + width - 10, 58 + row * ROW, name, "end") for row, name in enumerate(out)]
        bottom = max(bottom, 10.0 + height)
        x += width
        if number < len(found):
            parts += chain.from_iterable(_wire(x, row, wire) for row, wire in enumerate(found[number][2]))
            left = found[number][1]
            x += GAP
    look = f'width="{x + 10:g}" role="img" font-family="sans-serif" font-size="13"'
    title = f"Wiring: {HEADER}, " + ", ".join(name for _, name, _ in found)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {x + 10:g} {bottom + 10:g}" {look}>',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _padded(names: list[str], count: int) -> list[str]:
    return names + [""] * (count - len(names))


def _box(x: float, width: float, height: float, name: str) -> str:
    return (
        f'<rect x="{x:g}" y="10" width="{width:g}" height="{height:g}" rx="4" fill="#eceff1" stroke="{INK}"/>'
        f'<text x="{x + width / 2:g}" y="30" text-anchor="middle" font-weight="bold">{escape(name)}</text>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{INK}" stroke-width="1.5"/>'


def _part(x: float, y: float, name: str) -> str:
    width = len(name) * LETTER + 10
    return (
        f'<rect x="{x - width / 2:g}" y="{y - 9:g}" width="{width:g}" height="18" fill="white"'
        f' stroke="{INK}"/>' + _text(x, y + 4.5, name, "middle")
    )


def _wire(x: float, row: int, wire: Wire) -> list[str]:
    y, middle = 53.5 + row * ROW, x + GAP / 2
    # A bridge is drawn near the start of the wire. The part between bridge and end is then in series.
    part, bridge = (x + 0.76 * GAP, x + 0.24 * GAP) if wire.part and wire.bridge else (middle, middle)
    parts = [_line(x, y, x + GAP if wire.end else middle, y)]
    if wire.part:
        parts.append(_part(part, y, wire.part))
    if wire.bridge:
        parts += [_line(bridge, y, bridge, y + ROW), _part(bridge, y + ROW / 2, wire.bridge)]
    return parts
