"""The topics of MQTT under which a fleet's documents stand: what users subscribe to."""

from dataclasses import dataclass
from typing import Final

ROOT: Final = "logboat"
"""What every topic of ours begins with, but for those of Home Assistant."""
HOME_ASSISTANT: Final = "homeassistant"
"""What topics of Home Assistant's discovery begin with, unless it is told otherwise there."""
BIRTH: Final = f"{HOME_ASSISTANT}/status"
"""Home Assistant says `ONLINE` here when it has started (its default `birth_message`)."""
ONLINE: Final = b"online"
OFFLINE: Final = b"offline"


@dataclass(frozen=True, slots=True)
class Place:
    """What a topic is about, of those that a broker retains."""

    vessel: str
    part: str
    """`presence`, `vessel`, `state`, `alarm` or `config`, as the topic ends."""
    sensor: str | None = None


def parse(topic: str) -> Place | None:
    """Return what a retained topic of ours is about; None for any other topic."""
    match topic.split("/"):
        case [root, vessel, ("presence" | "vessel") as part] if root == ROOT:
            return Place(vessel, part)
        case [root, vessel, "sensor", sensor, ("state" | "alarm") as part] if root == ROOT:
            return Place(vessel, part, sensor)
        case [root, _, name, sensor, "config"] if root == HOME_ASSISTANT and name.startswith(_NODE):
            return Place(name.removeprefix(_NODE), "config", sensor)
        case _:
            return None


def presence(vessel: str) -> str:
    """Return the topic that says whether a vessel records: `ONLINE` or `OFFLINE`, retained."""
    return f"{ROOT}/{vessel}/presence"


def vessel(vessel: str) -> str:
    """The vessel and what it has."""
    return f"{ROOT}/{vessel}/vessel"


def boot(vessel: str, log: str, number: int) -> str:
    """One start of a vessel's appliance."""
    return f"{ROOT}/{vessel}/boot/{log}/{number}"


def note(vessel: str, ulid: str) -> str:
    """A free entry by the crew."""
    return f"{ROOT}/{vessel}/note/{ulid}"


def sensor(vessel: str, sensor: str, part: str) -> str:
    """Something of a sensor: `state`, `reading`, `alarm` or `gap`; "+" for any sensor."""
    return f"{ROOT}/{vessel}/sensor/{sensor}/{part}"


def signalk(vessel: str) -> str:
    """A vessel's current values as Signal K deltas."""
    return f"{ROOT}/{vessel}/signalk"


def discovery(component: str, vessel: str, sensor: str) -> str:
    """What tells Home Assistant of a sensor; `component` is its name for the kind of entity."""
    return f"{HOME_ASSISTANT}/{component}/{node(vessel)}/{sensor}/config"


_NODE: Final = f"{ROOT}-"


def node(vessel: str) -> str:
    """A vessel's name in Home Assistant's discovery."""
    return f"{_NODE}{vessel}"


def everything_of(vessel: str) -> tuple[str, ...]:
    """Filters that match whatever is published of a vessel."""
    return f"{ROOT}/{vessel}/#", f"{HOME_ASSISTANT}/+/{node(vessel)}/#"


def retained_of(name: str) -> tuple[str, ...]:
    """Filters that match what is retained of a vessel and may be replaced only by newer."""
    return sensor(name, "+", "state"), sensor(name, "+", "alarm"), vessel(name)


def discovery_of(vessel: str) -> str:
    """Return a filter that matches what Home Assistant is told of a vessel."""
    return discovery("+", vessel, "+")
