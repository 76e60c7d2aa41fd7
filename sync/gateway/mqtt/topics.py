"""The MQTT topics on which a fleet's documents are published.

A new topic requires a function in this module. If its messages are retained, `parse` must also recognise the
topic's last level. `messages` creates the messages on each topic.
"""

from dataclasses import dataclass
from typing import Final

ROOT: Final = "logboat"
"""First level of all topics that Logboat defines."""
HOME_ASSISTANT: Final = "homeassistant"
"""First level of Home Assistant's discovery topics, as set by default in Home Assistant."""
BIRTH: Final = f"{HOME_ASSISTANT}/status"
"""Topic on which Home Assistant by default publishes `ONLINE` after it has started (`birth_message`)."""
ONLINE: Final = b"online"
OFFLINE: Final = b"offline"


@dataclass(frozen=True, slots=True)
class RetainedTopic:
    """A retained topic, parsed into its parts."""

    vessel: str
    part: str
    """Last level of the topic: `presence`, `vessel`, `state`, `alarm` or `config`."""
    sensor: str | None = None


def parse(topic: str) -> RetainedTopic | None:
    """Parse one of our retained topics. Return None for any other topic."""
    match topic.split("/"):
        case [root, vessel, ("presence" | "vessel") as part] if root == ROOT:
            return RetainedTopic(vessel, part)
        case [root, vessel, "sensor", sensor, ("state" | "alarm") as part] if root == ROOT:
            return RetainedTopic(vessel, part, sensor)
        case [root, _, name, sensor, "config"] if root == HOME_ASSISTANT and name.startswith(_NODE):
            return RetainedTopic(name.removeprefix(_NODE), "config", sensor)
        case _:
            return None


def presence(vessel: str) -> str:
    """Return the presence topic of a vessel, whose retained payload is `ONLINE` or `OFFLINE`."""
    return f"{ROOT}/{vessel}/presence"


def vessel(vessel: str) -> str:
    """Return the topic of a vessel's document."""
    return f"{ROOT}/{vessel}/vessel"


def boot(vessel: str, log: str, number: int) -> str:
    """Return the topic of one boot of a vessel's appliance."""
    return f"{ROOT}/{vessel}/boot/{log}/{number}"


def note(vessel: str, ulid: str) -> str:
    """Return the topic of a note written by the crew."""
    return f"{ROOT}/{vessel}/note/{ulid}"


def sensor(vessel: str, sensor: str, part: str) -> str:
    """Return a topic of a sensor.

    `part` is `state`, `reading`, `alarm` or `gap`; `sensor` may be "+" for any.
    """
    return f"{ROOT}/{vessel}/sensor/{sensor}/{part}"


def signalk(vessel: str) -> str:
    """Return the topic of a vessel's current values as Signal K deltas."""
    return f"{ROOT}/{vessel}/signalk"


def discovery(component: str, vessel: str, sensor: str) -> str:
    """Return the topic of a sensor's Home Assistant discovery message.

    `component` is Home Assistant's name for the kind of entity.
    """
    return f"{HOME_ASSISTANT}/{component}/{node(vessel)}/{sensor}/config"


_NODE: Final = f"{ROOT}-"


def node(vessel: str) -> str:
    """Return a vessel's node id in Home Assistant's discovery."""
    return f"{_NODE}{vessel}"


def everything_of(vessel: str) -> tuple[str, ...]:
    """Return filters that match all messages about a vessel."""
    return f"{ROOT}/{vessel}/#", f"{HOME_ASSISTANT}/+/{node(vessel)}/#"


def retained_of(name: str) -> tuple[str, ...]:
    """Return filters that match the retained messages of a vessel that only newer messages may replace."""
    return sensor(name, "+", "state"), sensor(name, "+", "alarm"), vessel(name)


def discovery_of(vessel: str) -> str:
    """Return a filter that matches a vessel's Home Assistant discovery messages."""
    return discovery("+", vessel, "+")
