"""Names from the vessel's configuration that the reader of `sensors.toml` needs."""

from typing import Final

SECTIONS: Final = ("vessel", "network", "listener", "user", "mesh", "gateway", "retention", "lights", "clock")
"""Sections that belong in the vessel's configuration."""
VESSEL_FILE: Final = "vessel.toml (logboat.toml on the appliance)"
"""Name, for use in messages, of the file that contains these sections.

The file is called `vessel.toml` on a card and in a fleet's folder.
"""
PPS: Final = "pps"
"""Name under which the pin for a satellite receiver's pulse per second is reserved."""
