"""Options of an MQTT gateway that people choose, with their meaning and an example of each.

The declarations of `logboat.toml` (`services.config.model`) make a key from each field. So an option is
stated once, here: its name, its type, its default, and what the reference says about it.
"""

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """Formats that are published in addition to Logboat's own topics."""

    home_assistant: bool = field(
        default=False,
        metadata={
            "meaning": "Whether to publish Home Assistant's MQTT discovery messages for each sensor.",
            "example": "true",
        },
    )
    signalk: bool = field(
        default=False,
        metadata={
            "meaning": "Whether to publish current values as Signal K deltas too.",
            "example": "true",
        },
    )


DEFAULTS: Final = MqttOptions()
"""Options of a gateway for which nobody has chosen any."""
