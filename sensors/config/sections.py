"""Names from logboat.toml that the reader of `sensors.toml` needs."""

from typing import Final

SECTIONS: Final = ("vessel", "network", "listener", "user", "mesh", "gateway", "retention", "lights", "clock")
"""Sections that belong in logboat.toml."""
PPS: Final = "pps"
"""Name under which the pin for a satellite receiver's pulse per second is reserved."""
