"""Wiring of a sensor as data, from which `sensors.documentation` draws the picture."""

from typing import NamedTuple


class Wire(NamedTuple):
    """Wire from the header, or from the device before, to a terminal."""

    start: str
    """Name of the header's pin (`GPIO17`, `3V3`, `GND`), or of a terminal of the device before."""
    end: str
    """Name of the terminal."""
    part: str = ""
    """Part in the wire, such as `1 kΩ`."""
    bridge: str = ""
    """Part between this wire and the next one."""


class Picture(NamedTuple):
    """Device that is connected to the header, or to the device before."""

    device: str
    wires: tuple[Wire, ...]
    next: "Picture | None" = None
    """Device that is connected to this one, such as a sender at a converter."""
