"""Names from the vessel's configuration that the reader of `sensors.toml` needs."""

from typing import Final

SECTIONS: Final = ("vessel", "network", "listener", "user", "mesh", "gateway", "retention", "lights", "clock")
"""Sections that belong in the vessel's configuration."""
VESSEL_FILE: Final = "vessel.toml (logboat.toml on the appliance)"
"""File that contains these sections, for messages. A card or a fleet's folder has the first of the names."""
PPS: Final = "pps"
"""Name under which the pin for a satellite receiver's pulse per second is reserved."""
