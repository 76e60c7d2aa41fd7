"""Where things are on an appliance, at its start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioning.places import INBOX, ON_FAT

FIRMWARE: Final = Path("/boot/firmware")
"""Where the card's first partition is mounted: FAT, for people."""

PARTITION: Final = Path("/data")
"""Where the card's data partition is mounted; folders of it are bound to where they are used."""


@dataclass(frozen=True, slots=True)
class Places:
    """The defaults are an appliance's."""

    config: Path = Path("/etc/logboat/logboat.toml")
    data: Path = Path("/var/lib/logboat")
    run: Path = Path("/run/logboat")
    firmware: Path = FIRMWARE
    partition: Path = PARTITION
    profiles: Path = Path("/run/NetworkManager/system-connections")
    unmanaged: Path = Path("/run/NetworkManager/conf.d/logboat-radio.conf")
    radio: Path = Path("/run/logboat-radio")
    firewall: Path = Path("/run/logboat-firewall")
    users: Path = Path("/run/userdb")
    homes: Path = Path("/home")
    root: Path = Path("/")
    """Below which `sys` and `proc` are."""

    @property
    def etc(self) -> Path:
        """The folder in force."""
        return self.config.parent

    @property
    def card(self) -> Path:
        """Our folder on FAT."""
        return self.firmware / ON_FAT

    @property
    def inbox(self) -> Path:
        """Where a bundle lies that came with the card."""
        return self.partition / INBOX

    @property
    def ssh(self) -> Path:
        """Host keys, and the keys of who may log in."""
        return self.etc / "ssh"
