"""What Raspberry Pi Imager was asked for, from the files that it leaves on the card's first partition. Pure.

It writes one of three: `firstrun.sh` (versions 1), a shell script of which the calls of `imager_custom` and
`userconf` are read and nothing is run; `user-data` and `network-config` (its versions 2), YAML of one fixed
shape, of which just that shape is read; or people write `custom.toml` themselves.
"""

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

FILES: Final = ("firstrun.sh", "custom.toml", "user-data", "network-config")


@dataclass(frozen=True, slots=True)
class Customisation:
    """What was asked for; '' and () where nothing was."""

    host_name: str = ""
    user: str = ""
    password_hash: str = ""
    """As `/etc/shadow` has it."""
    ssh_keys: tuple[str, ...] = ()
    ssid: str = ""
    wifi_password: str = ""
    """Or the 64 digits made of it."""
    country: str = ""
    timezone: str = ""


def read(files: Mapping[str, str]) -> Customisation | None:
    """From the texts of `FILES`, by name; None if nothing was asked for there."""
    found: dict[str, Any] = {}
    for name, reader in _READERS.items():
        if name in files:
            found |= {key: value for key, value in reader(files[name]).items() if value}
    made = Customisation(**found)
    return None if made == Customisation() else made


def _script(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in text.splitlines():
        try:
            words = shlex.split(row)
        except ValueError:
            continue  # a line of the script that is not whole by itself
        if not words or "$" in "".join(words[1:2]):
            continue
        command, arguments = words[0].rpartition("/")[2], words[1:]
        if command == "userconf" and arguments:
            found |= {"user": arguments[0], "password_hash": arguments[1] if len(arguments) > 1 else ""}
        elif command == "imager_custom" and len(arguments) > 1:
            found |= _custom(arguments[0], [each for each in arguments[1:] if each not in ("-h", "-k", "-d")])
    return found


def _custom(action: str, rest: list[str]) -> dict[str, Any]:
    match action, rest:
        case "set_hostname", [name, *_]:
            return {"host_name": name}
        case "enable_ssh", keys:
            return {"ssh_keys": tuple(key for key in keys if " " in key)}
        case "set_wlan", [ssid, *others]:
            password, country, *_ = [*others, "", ""]
            return {"ssid": ssid, "wifi_password": password, "country": country}
        case "set_timezone", [timezone, *_]:
            return {"timezone": timezone}
    return {}


def _toml(text: str) -> dict[str, Any]:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}

    def said(section: str, key: str) -> Any:
        table = raw.get(section)
        return table.get(key) if isinstance(table, dict) else None

    keys = said("ssh", "authorized_keys")
    texts = {
        "host_name": said("system", "hostname"),
        "user": said("user", "name"),
        "password_hash": said("user", "password") if said("user", "password_encrypted") is True else "",
        "ssid": said("wlan", "ssid"),
        "wifi_password": said("wlan", "password"),
        "country": said("wlan", "country"),
        "timezone": said("locale", "timezone"),
    }
    return {
        **{key: value for key, value in texts.items() if isinstance(value, str)},
        "ssh_keys": tuple(str(key) for key in keys) if isinstance(keys, list) else (),
    }


_PAIR: Final = re.compile(r'^(?P<indent>\s*)(?:- )?(?P<key>"(?:[^"\\]|\\.)*"|[A-Za-z_-]+):\s*(?P<value>.*)$')
_ITEM: Final = re.compile(r"^\s*- (?P<value>.*)$")


def _pairs(text: str) -> Iterator[tuple[int, str, str]]:
    """Indent, key and value of each line; an item of a list has the key ''."""
    for row in text.splitlines():
        if match := _PAIR.match(row):
            yield len(match["indent"]), _plain(match["key"]), _plain(match["value"])
        elif match := _ITEM.match(row):
            yield -1, "", _plain(match["value"])


def _plain(written: str) -> str:
    found = written.strip()
    if len(found) > 1 and found[0] == found[-1] == '"':
        return re.sub(r"\\(.)", r"\1", found[1:-1])
    return found


def _user_data(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    keys: list[str] = []
    listing = False
    for indent, key, value in _pairs(text):
        if key == "":
            keys += [value] if listing else []
            continue
        listing = key == "ssh_authorized_keys"
        if indent == 0 and key in ("hostname", "timezone"):
            found[{"hostname": "host_name"}.get(key, key)] = value
        elif key == "name" and "user" not in found:
            found["user"] = value
        elif key == "passwd":
            found["password_hash"] = value
    return {**found, "ssh_keys": tuple(keys)}


def _network_config(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    points: int | None = None
    for indent, key, value in _pairs(text):
        if key == "regulatory-domain":
            found["country"] = value
        elif key == "access-points":
            points = indent
        elif points is not None and indent > points:
            if key == "password":
                found["wifi_password"] = value
            elif value == "" and "ssid" not in found and key != "auth":
                found["ssid"] = key
    return found


_READERS: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "firstrun.sh": _script,
    "custom.toml": _toml,
    "user-data": _user_data,
    "network-config": _network_config,
}
