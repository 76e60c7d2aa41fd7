"""Reader of `custom.toml` and `rpi-preseed.toml`.

`custom.toml` has the keys of `init_config` in raspberrypi-sys-mods. Raspberry Pi Imager 2 writes
`rpi-preseed.toml`, which has the same keys and some more.
"""

from pathlib import Path
from typing import Any, Final

from provisioning.networks.ssid import name_of
from sensors.toml import toml_file
from sensors.toml.schema import Key, Schema, Table, boolean, list_of
from sensors.toml.toml_file import ConfigurationError, FileProblem
from sensors.units import InputError, shown

from . import answers
from .requested_settings import RequestedWifi, SettingsSheet

_KEYS: Final = {
    "system": ("hostname",),
    "user": ("name", "password", "password_encrypted", "groups", "passwordless_sudo"),
    "ssh": ("enabled", "password_authentication", "authorized_keys"),
    "wlan": ("ssid", "ssid_hex", "password", "password_encrypted", "hidden", "country"),
    "locale": ("keymap", "timezone"),
    "connect": ("enabled", "mode", "token"),
    "interfaces": ("i2c", "spi", "onewire", "usb_gadget", "serial"),
}


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise InputError(f"{shown(raw)} is not text", 'Put the value in double quotes: "…".')
    return raw


def _octets(raw: Any) -> str:
    try:
        return name_of(bytes.fromhex(_text(raw)))
    except ValueError:
        raise InputError(f"{shown(raw)} is not hexadecimal", "Write two digits for each byte.") from None


_GIVEN: Final = frozenset({"sudo", "users", "logboat", "adm"})
"""Groups that need no answer: those that each user gets, and the group of all users."""
_SCHEMA: Final[Schema] = {
    "password_encrypted": Key(boolean),
    "enabled": Key(boolean),
    "password_authentication": Key(boolean),
    "authorized_keys": Key(list_of(_text), ()),
    "hidden": Key(boolean),
    "groups": Key(list_of(_text), ()),
    "ssid_hex": Key(_octets),
    **dict.fromkeys(("passwordless_sudo", "i2c", "spi", "onewire", "usb_gadget"), Key(boolean)),
}
"""Keys whose values are not strings."""


def read(content: bytes, sheet: SettingsSheet) -> None:
    """Record the settings that the file requests."""
    try:
        file = toml_file.parse(Path(sheet.file), content)
    except ConfigurationError as error:
        sheet.problems += error.problems
        return
    root = Table.root(file)
    root.read({name: Key(lambda raw: raw) for name in ("config_version", *_KEYS)})
    sections = {
        name: root.section(name).read({key: _SCHEMA.get(key, Key(_text)) for key in keys})
        for name, keys in _KEYS.items()
    }
    sheet.problems += root.problems
    _take(sections, file, sheet)


def _take(sections: dict[str, dict[str, Any]], file: toml_file.TomlFile, sheet: SettingsSheet) -> None:
    user, wlan = sections["user"], sections["wlan"]
    for section, key, field in (
        ("system", "hostname", "host_name"),
        ("user", "name", "user"),
        ("wlan", "country", "country"),
    ):
        if sections[section][key]:
            sheet.set_value(field, sections[section][key], key=key, line=file.line((section, key)))
    if user["password"]:
        line = file.line(("user", "password"))
        if user["password_encrypted"] is False or not user["password"].startswith("$"):
            text = "a plain-text password is not accepted"
            remedy = "Write its hash, as printed by `openssl passwd -6`, and set password_encrypted = true."
            sheet.problems.append(
                FileProblem(Path(sheet.file), line, "password", text, remedy, table="[user]")
            )
        else:
            sheet.set_value("password_hash", user["password"], key="password", line=line)
    ssh = sections["ssh"]
    for number, key in enumerate(ssh["authorized_keys"] or ()):
        sheet.add_key(key, key="authorized_keys", line=file.line(("ssh", "authorized_keys", number)))
    ssid = wlan["ssid"] or wlan["ssid_hex"]
    if ssid:
        point = RequestedWifi(ssid, wlan["password"] or "", hidden=bool(wlan["hidden"]))
        which = "ssid" if wlan["ssid"] else "ssid_hex"
        sheet.join(point, key=which, line=file.line(("wlan", which)))
    _answer(sections, file, sheet)


def _answer(sections: dict[str, dict[str, Any]], file: toml_file.TomlFile, sheet: SettingsSheet) -> None:
    """Answer the requests that cannot be fulfilled."""
    if sections["ssh"]["password_authentication"]:
        line = file.line(("ssh", "password_authentication"))
        sheet.refuse_password_logins("password_authentication", line)
    if sections["ssh"]["enabled"] is False:
        sheet.note("enabled", file.line(("ssh", "enabled")), "SSH is always enabled")
    if sections["locale"]["timezone"]:
        line = file.line(("locale", "timezone"))
        answers.timezone(sheet, "timezone", line, sections["locale"]["timezone"])
    for section, key, answer in (
        ("user", "passwordless_sudo", answers.passwordless_sudo),
        ("locale", "keymap", answers.keyboard),
        ("connect", "enabled", answers.connect),
        ("interfaces", "i2c", answers.bus),
        ("interfaces", "spi", answers.bus),
        ("interfaces", "onewire", answers.bus),
        ("interfaces", "usb_gadget", answers.usb_gadget),
        ("interfaces", "serial", answers.serial),
    ):
        if sections[section][key]:
            answer(sheet, key, file.line((section, key)))
    if set(sections["user"]["groups"] or ()) - _GIVEN:
        answers.groups(sheet, "groups", file.line(("user", "groups")))
