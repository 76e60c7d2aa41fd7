"""Reader of `custom.toml`, version 1, which has the same keys as `init_config` in raspberrypi-sys-mods."""

from pathlib import Path
from typing import Any, Final

from sensors.toml import toml_file
from sensors.toml.schema import Key, Schema, Table, boolean, list_of
from sensors.toml.toml_file import ConfigurationError, FileProblem
from sensors.units import InputError, shown

from .requested_settings import RequestedWifi, SettingsSheet

_KEYS: Final = {
    "system": ("hostname",),
    "user": ("name", "password", "password_encrypted"),
    "ssh": ("enabled", "password_authentication", "authorized_keys"),
    "wlan": ("ssid", "password", "password_encrypted", "hidden", "country"),
    "locale": ("keymap", "timezone"),
}


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise InputError(f"{shown(raw)} is not text", 'Put the value in double quotes: "…".')
    return raw


_SCHEMA: Final[Schema] = {
    "password_encrypted": Key(boolean),
    "enabled": Key(boolean),
    "password_authentication": Key(boolean),
    "authorized_keys": Key(list_of(_text), ()),
    "hidden": Key(boolean),
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
        ("locale", "timezone", "timezone"),
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
    for number, key in enumerate(sections["ssh"]["authorized_keys"] or ()):
        sheet.add_key(key, key="authorized_keys", line=file.line(("ssh", "authorized_keys", number)))
    if wlan["ssid"]:
        point = RequestedWifi(wlan["ssid"], wlan["password"] or "", hidden=bool(wlan["hidden"]))
        sheet.join(point, key="ssid", line=file.line(("wlan", "ssid")))
