"""Raspberry Pi Imager's customisation on an appliance: taken in once, kept, and applied at each start.

It adds to what the vessel's configuration says: another network to join, another key that may log in, a user,
the country if none is said. The host name that somebody typed there is the appliance's.
"""

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from provisioning import files, imager
from provisioning.imager import Customisation
from provisioning.takein import wiping
from provisioning.takein.inforce import digest
from sensors.quantities import InputError
from services import settingkeys as keys
from services.settings import Network, Wifi

KEPT: Final = ".imager.json"
"""In the folder in force."""
GROUPS: Final = ("sudo", "logboat", "adm")
"""Its user's: the daemons' group may read who may log in."""
_PRIORITY: Final = -1
"""Below the vessel's own networks."""


def take_in(firmware: Path, etc: Path, *, writable: AbstractContextManager[None]) -> Customisation | None:
    """What it left on the card is kept in `etc`, and wiped from there; what is kept. Raises OSError."""
    found = {name: (firmware / name).read_bytes() for name in imager.FILES if (firmware / name).is_file()}
    asked = imager.read({name: content.decode(errors="replace") for name, content in found.items()})
    if asked is not None:
        files.write(etc / KEPT, json.dumps(dataclasses.asdict(asked)).encode(), mode=files.SECRET)
        with writable:
            wiping.wipe({str(firmware / name): digest(content) for name, content in found.items()})
        return asked
    return kept(etc)


def kept(etc: Path) -> Customisation | None:
    """What was taken in at some start."""
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError):
        found = json.loads((etc / KEPT).read_bytes())
        return Customisation(**{**found, "ssh_keys": tuple(found["ssh_keys"])})
    return None


def added(network: Network, asked: Customisation | None) -> Network:
    """The vessel's networks and keys, and Imager's; what cannot be one is left out."""
    if asked is None:
        return network
    wifi, country = network.wifi, network.country
    with contextlib.suppress(InputError):
        if country is None and asked.country:
            country = keys.country(asked.country)
    with contextlib.suppress(InputError):
        joined = {each.ssid for each in wifi}
        if asked.ssid and asked.ssid not in joined:
            password = keys.passphrase_or_none(asked.wifi_password)
            wifi = (*wifi, Wifi(keys.ssid(asked.ssid), password, _PRIORITY))
    ssh_keys = [*network.ssh_keys]
    for key in asked.ssh_keys:
        with contextlib.suppress(InputError):
            if (good := keys.ssh_key(key)) not in ssh_keys:
                ssh_keys.append(good)
    return dataclasses.replace(network, country=country, wifi=wifi, ssh_keys=tuple(ssh_keys))


def user_records(
    asked: Customisation, *, home: Path, uid: int, groups: Mapping[str, int]
) -> Mapping[str, str]:
    """Its user, for systemd's user database (userdb's JSON user records), by file name in `/run/userdb`.

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
