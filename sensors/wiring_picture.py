"""Wiring of a sensor as data, from which the pictures in the documentation are drawn."""

from typing import NamedTuple


class Wire(NamedTuple):
    """Wire from the header, or from the previous device, to a terminal."""

    start: str
    """Name of the header's pin (`GPIO17`, `3V3`, `GND`), or of a terminal of the previous device."""
    end: str
    """Name of the terminal."""
    part: str = ""
    """Component in series with the wire, such as `1 kΩ`."""
    bridge: str = ""
    """Component between this wire and the next wire."""


class Picture(NamedTuple):
    """Device that is connected to the header, or to the previous device."""

    device: str
    wires: tuple[Wire, ...]
    next: "Picture | None" = None
    """Device that is connected to this one, such as a sender at a converter."""
