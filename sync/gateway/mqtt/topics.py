"""The MQTT topics on which a fleet's documents are published.

A new topic requires a method of `Topics`. If its messages are retained, `parse` must also recognise the
topic's last level. `messages` creates the messages on each topic.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

PREFIX: Final = "logboat"
"""Default first levels of all topics that Logboat defines."""
DISCOVERY_PREFIX: Final = "homeassistant"
"""Default first levels of Home Assistant's discovery topics.

It is also the default in Home Assistant itself.
"""
ONLINE: Final = b"online"
OFFLINE: Final = b"offline"
LONGEST_PREFIX: Final = 100
"""Maximum length of a topic prefix, in characters."""
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*")
_NODE: Final = "logboat-"


def is_prefix(text: str) -> bool:
    """Return True if a text can be used as a prefix: one or more levels without wildcards."""
    return len(text) <= LONGEST_PREFIX and _WELL_FORMED.fullmatch(text) is not None


def overlap(first: str, second: str) -> bool:
    """Return True if a topic that begins with one prefix can also begin with the other."""
    return f"{first}/".startswith(f"{second}/") or f"{second}/".startswith(f"{first}/")


@dataclass(frozen=True, slots=True)
class RetainedTopic:
    """A retained topic, parsed into its parts."""

    vessel: str
    part: str
    """Last level of the topic: `presence`, `vessel`, `state`, `alarm` or `config`."""
    sensor: str | None = None
    """Id of the sensor; in a discovery topic, the id of the entity."""
    is_former: bool = False
    """True if the topic begins with a prefix that the gateway no longer uses."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The MQTT topics of one gateway."""

    prefix: str = PREFIX
    """First levels of all topics that Logboat defines."""
    discovery_prefix: str = DISCOVERY_PREFIX
    """First levels of Home Assistant's discovery topics."""
    former: tuple["Topics", ...] = ()
    """Topics with the prefixes that the gateway used before. The broker may still retain messages on them."""

    def parse(self, topic: str) -> RetainedTopic | None:
        """Parse a retained topic that Logboat defines. Return None for any other topic."""
        found = self._parse(topic)
        if found is not None:
            return found
        former = (each.parse(topic) for each in self.former)
        return next((replace(each, is_former=True) for each in former if each is not None), None)

    def _parse(self, topic: str) -> RetainedTopic | None:
        if topic.startswith(f"{self.prefix}/"):
            match topic[len(self.prefix) + 1 :].split("/"):
                case [vessel, ("presence" | "vessel") as part]:
                    return RetainedTopic(vessel, part)
                case [vessel, "sensor", sensor, ("state" | "alarm") as part]:
                    return RetainedTopic(vessel, part, sensor)
        elif topic.startswith(f"{self.discovery_prefix}/"):
            match topic[len(self.discovery_prefix) + 1 :].split("/"):
                case [_, name, entity, "config"] if name.startswith(_NODE):
                    return RetainedTopic(name.removeprefix(_NODE), "config", entity)
        return None

    def presence(self, vessel: str) -> str:
        """Return the presence topic of a vessel, whose retained payload is `ONLINE` or `OFFLINE`."""
        return f"{self.prefix}/{vessel}/presence"

    def vessel(self, vessel: str) -> str:
        """Return the topic of a vessel's document."""
        return f"{self.prefix}/{vessel}/vessel"

    def boot(self, vessel: str, log: str, number: int) -> str:
        """Return the topic of the document about one boot of a vessel's appliance."""
        return f"{self.prefix}/{vessel}/boot/{log}/{number}"

    def service(self, vessel: str, ulid: str) -> str:
        """Return the topic of a record of completed service."""
        return f"{self.prefix}/{vessel}/service/{ulid}"

    def note(self, vessel: str, ulid: str) -> str:
        """Return the topic of a note written by the crew."""
        return f"{self.prefix}/{vessel}/note/{ulid}"

    def sensor(self, vessel: str, sensor: str, part: str) -> str:
        """Return one of a sensor's topics.

        `part` is `state`, `reading`, `alarm`, `silence` or `gap`; `sensor` may be "+" for any.
        """
        return f"{self.prefix}/{vessel}/sensor/{sensor}/{part}"

    def acknowledge(self, vessel: str, sensor: str) -> str:
        """Return the topic of commands that acknowledge a sensor's alarms. The payload is an alarm's id.

        Both arguments may be "+" for any.
        """
        return self.sensor(vessel, sensor, "acknowledge")

    def parse_acknowledge(self, topic: str) -> tuple[str, str] | None:
        """Return the vessel and the sensor of a topic made by `acknowledge`, or None for any other topic."""
        if topic.startswith(f"{self.prefix}/"):
            match topic[len(self.prefix) + 1 :].split("/"):
                case [vessel, "sensor", sensor, "acknowledge"]:
                    return vessel, sensor
        return None

    def signalk(self, vessel: str) -> str:
        """Return the topic of a vessel's current values and alarms as Signal K deltas."""
        return f"{self.prefix}/{vessel}/signalk"

    def discovery(self, component: str, vessel: str, entity: str) -> str:
        """Return the topic of an entity's Home Assistant discovery message.

        `component` is Home Assistant's name for the kind of entity.
        """
        return f"{self.discovery_prefix}/{component}/{node(vessel)}/{entity}/config"

    @property
    def births(self) -> tuple[str, ...]:
        """Topics on which Home Assistant may publish `ONLINE` after it has started (`birth_message`).

        Home Assistant's default topic does not follow its discovery prefix, so users may have changed it.
        """
        return tuple(dict.fromkeys((f"{DISCOVERY_PREFIX}/status", f"{self.discovery_prefix}/status")))

    def everything_of(self, vessel: str) -> tuple[str, ...]:
        """Return the topic filters that match all messages about a vessel."""
        return f"{self.prefix}/{vessel}/#", f"{self.discovery_prefix}/+/{node(vessel)}/#"

    def retained_of(self, vessel: str) -> tuple[str, ...]:
        """Return the topic filters for retained messages about a vessel that only newer ones may replace."""
        return self.sensor(vessel, "+", "state"), self.sensor(vessel, "+", "alarm"), self.vessel(vessel)

    def discovery_of(self, vessel: str) -> str:
        """Return the topic filter that matches a vessel's Home Assistant discovery messages."""
        return self.discovery("+", vessel, "+")

    def former_of(self, vessel: str) -> tuple[str, ...]:
        """Return the topic filters for a vessel's messages that may be retained on topics no longer used."""
        filters = (
            name
            for each in self.former
            for name in (*each.retained_of(vessel), each.presence(vessel), each.discovery_of(vessel))
        )
        used = {*self.retained_of(vessel), self.presence(vessel), self.discovery_of(vessel)}
        return tuple(name for name in dict.fromkeys(filters) if name not in used)


DEFAULT: Final = Topics()
"""The topics with the default prefixes."""


def node(vessel: str) -> str:
    """Return the node id of a vessel in Home Assistant's discovery topics.

    It does not depend on the prefixes.
    """
    return f"{_NODE}{vessel}"
