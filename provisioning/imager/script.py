"""Reader of `firstrun.sh` as Raspberry Pi Imager 1 and 2 write it; the script is never run.

The settings are read from the script's calls to `imager_custom` and `userconf`. Imager also writes lines for
systems without these two programs. These lines are recognised and ignored. There is one exception:
`imager_custom` cannot handle a network name that is not UTF-8, so the network is then read from the lines for
`wpa_supplicant.conf`. Any other line was added by someone, and is reported as a problem.
"""

import re
import shlex
from typing import Final

from provisioning.networks.ssid import name_of

from . import answers
from .requested_settings import RequestedWifi, SettingsSheet

_OWN: Final = re.compile(
    r"#.*|set \+e|exit 0|then|else|fi|done|\}?"
    r"|if \[.*(imager_custom|userconf|FIRSTUSER|autologin\.conf|010_pi-nopasswd).*\].*; then"
    r'|if grep -q "\^autologin-user=" .*; then'
    r"|CURRENT_HOSTNAME=(\$\(cat /etc/hostname.*\)|`cat /etc/hostname.*`)"
    r"|FIRSTUSER(HOME)?=.*(getent passwd|/home/|/root).*"
    r"|echo \S+ >/etc/hostname|sed -i .* /etc/hosts"
    r'|(install|chown|chmod|cat >) .*"\$FIRSTUSERHOME/\.ssh.*'
    r"|echo 'PasswordAuthentication no' >>/etc/ssh/sshd_config|systemctl enable ssh"
    r'|echo "\$FIRSTUSER:".* \| chpasswd -e|echo "\$FIRSTUSER:.*" \| chpasswd -e'
    r'|usermod .*"\$FIRSTUSER"|usermod -m -d "/home/.*|groupmod -n .*"\$FIRSTUSER"'
    r"|sed .*(lightdm\.conf|autologin\.conf|010_pi-nopasswd).*"
    r"|echo '.* NOPASSWD:ALL' >'/etc/sudoers\.d/.*'|chmod 0440 '/etc/sudoers\.d/.*'"
    r"|cat >/etc/wpa_supplicant/wpa_supplicant\.conf <<'\w+'|chmod 600 /etc/wpa_supplicant/\S+"
    r"|rfkill unblock wifi|for filename in /var/lib/systemd/rfkill/\*:wlan ; do|echo 0 > \$filename"
    r'|rm -f /etc/localtime|echo ".*" >/etc/timezone|dpkg-reconfigure -f noninteractive \S+'
    r"|cat >/etc/default/keyboard <<'\w+'"
    r"|rm -f /boot/(firmware/)?firstrun\.sh|sed -i 's\| systemd\.run\.\*\|\|g' /boot/(firmware/)?cmdline\.txt"
)
_NO_PASSWORD: Final = re.compile(r"echo '.* NOPASSWD:ALL' >'/etc/sudoers\.d/.*'")
_SUPPLICANT: Final = "cat >/etc/wpa_supplicant/wpa_supplicant.conf"
_NOT_BY_IMAGER_CUSTOM: Final = re.compile(r"if \[.*imager_custom \] && false; then")
"""Line before the network of a card whose network name `imager_custom` cannot handle."""
_CONNECT: Final = re.compile(
    r'TARGET_USER=".*"|TARGET_HOME=\$\(getent passwd .*\)|if \[ -z "\$TARGET_HOME" \].*; fi'
    r'|install -o "\$TARGET_USER" -m 700 -d .*|cat > "\$TARGET_HOME/\.config/com\.raspberrypi\.connect/.*'
    r'|(chown|chmod) .*"\$TARGET_HOME/\.config/(com\.raspberrypi\.connect|systemd).*'
    r'|SYSTEMD_USER_BASE=.*|UNIT_SRC="[^"]*/rpi-connect.*|ln -sf "\$UNIT_SRC" .*rpi-connect[\w.-]*"'
    r"|install (-d -m 0755|-m 0644 /dev/null) .*/var/lib/systemd/linger.*"
    r'|loginctl enable-linger "\$TARGET_USER".*|sleep 2|systemctl --quiet --user --machine .*'
)
"""Lines that set up Raspberry Pi Connect."""
_DEPLOYMENT: Final = "/com.raspberrypi.connect/auth.key"
_HEREDOC: Final = re.compile(r"<<-?\s*'?(\w+)'?$")
_FLAGS: Final = {
    "enable_ssh": ("-k", "--key-only", "-p", "--pass-auth", "-d", "--disabled"),
    "set_wlan": ("-h", "--hidden", "-p", "--plain"),
}
"""Flags of `imager_custom` in raspberrypi-sys-mods; they may be at any position among the arguments."""


def read(text: str, sheet: SettingsSheet) -> None:
    """Record the settings that the file requests."""
    script = _Script(sheet)
    for line, row in enumerate(text.splitlines(), start=1):
        script.take(line, row.strip())
    script.end()


class _Script:
    def __init__(self, sheet: SettingsSheet) -> None:
        self._sheet = sheet
        self._ending: str | None = None
        """Last line of the text that began with `<<`; None outside such a text."""
        self._is_fallback = False
        """True if `imager_custom` does not configure the network."""
        self._supplicant: list[tuple[int, str]] = []
        """Numbers and texts of the lines for `wpa_supplicant.conf`."""
        self._password_logins: int | None = None
        """Number of the line that requests logins with a password; None if there is none."""

    def take(self, line: int, row: str) -> None:
        """Process the next line."""
        if self._ending is not None:
            if self._ending == _END_OF_SUPPLICANT and row != self._ending:
                self._supplicant.append((line, row))
            if row == self._ending:
                self._ending = None
        elif (call := _call(row)) is not None:
            if call[1:2] == ["enable_ssh"] and not set(call[2:]) - {"-p", "--pass-auth"}:
                self._password_logins = line
            else:
                _read_call(call, self._sheet, line)
        elif _OWN.fullmatch(row) or _CONNECT.fullmatch(row):
            self._own_line(line, row)
        else:
            text = "this line is not executed, and neither is the rest of this file"
            self._sheet.leave_unread(row.split(" ", maxsplit=1)[0][:_LONGEST], line, text)

    def _own_line(self, line: int, row: str) -> None:
        heredoc = _HEREDOC.search(row)
        self._ending = heredoc[1] if heredoc else None
        if _NOT_BY_IMAGER_CUSTOM.fullmatch(row):
            self._is_fallback = True
        elif _NO_PASSWORD.fullmatch(row):
            answers.passwordless_sudo(self._sheet, "NOPASSWD", line)
        elif heredoc and _DEPLOYMENT in row:
            answers.connect(self._sheet, "auth.key", line)

    def end(self) -> None:
        """Process the end of the file."""
        if self._is_fallback and self._supplicant:
            _read_supplicant(self._supplicant, self._sheet)
        if self._password_logins is not None:
            self._sheet.refuse_password_logins("enable_ssh", self._password_logins)


_END_OF_SUPPLICANT: Final = "WPAEOF"


def _read_supplicant(rows: list[tuple[int, str]], sheet: SettingsSheet) -> None:
    """Read the network from the lines of wpa_supplicant.conf."""
    values = {key: (line, value) for line, row in rows for key, _, value in [row.partition("=")]}
    line, written = values.get("ssid", (rows[0][0], ""))
    try:
        ssid = name_of(bytes.fromhex(written.removeprefix("hex:")))
    except ValueError:
        sheet.leave_unread("ssid", line, "the name of the network is not hexadecimal")
        return
    point = RequestedWifi(ssid, values.get("psk", (0, ""))[1], hidden="scan_ssid" in values)
    sheet.join(point, key="ssid", line=line)
    if "country" in values:
        sheet.set_value("country", values["country"][1], key="country", line=values["country"][0])


_LONGEST: Final = 40


def _call(row: str) -> list[str] | None:
    """Return the words of a call, beginning with the program, or None if the line calls neither program.

    If only a shell could evaluate the arguments (variables, strings of several lines), only the program is
    returned.
    """
    program = row.split(" ", maxsplit=1)[0].rpartition("/")[2]
    if program not in ("imager_custom", "userconf"):
        return None
    if "$" in re.sub("'[^']*'", "", row):
        return [program]
    try:
        return [program, *shlex.split(row)[1:]]
    except ValueError:
        return [program]


def _read_call(call: list[str], sheet: SettingsSheet, line: int) -> None:
    match call:
        case ["userconf", name, *rest] if len(rest) <= 1:
            sheet.set_value("user", name, key="userconf", line=line)
            if rest and rest[0]:
                sheet.set_value("password_hash", rest[0], key="userconf", line=line)
        case ["imager_custom", action, *words]:
            flags = {word for word in words if word in _FLAGS.get(action, ())}
            _action(action, [word for word in words if word not in flags], flags, sheet, line)
        case _:
            sheet.leave_unread(call[0], line, "this call is not supported")


def _action(action: str, words: list[str], flags: set[str], sheet: SettingsSheet, line: int) -> None:
    match action, words:
        case "set_hostname", [name]:
            sheet.set_value("host_name", name, key=action, line=line)
        case "enable_ssh", keys:
            for key in keys:
                sheet.add_key(key, key=action, line=line)
        case "set_wlan", [ssid, *others] if len(others) <= 2:
            password, country = [*others, "", ""][:2]
            hidden = bool(flags & {"-h", "--hidden"})
            sheet.join(RequestedWifi(ssid, password, hidden), key=action, line=line)
            if country:
                sheet.set_value("country", country, key=action, line=line)
        case "set_wlan_country", [country]:
            sheet.set_value("country", country, key=action, line=line)
        case "set_timezone", [timezone]:
            answers.timezone(sheet, action, line, timezone)
        case "set_keymap", [_]:
            answers.keyboard(sheet, action, line)
        case _:
            sheet.leave_unread(action, line, "this call is not supported")
