"""Reader of `user-data` as Raspberry Pi Imager 2 writes it, in a subset of cloud-init's format."""

import re
from collections.abc import Mapping
from typing import Final

from .cloud_init import Reader, boolean_of, each_key, items_of, reader_for, root_of, text_of
from .requested_settings import SettingsSheet
from .yamltree import Items, Node, Text

_OTHER_FORMS: Final = ("#!", "Content-Type:", "MIME-Version:", "#include", "#cloud-boothook", "## template:")
"""First characters of user-data in formats other than cloud-config."""
NO_EFFECT: Final[Mapping[str, str]] = {
    "manage_etc_hosts": "the host name is set at each start",
    "manage_resolv_conf": "NetworkManager writes it",
    "preserve_hostname": "the host name is set at each start",
    "apt": "the system is read-only",
    "keyboard": "an appliance has no keyboard",
    "locale": "an appliance has one language",
    "enable_ssh": "SSH is always enabled",
}
"""Keys that are ignored, each with the reason."""
NO_EFFECT_FOR_A_USER: Final[Mapping[str, str]] = {
    "groups": "the user is already in the groups that are needed",
    "shell": "the shell is bash",
    "sudo": "the user is in the group sudo",
    "gecos": "it is only a comment",
}
NO_EFFECT_FOR_BUSES: Final[Mapping[str, str]] = dict.fromkeys(
    ("i2c", "spi", "onewire"), "sensors.toml determines which buses are enabled"
)
_PACKAGES: Final = frozenset({"avahi-daemon"})
"""Packages that Imager requests and that an appliance does not need."""
_COMMANDS: Final = re.compile(
    r"systemctl enable --now ssh"
    r"|rfkill unblock wifi"
    r"|sh -c for f in /var/lib/systemd/rfkill/\*:wlan; do echo 0 > .*; done"
    r"|sh -c echo '\S+ ALL=\(ALL\) NOPASSWD:ALL' >/etc/sudoers\.d/\S+"
    r"|chmod 0440 /etc/sudoers\.d/\S+"
)
"""Pattern of the commands that Imager writes itself, which have no effect here."""


def read(text: str, sheet: SettingsSheet) -> None:
    """Record the settings that the file requests."""
    if text.startswith(_OTHER_FORMS):
        sheet.leave_unread("", 1, "the file is not a cloud-config, the only supported format")
        return
    root = root_of(text, sheet)
    if root is not None:
        _UserData(sheet).read(root)


class _UserData:
    def __init__(self, sheet: SettingsSheet) -> None:
        self._sheet = sheet
        self._has_user = False
        self._is_locked = False
        self._password_logins: int | None = None
        """Line number of the request for password logins; None if there is none."""

    def read(self, root: Node) -> None:
        sheet = self._sheet
        readers: Mapping[str, Reader] = {
            "hostname": reader_for(sheet, "host_name"),
            "timezone": reader_for(sheet, "timezone"),
            "user": self._user,
            "users": self._users,
            "ssh_authorized_keys": self._keys,
            "ssh_pwauth": self._logins,
            "packages": self._packages,
            "runcmd": self._commands,
            "rpi": lambda _, value: each_key(value, sheet, {"interfaces": self._interfaces}),
        }
        each_key(root, sheet, readers, no_effect=NO_EFFECT)
        if self._password_logins is not None and "ssh_keys" not in sheet.values:
            text, remedy = (
                "SSH does not accept passwords on this system",
                "Add a public key under ssh_authorized_keys.",
            )
            sheet.leave_unread("ssh_pwauth", self._password_logins, text, remedy)

    def _users(self, key: Text, value: Node) -> None:
        """Read a list of users.

        `default` stands for the system's own user, which an appliance does not have.
        """
        for each in items_of(value):
            if not (isinstance(each, Text) and (each.is_null or each.text == "default")):
                self._user(key, each)

    def _user(self, key: Text, value: Node) -> None:
        sheet = self._sheet
        if self._has_user:
            sheet.leave_unread(key.text, value.line, "only one user is supported, and this is a second one")
            return
        self._has_user = True
        if isinstance(value, Text):
            reader_for(sheet, "user")(key, value)
            return
        readers: Mapping[str, Reader] = {
            "name": reader_for(sheet, "user"),
            "passwd": reader_for(sheet, "password_hash"),
            "hashed_passwd": reader_for(sheet, "password_hash"),
            "lock_passwd": self._lock,
            "ssh_authorized_keys": self._keys,
        }
        each_key(value, sheet, readers, no_effect=NO_EFFECT_FOR_A_USER)
        if self._is_locked:
            sheet.values.pop("password_hash", None)

    def _lock(self, key: Text, value: Node) -> None:
        self._is_locked = bool(boolean_of(self._sheet, key, value))

    def _keys(self, key: Text, value: Node) -> None:
        for each in items_of(value):
            words = text_of(self._sheet, key, each)
            if words is not None:
                self._sheet.add_key(words.strip(), key=key.text, line=each.line)

    def _logins(self, key: Text, value: Node) -> None:
        if boolean_of(self._sheet, key, value):
            self._password_logins = key.line

    def _packages(self, key: Text, value: Node) -> None:
        for each in items_of(value):
            if not isinstance(each, Text) or each.text not in _PACKAGES:
                self._sheet.leave_unread(key.text, each.line, "packages cannot be installed on an appliance")
                return

    def _commands(self, key: Text, value: Node) -> None:
        others = [each for each in items_of(value) if not _COMMANDS.fullmatch(_command(each))]
        if others:
            count = f"{len(others)} commands are" if len(others) > 1 else "a command is"
            self._sheet.leave_unread(
                key.text, others[0].line, f"{count} not executed; no command of this file is"
            )

    def _interfaces(self, _key: Text, value: Node) -> None:
        each_key(value, self._sheet, {}, no_effect=NO_EFFECT_FOR_BUSES)


def _command(node: Node) -> str:
    if isinstance(node, Text):
        return node.text
    words = node.items if isinstance(node, Items) else ()
    return " ".join(each.text if isinstance(each, Text) else "…" for each in words)
