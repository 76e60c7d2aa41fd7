"""Reader of `firstrun.sh` as Raspberry Pi Imager 1 writes it; the script is never run.

The settings are read from the script's calls to `imager_custom` and `userconf`. Imager also writes lines for
systems without these two programs. These lines are recognised and ignored. Any other line was added by
someone, and is reported as a problem.
"""

import re
import shlex
from typing import Final

from .requested_settings import RequestedWifi, SettingsSheet

_OWN: Final = re.compile(
    r"#.*|set \+e|exit 0|then|else|fi|done|\}?"
    r"|if \[.*(imager_custom|userconf|FIRSTUSER|autologin\.conf|010_pi-nopasswd).*\].*; then"
    r'|if grep -q "\^autologin-user=" .*; then'
    r"|CURRENT_HOSTNAME=\$\(cat /etc/hostname.*\)|FIRSTUSER(HOME)?=.*(getent passwd|/home/|/root).*"
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
_HEREDOC: Final = re.compile(r"<<-?\s*'?(\w+)'?$")
_FLAGS: Final = {
    "enable_ssh": ("-k", "--key-only", "-p", "--pass-auth", "-d", "--disabled"),
    "set_wlan": ("-h", "--hidden", "-p", "--plain"),
}
"""Flags of `imager_custom` in raspberrypi-sys-mods; they may be at any position among the arguments."""


def read(text: str, sheet: SettingsSheet) -> None:
    """Record the settings that the file requests."""
    ending: str | None = None
    for line, row in enumerate(text.splitlines(), start=1):
        stripped = row.strip()
        if ending is not None:
            ending = None if stripped == ending else ending
        elif (call := _call(stripped)) is not None:
            _read_call(call, sheet, line)
        elif _OWN.fullmatch(stripped):
            heredoc = _HEREDOC.search(stripped)
            ending = heredoc[1] if heredoc else None
        else:
            text = "this line is not executed, and neither is the rest of this file"
            sheet.leave_unread(stripped.split(" ")[0][:_LONGEST], line, text)


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
            sheet.set_value("timezone", timezone, key=action, line=line)
        case "set_keymap", [_]:
            pass  # an appliance has no keyboard
        case _:
            sheet.leave_unread(action, line, "this call is not supported")
