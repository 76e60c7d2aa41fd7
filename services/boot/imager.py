"""Settings from Raspberry Pi Imager, which are read from the card once, stored, and applied at each boot.

The settings supplement the vessel's configuration. They can add networks to join, authorized SSH keys, a
user, and the country if none is configured. A host name set in Imager becomes the appliance's host name.

A file is removed from the card only after all of its settings have been parsed and stored. A file that could
not be parsed completely is left on the card, reported, and read again at the next boot. Until then, the
settings that could be parsed are applied.
"""

import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from provisioning import files
from provisioning.imager.answers import TIMEZONE_KEYS
from provisioning.imager.reader import FILES, MOST_BYTES, ImagerReading, read
from provisioning.imager.requested_settings import Checks, Customisation, RequestedWifi
from provisioning.ingest import secret_wiping
from provisioning.ingest.active_config import ActiveConfiguration, digest
from provisioning.ingest.ingest import BesideOutcome
from provisioning.networks.ssid import octets_of
from sensors.toml.toml_file import FileProblem
from sensors.units import InputError
from services.config import parsers as keys
from services.config.network_model import NetworkSection, Wifi

from . import imager_notes

log = logging.getLogger(__name__)

KEPT: Final = ".imager.json"
"""Name of the file, in the active configuration folder, that stores Imager's settings."""
GROUPS: Final = ("sudo", "logboat", "adm")
"""Groups to which the user set in Imager belongs. Members of `logboat` can read the authorized SSH keys."""
_PRIORITY: Final = -1
"""NetworkManager's priority for networks from Imager. It is below that of the vessel's own networks."""


@dataclass(frozen=True, slots=True)
class ImagerCard:
    """The card that may contain Imager's files, and the user names that this system already uses."""

    firmware: Path
    owned: Collection[str]
    card: Path
    """Logboat's folder on the card."""
    timezone: str = ""
    """Time zone in the vessel's configuration. If Imager requests the same time zone, nothing is reported."""

    def read_settings(self) -> tuple[ImagerReading, Mapping[str, bytes]]:
        """Return the settings in Imager's files, and the contents of these files by name.

        Raise OSError if the files cannot be read.
        """
        contents = {}
        for name in FILES:
            if (self.firmware / name).is_file():
                with (self.firmware / name).open("rb") as file:
                    contents[name] = file.read(MOST_BYTES + 1)
        reading = read(contents, checks(self.owned))
        notes = [
            note
            for note in reading.notes
            if not (note.key in TIMEZONE_KEYS and reading.asked.timezone == self.timezone)
        ]
        return dataclasses.replace(
            reading, problems=self._placed(reading.problems), notes=self._placed(notes)
        ), contents

    def _placed(self, problems: Iterable[FileProblem]) -> tuple[FileProblem, ...]:
        return tuple(dataclasses.replace(each, file=self.firmware / each.file.name) for each in problems)

    def examine(self, etc: Path) -> BesideOutcome:
        """Return the problems in Imager's files, and store the requests that Logboat does not fulfil.

        Raise OSError if the files cannot be read.
        """
        reading, contents = self.read_settings()
        notes = imager_notes.update(etc, self.card, reading.notes, read=contents)
        return BesideOutcome(reading.problems, notes)


def checks(owned: Collection[str]) -> Checks:
    """Return the parsers for the values of Imager's settings. User names in `owned` are rejected."""
    return {
        "host_name": keys.host_name,
        "user": lambda raw: keys.user_name(raw, owned),
        "password_hash": keys.crypt_hash,
        "ssh_key": keys.ssh_key,
        "ssid": _ssid,
        "wifi_password": keys.passphrase_or_none,
        "country": keys.country,
        "timezone": keys.timezone,
    }


def _ssid(name: str) -> str:
    return keys.ssid(list(octets_of(name)))


def take_in_customisation(
    card: ImagerCard, force: ActiveConfiguration, *, before_writing: Callable[[], None]
) -> BesideOutcome:
    """Store the settings, erase the files that were fully parsed, and return the problems in the other files.

    `before_writing` is called before a file is erased, and makes the card writable. Raise OSError if a file
    cannot be read or written.
    """
    reading, contents = card.read_settings()
    notes = imager_notes.update(force.folder, card.card, reading.notes, read=contents)
    if reading.asked != Customisation() or reading.notes:
        earlier = stored_customisation(force.folder)
        merged = reading.asked if earlier is None else _merged(earlier, reading.asked)
        if merged != earlier:
            store_customisation(force.folder, merged)
        wipe = {str(card.firmware / name): digest(contents[name]) for name in reading.understood}
        if wipe:
            memory = force.memory  # stored first, so that an interrupted erasure continues at the next boot
            force.remember(dataclasses.replace(memory, wipe={**memory.wipe, **wipe}))
            before_writing()
            secret_wiping.wipe(wipe)
            force.remember(memory)
    return BesideOutcome(reading.problems, notes)


def _merged(earlier: Customisation, later: Customisation) -> Customisation:
    """Return Imager's earlier settings, updated with all values that its later settings define."""
    settings = {field.name: getattr(later, field.name) for field in dataclasses.fields(later)}
    return dataclasses.replace(earlier, **{name: value for name, value in settings.items() if value})


def store_customisation(etc: Path, asked: Customisation) -> None:
    """Store Imager's settings in the active configuration folder. Raise OSError if that fails."""
    content = dataclasses.asdict(asked)
    for point in content["wifi"]:
        if not point["security"]:
            del point["security"]  # so that an earlier release can read the file after a rollback
    files.write(etc / KEPT, json.dumps(content).encode(), mode=files.SECRET)


def stored_customisation(etc: Path) -> Customisation | None:
    """Return the settings from Imager that an earlier boot stored; None if there are none."""
    try:
        customisation: dict[str, Any] = json.loads((etc / KEPT).read_bytes())
        return _from_json(customisation)
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001  # a file that cannot be parsed counts as having no settings
        log.error("%s cannot be read: %s", etc / KEPT, error)
        return None


def _from_json(stored: dict[str, Any]) -> Customisation:
    points = [RequestedWifi(**point) for point in stored.get("wifi", ())]
    if stored.get("ssid"):  # the format of earlier releases, which allowed only one network
        points.append(RequestedWifi(stored["ssid"], stored.get("wifi_password", "")))
    texts = ("host_name", "user", "password_hash", "country", "timezone")
    return Customisation(
        **{name: str(stored.get(name, "")) for name in texts},
        ssh_keys=tuple(stored.get("ssh_keys", ())),
        wifi=tuple(points),
    )


def added(network: NetworkSection, asked: Customisation | None) -> NetworkSection:
    """Return the vessel's networks and SSH keys together with those from Imager.

    Invalid values, which an older release may have stored, are left out.
    """
    if asked is None:
        return network
    wifi, country = network.wifi, network.country
    with contextlib.suppress(InputError):
        if country is None and asked.country:
            country = keys.country(asked.country)
    joined = {each.ssid for each in wifi}
    for point in asked.wifi:
        with contextlib.suppress(InputError):
            if point.ssid not in joined:
                password = keys.passphrase_or_none(point.password)
                found = Wifi(
                    _ssid(point.ssid),
                    password,
                    _PRIORITY,
                    hidden=point.hidden,
                    security=point.security or None,
                )
                wifi = (*wifi, found)
    ssh_keys = [*network.ssh_keys]
    for key in asked.ssh_keys:
        with contextlib.suppress(InputError):
            if (good := keys.ssh_key(key)) not in ssh_keys:
                ssh_keys.append(good)
    return dataclasses.replace(network, country=country, wifi=wifi, ssh_keys=tuple(ssh_keys))


def user_records(
    asked: Customisation, *, home: Path, uid: int, groups: Mapping[str, int]
) -> Mapping[str, str]:
    """Return Imager's user as JSON records for systemd's user database, by file name in `/run/userdb`.

    The root file system is read-only, so a user cannot be added to `/etc/passwd`. `groups` maps the names of
    the user's groups to their numeric ids. Each group needs its own record, so that its members can be looked
    up (nss-systemd(8)). The result is empty if Imager's settings define no user.
    """
    name = asked.user
    if not name:
        return {}
    public = {
        "userName": name,
        "uid": uid,
        "gid": uid,
        "homeDirectory": str(home / name),
        "shell": "/bin/bash",
        "disposition": "regular",
    }
    privileged = {"privileged": {"hashedPassword": [asked.password_hash]}} if asked.password_hash else {}
    own = {"groupName": name, "gid": uid, "disposition": "regular"}
    records = {
        f"{name}.user": json.dumps(public),
        f"{name}.group": json.dumps(own),
        **{f"{name}:{group}.membership": "{}" for group in groups},
        **{
            f"{group}.group": json.dumps({"groupName": group, "gid": gid, "disposition": "system"})
            for group, gid in groups.items()
        },
    }
    return records | ({f"{name}.user-privileged": json.dumps(privileged)} if privileged else {})
