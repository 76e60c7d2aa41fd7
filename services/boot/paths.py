"""Paths that an appliance uses at boot."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioning.card_folders import INBOX, ON_FAT

FIRMWARE: Final = Path("/boot/firmware")
"""Mount point of the card's first partition. It uses FAT, so that any computer can write to it."""

PARTITION: Final = Path("/data")
"""Mount point of the card's data partition. Its folders are bind-mounted where they are used."""


@dataclass(frozen=True, slots=True)
class AppliancePaths:
    """The paths that the boot steps use; the defaults are those on an appliance."""

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
    """The folder that contains `sys` and `proc`."""

    @property
    def etc(self) -> Path:
        """The active configuration folder."""
        return self.config.parent

    @property
    def card(self) -> Path:
        """Logboat's folder on the FAT partition."""
        return self.firmware / ON_FAT

    @property
    def inbox(self) -> Path:
        """The folder for the configuration bundle that was copied to the card when the card was written."""
        return self.partition / INBOX

    @property
    def ssh(self) -> Path:
        """The folder that contains the SSH host keys and the authorized keys."""
        return self.etc / "ssh"
