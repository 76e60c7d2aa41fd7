"""Raspberry Pi Imager's customisation on an appliance: taken in once, kept, and applied at each start.

It adds to what the vessel's configuration says: another network to join, another key that may log in, a user,
the country if none is said. The host name that somebody typed there is the appliance's.

A file goes from the card only once all of it was understood and is kept here. A file of which anything is not
understood stays as it is, is told, and is looked at again at the next start; what was understood is in force
meanwhile.
"""

import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from provisioning import files
from provisioning.imager.asked import AccessPoint, Checks, Customisation
from provisioning.imager.reading import FILES, MOST_BYTES, Reading, read
from provisioning.takein import wiping
from provisioning.takein.inforce import InForce, digest
from sensors.quantities import InputError
from sensors.tomlfile import Problem
from services import settingkeys as keys
from services.settings import Network, Wifi

log = logging.getLogger(__name__)

KEPT: Final = ".imager.json"
"""In the folder in force."""
GROUPS: Final = ("sudo", "logboat", "adm")
"""Its user's: the daemons' group may read who may log in."""
_PRIORITY: Final = -1
"""Below the vessel's own networks."""


@dataclass(frozen=True, slots=True)
class Card:
    """Where Imager's files are looked for, and whose names are taken on this system."""

    firmware: Path
    owned: Collection[str]

    def look(self) -> tuple[Reading, Mapping[str, bytes]]:
        """Return what the files ask for, and their contents. Raises OSError."""
        contents = {}
        for name in FILES:
            if (self.firmware / name).is_file():
                with (self.firmware / name).open("rb") as file:
                    contents[name] = file.read(MOST_BYTES + 1)
        reading = read(contents, checks(self.owned))
        placed = [dataclasses.replace(each, file=self.firmware / each.file.name) for each in reading.problems]
        return dataclasses.replace(reading, problems=tuple(placed)), contents

    def problems(self) -> tuple[Problem, ...]:
        """Return what of the files is not understood; changes nothing. Raises OSError."""
        return self.look()[0].problems


def checks(owned: Collection[str]) -> Checks:
    """Return the parsers of what may be asked for; nobody may be called what is in `owned`."""
    return {
        "host_name": keys.host_name,
        "user": lambda raw: keys.user_name(raw, owned),
        "password_hash": keys.crypt_hash,
        "ssh_key": keys.ssh_key,
        "ssid": keys.ssid,
        "wifi_password": keys.passphrase_or_none,
        "country": keys.country,
    }


def take_in(card: Card, force: InForce, *, before_writing: Callable[[], None]) -> tuple[Problem, ...]:
    """Keep what is asked for; wipe the files that are understood; return what is not. Raises OSError.

    `before_writing` lets the card be written.
    """
    reading, contents = card.look()
    if reading.asked != Customisation():
        earlier = kept(force.folder)
        merged = reading.asked if earlier is None else _merged(earlier, reading.asked)
        if merged != earlier:
            keep(force.folder, merged)
        wipe = {str(card.firmware / name): digest(contents[name]) for name in reading.understood}
        if wipe:
            memory = force.memory  # remembered first: a wiping that is cut short goes on at the next start
            force.remember(dataclasses.replace(memory, wipe={**memory.wipe, **wipe}))
            before_writing()
            wiping.wipe(wipe)
            force.remember(memory)
    return reading.problems


def _merged(earlier: Customisation, later: Customisation) -> Customisation:
    """Return what was asked for earlier, replaced where something else is asked for later."""
    said = {field.name: getattr(later, field.name) for field in dataclasses.fields(later)}
    return dataclasses.replace(earlier, **{name: value for name, value in said.items() if value})


def keep(etc: Path, asked: Customisation) -> None:
    """Keep what was asked for. Raises OSError."""
    files.write(etc / KEPT, json.dumps(dataclasses.asdict(asked)).encode(), mode=files.SECRET)


def kept(etc: Path) -> Customisation | None:
    """Return what was taken in at some start; None if nothing was."""
    try:
        found: dict[str, Any] = json.loads((etc / KEPT).read_bytes())
        return _from_json(found)
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001  # what cannot be read asks for nothing
        log.error("%s cannot be read: %s", etc / KEPT, error)
        return None


def _from_json(found: dict[str, Any]) -> Customisation:
    points = [AccessPoint(**point) for point in found.get("wifi", ())]
    if found.get("ssid"):  # as it was kept when there could be one network
        points.append(AccessPoint(found["ssid"], found.get("wifi_password", "")))
    texts = ("host_name", "user", "password_hash", "country", "timezone")
    return Customisation(
        **{name: str(found.get(name, "")) for name in texts},
        ssh_keys=tuple(found.get("ssh_keys", ())),
        wifi=tuple(points),
    )


def added(network: Network, asked: Customisation | None) -> Network:
    """Return the vessel's networks and keys, and Imager's; what cannot be one is left out.

    All of it was checked when it was taken in; an older release checked less.
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
                wifi = (*wifi, Wifi(keys.ssid(point.ssid), password, _PRIORITY, hidden=point.hidden))
    ssh_keys = [*network.ssh_keys]
    for key in asked.ssh_keys:
        with contextlib.suppress(InputError):
            if (good := keys.ssh_key(key)) not in ssh_keys:
                ssh_keys.append(good)
    return dataclasses.replace(network, country=country, wifi=wifi, ssh_keys=tuple(ssh_keys))


def user_records(
    asked: Customisation, *, home: Path, uid: int, groups: Mapping[str, int]
) -> Mapping[str, str]:
    """Return its user for systemd's user database: JSON user records by file name in `/run/userdb`.

    The root file system is read-only, so there is no other place for a user. `groups`, which it joins, by
    name: each needs a record for somebody to be found in it (nss-systemd(8)). Empty if none was asked for.
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
