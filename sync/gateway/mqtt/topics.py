"""The topics of MQTT under which a fleet's documents stand: what users subscribe to."""

from typing import Final

ROOT: Final = "logboat"
"""What every topic of ours begins with, but for those of Home Assistant."""
ONLINE: Final = b"online"
OFFLINE: Final = b"offline"


def presence(vessel: str) -> str:
    """Whether the gateway of a vessel is connected: `ONLINE` or `OFFLINE`, retained."""
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
    return f"homeassistant/{component}/{node(vessel)}/{sensor}/config"


def node(vessel: str) -> str:
    """A vessel's name in Home Assistant's discovery."""
    return f"{ROOT}-{vessel}"


def everything_of(vessel: str) -> tuple[str, ...]:
    """Filters that match whatever is published of a vessel."""
    return f"{ROOT}/{vessel}/#", f"homeassistant/+/{node(vessel)}/#"


def retained_of(name: str) -> tuple[str, ...]:
    """Filters that match what is retained of a vessel and may be replaced only by newer."""
    return sensor(name, "+", "state"), sensor(name, "+", "alarm"), vessel(name)
