"""The keys of an MQTT gateway in `logboat.toml`, with a description and an example of each.

`services.config.model` derives a key of `logboat.toml` from each field. So the name, type, default and
description of an option are stated only in this module.
"""

from dataclasses import dataclass, field
from typing import Final

from sync.gateway.mqtt.topics import DISCOVERY_PREFIX, PREFIX, Topics


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
    acknowledge: bool = field(
        default=False,
        metadata={
            "meaning": "Whether Home Assistant may acknowledge alarms. Requires `home_assistant = true`.",
            "example": "true",
        },
    )
    configuration_url: str = field(
        default="",
        metadata={
            "meaning": "Web address that Home Assistant shows on the page of this vessel's device. Requires"
            " `home_assistant = true`.",
            "example": '"https://club.example.org/argo"',
            "without": "none",
        },
    )
    signalk: bool = field(
        default=False,
        metadata={
            "meaning": "Whether to publish current values and alarms as Signal K deltas too.",
            "example": "true",
        },
    )
    prefix: str = field(
        default=PREFIX,
        metadata={
            "meaning": "First levels of all topics that Logboat defines.",
            "example": '"fleet/logboat"',
        },
    )
    discovery_prefix: str = field(
        default=DISCOVERY_PREFIX,
        metadata={
            "meaning": "First levels of Home Assistant's discovery topics, as set in its MQTT integration.",
            "example": '"home/assistant"',
        },
    )

    @property
    def topics(self) -> Topics:
        """The MQTT topics of a gateway with these options, which contain the prefixes."""
        return Topics(self.prefix, self.discovery_prefix)


DEFAULTS: Final = MqttOptions()
"""The default options."""
