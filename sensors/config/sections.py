"""Names from the vessel's configuration that the reader of `sensors.toml` needs."""

from typing import Final

SECTIONS: Final = ("vessel", "network", "listener", "user", "mesh", "gateway", "retention", "lights", "clock")
"""Sections that belong in the vessel's configuration."""
VESSEL_FILE: Final = "vessel.toml (logboat.toml on the appliance)"
"""File name of the vessel's configuration, as used in messages.

The file is called `vessel.toml` on a card and in a fleet's folder.
"""
PPS: Final = "pps"
"""Name, in messages, of the pulse per second (PPS) of a GNSS receiver as the user of its pin."""
RTC: Final = "rtc"
"""Name, in messages, of the clock chip as the user of its bus pins."""
