"""What sensors must know of the other file, logboat.toml."""

from typing import Final

SECTIONS: Final = ("vessel", "network", "listener", "user", "mesh", "gateway", "retention", "lights", "clock")
"""Which stand there."""
PPS: Final = "pps"
"""Who has a pin that is no light's: the pulse a second of a satellite receiver."""
