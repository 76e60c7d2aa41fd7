"""Reader of `user-data` as Raspberry Pi Imager 2 writes it, in a subset of cloud-init's format."""

import re
from collections.abc import Mapping
from typing import Final

from . import answers
from .cloud_init import Reader, boolean_of, each_key, items_of, reader_for, root_of, text_of
from .requested_settings import SettingsSheet
from .yamltree import Items, Node, Pairs, Text

_OTHER_FORMS: Final = ("#!", "Content-Type:", "MIME-Version:", "#include", "#cloud-boothook", "## template:")
"""First characters of user-data in formats other than cloud-config."""
NO_EFFECT: Final[Mapping[str, str]] = {
    "manage_etc_hosts": "the host name is set at each start",
    "manage_resolv_conf": "NetworkManager writes it",
    "preserve_hostname": "the host name is set at each start",
    "apt": "the system is read-only, so apt is not used",
    "enable_ssh": "SSH is always enabled",
}
"""Keys that need no action, each with the reason."""
_SHELL: Final = "/bin/bash"
"""Shell of every user."""
_PACKAGES: Final = frozenset({"avahi-daemon"})
"""Packages that Imager requests and that an appliance does not need: it announces its own name."""
_COMMANDS: Final = re.compile(
    r"systemctl enable --now ssh"
    r"|rfkill unblock wifi"
    r"|sh -c for f in /var/lib/systemd/rfkill/\*:wlan; do echo 0 > .*; done"
    r"|sh -c echo '\S+ ALL=\(ALL\) NOPASSWD:ALL' >/etc/sudoers\.d/\S+"
    r"|chmod 0440 /etc/sudoers\.d/\S+"
)
"""Pattern of the commands that Imager writes itself, and that need no action.

The key `sudo` is in each file that contains the commands for sudo.
"""
_KEYBOARD: Final = re.compile(r'localectl set-x11-keymap "?[\w,-]*"? pc105|setupcon -k --force \|\| true')
_CONNECT: Final = re.compile(
    r"sh -c .*(/com\.raspberrypi\.connect\b|/rpi-connect\b|rpi-connect[\w-]*\.(service|path)).*"
    r"|sh -c (install -o \S+ -m 700 -d|chown -R \S+) \S+/\.config/systemd\S*( \S+/\.config/systemd\S*)?"
    r"|sh -c install (-d -m 0755|-m 0644 /dev/null) /var/lib/systemd/linger\S*"
    r"|sh -c loginctl enable-linger .*|sleep 2|sh -c systemctl --quiet --user .*",
    re.DOTALL,
)
"""Pattern of the commands that set up Raspberry Pi Connect."""


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
            "timezone": self._timezone,
            "keyboard": lambda key, _: answers.keyboard(sheet, key.text, key.line),
            "locale": lambda key, _: answers.locale(sheet, key.text, key.line),
            "user": self._user,
            "users": self._users,
            "ssh_authorized_keys": self._keys,
            "ssh_pwauth": self._logins,
            "packages": self._packages,
            "runcmd": self._commands,
            "rpi": lambda _, value: each_key(
                value, sheet, {"interfaces": self._interfaces, "enable_usb_gadget": self._usb_gadget}
            ),
        }
        each_key(root, sheet, readers, no_effect=NO_EFFECT)
        if self._password_logins is not None:
            sheet.refuse_password_logins("ssh_pwauth", self._password_logins)

    def _timezone(self, key: Text, value: Node) -> None:
        name = text_of(self._sheet, key, value)
        if name:
            answers.timezone(self._sheet, key.text, key.line, name)

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
            "groups": lambda key, _: answers.groups(sheet, key.text, key.line),
            "shell": self._shell,
            "sudo": self._sudo,
            "gecos": lambda key, _: sheet.note(key.text, key.line, "the full name is not stored"),
        }
        each_key(value, sheet, readers)
        if self._is_locked:
            sheet.values.pop("password_hash", None)

    def _shell(self, key: Text, value: Node) -> None:
        if text_of(self._sheet, key, value) != _SHELL:
            self._sheet.note(key.text, key.line, f"the user's shell is {_SHELL}")

    def _sudo(self, key: Text, value: Node) -> None:
        rules = [each for each in items_of(value) if isinstance(each, Text)]
        if any("NOPASSWD" in each.text for each in rules):
            answers.passwordless_sudo(self._sheet, key.text, key.line)

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
        commands = [each for each in items_of(value) if not _COMMANDS.fullmatch(_command(each))]
        for pattern, answer in ((_KEYBOARD, answers.keyboard), (_CONNECT, answers.connect)):
            ours = [each for each in commands if pattern.fullmatch(_command(each))]
            if ours:
                answer(self._sheet, key.text, ours[0].line)
        others = [
            each
            for each in commands
            if not _KEYBOARD.fullmatch(_command(each)) and not _CONNECT.fullmatch(_command(each))
        ]
        if others:
            count = f"{len(others)} commands are" if len(others) > 1 else "a command is"
            self._sheet.leave_unread(
                key.text, others[0].line, f"{count} not executed; Logboat executes no commands from this file"
            )

    def _interfaces(self, _key: Text, value: Node) -> None:
        buses = dict.fromkeys(("i2c", "spi", "onewire"), self._bus)
        each_key(value, self._sheet, {**buses, "serial": self._serial})

    def _bus(self, key: Text, value: Node) -> None:
        if boolean_of(self._sheet, key, value):
            answers.bus(self._sheet, key.text, key.line)

    def _serial(self, key: Text, value: Node) -> None:
        if isinstance(value, Pairs):
            readers = dict.fromkeys(("console", "hardware"), self._serial)
            each_key(value, self._sheet, readers)
        elif boolean_of(self._sheet, key, value):
            answers.serial(self._sheet, key.text, key.line)

    def _usb_gadget(self, key: Text, value: Node) -> None:
        if boolean_of(self._sheet, key, value):
            answers.usb_gadget(self._sheet, key.text, key.line)


def _command(node: Node) -> str:
    if isinstance(node, Text):
        return node.text
    words = node.items if isinstance(node, Items) else ()
    return " ".join(each.text if isinstance(each, Text) else "…" for each in words)
