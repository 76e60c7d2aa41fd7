"""The demo's fleet: its vessels have names, identities from the fleet's own CA, and local addresses.

Each demo uses a new fleet name, so that its vessels do not link with real vessels or with another demo.
"""

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from provisioning.folder import FleetFolder

from . import vessel, vessel_sensors
from .ports import free_ports
from .vessel import DemoVessel

NAMES: Final = ("argo", "brigid", "carina", "dione", "elissa", "fram", "gudrun", "hygeia", "ino")
"""Names of the vessels. In a larger fleet, `max_peers` would prevent links between some pairs of vessels."""
FLEET: Final = "fleet"
"""Name of the folder that contains the fleet's authority."""
SHORE: Final = "shore"
"""Name of the folder that contains the services ashore."""
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Fleet:
    """All vessels in the demo. The first vessel plays the recording."""

    name: str
    vessels: tuple[DemoVessel, ...]
    speed: float
    """Speed at which the recording is played, as a multiple of real time."""

    def __iter__(self) -> Iterator[DemoVessel]:
        return iter(self.vessels)

    @property
    def first(self) -> DemoVessel:
        """The vessel that plays the recording."""
        return self.vessels[0]

    @property
    def is_alone(self) -> bool:
        """True if the fleet has only one vessel."""
        return len(self.vessels) == 1

    @property
    def linked_ashore(self) -> DemoVessel:
        """The only vessel with a link to the shore. This is not the vessel that loses its network."""
        return self.vessels[(len(self.vessels) - 1) // 2]

    def tell_addresses(self) -> None:
        """Write the other vessels' addresses into each vessel's configuration. Used if discovery fails."""
        for each in self:
            others = (other.port for other in self if other is not each)
            each.configure(static=tuple(f"wss://{LOOPBACK}:{port}" for port in others))

    def kill(self) -> None:
        """Kill all processes and close all files, regardless of their state."""
        for each in self:
            each.kill()
            each.close()


def leftover_path(folder: Path) -> Path | None:
    """Return the path of a subfolder that an earlier demo left in `folder`; None if there is none."""
    return next((folder / name for name in (FLEET, SHORE, *NAMES) if (folder / name).exists()), None)


def make(folder: Path, *, vessels: int, speed: float, now: datetime, repeat: bool = False) -> Fleet:
    """Create all files of a new fleet in a folder that contains nothing from an earlier demo.

    `speed` is the speed at which the recording is played, and `repeat` plays it in a loop.
    """
    names = NAMES[:vessels]
    passphrase = secrets.token_urlsafe(16)
    authority_folder = FleetFolder.create(
        folder / FLEET, fleet=f"demo-{secrets.token_hex(3)}", passphrase=passphrase, now=now
    )
    authority = authority_folder.unlock(passphrase)
    members = []
    for seed, (name, port) in enumerate(zip(names, itertools.islice(free_ports(), vessels), strict=True)):
        authority_folder.add(authority, name, now=now, name=f"SY {name.title()}")
        plays = seed == 0
        each = vessel.make(
            folder,
            name,
            identity=authority_folder.identity(name),
            port=port,
            sensors=vessel_sensors.sensor_ids(plays=plays),
        )
        vessel_sensors.write(each.folder, seed=seed, speed=speed if plays else None, repeat=repeat)
        members.append(each)
    return Fleet(authority_folder.fleet, tuple(members), speed)
