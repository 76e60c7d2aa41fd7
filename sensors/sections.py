"""Which sections stand in the other file, logboat.toml."""

from typing import Final

SECTIONS: Final = ("vessel", "network", "listener", "user", "mesh", "gateway", "retention", "lights", "clock")
