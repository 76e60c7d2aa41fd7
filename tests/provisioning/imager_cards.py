"""Files that Raspberry Pi Imager 1.8, 1.9 and 2.0 write to an SD card, and the settings in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from provisioning.imager.requested_settings import Customisation, RequestedWifi

KEY: Final = "ssh-ed25519 AAAAC3Nza anna"
OTHER_KEY: Final = "ssh-rsa AAAAB3 bob"
HASH: Final = "$5$hQzYe$Kv8OjdcPj"
YESCRYPT: Final = "$y$j9T$hQzYe$Kv8OjdcPj"
PSK: Final = "0123456789abcdef" * 4


@dataclass(frozen=True)
class ImagerCard:
    """Files that Imager wrote to one card, and the settings and problems that Logboat must find in them."""

    name: str
    files: Mapping[str, bytes | str]
    asked: Customisation
    notes: tuple[str, ...] = ()
    """Imager's keys for which PROBLEMS.txt contains a note but no problem, in the order of the file."""
    problems: tuple[str, ...] = ()
    """Imager's keys that are reported as problems. The file that contains them stays on the card."""
    contents: Mapping[str, bytes] = field(init=False)

    def __post_init__(self) -> None:
        encoded = {
            name: text.encode() if isinstance(text, str) else text for name, text in self.files.items()
        }
        object.__setattr__(self, "contents", encoded)


_SYS_MODS: Final = "/usr/lib/raspberrypi-sys-mods/imager_custom"


def _custom(action: str, otherwise: str, condition: str = "") -> str:
    """Return shell lines that run imager_custom if it is installed, and `otherwise` if it is not."""
    test = f"if [ -f {_SYS_MODS} ]{condition}; then\n"
    return f"{test}   {_SYS_MODS} {action}\nelse\n{otherwise}fi\n"


def _first_user(version: int) -> str:
    left, right = ("`", "`") if version == 1 else ("$(", ")")
    return (
        f"FIRSTUSER={left}getent passwd 1000 | cut -d: -f1{right}\n"
        f"FIRSTUSERHOME={left}getent passwd 1000 | cut -d: -f6{right}\n"
    )


def _host(name: str, version: int) -> str:
    left, right = ("`", "`") if version == 1 else ("$(", ")")
    otherwise = (
        f"   echo {name} >/etc/hostname\n"
        f'   sed -i "s/127.0.1.1.*$CURRENT_HOSTNAME/127.0.1.1\\t{name}/g" /etc/hosts\n'
    )
    current = f'CURRENT_HOSTNAME={left}cat /etc/hostname | tr -d " \\t\\n\\r"{right}\n'
    return current + _custom(f"set_hostname {name}", otherwise)


def _keys(version: int, *keys: str) -> str:
    if version == 1:
        write = (
            '   install -o "$FIRSTUSER" -m 600 <(printf "' + "\\n".join(keys) + '")'
            ' "$FIRSTUSERHOME/.ssh/authorized_keys"\n'
        )
    else:
        listed = "\n".join(keys)
        write = (
            f"cat > \"$FIRSTUSERHOME/.ssh/authorized_keys\" <<'EOF'\n{listed}\nEOF\n"
            '   chown "$FIRSTUSER:$FIRSTUSER" "$FIRSTUSERHOME/.ssh/authorized_keys"\n'
            '   chmod 600 "$FIRSTUSERHOME/.ssh/authorized_keys"\n'
        )
    otherwise = (
        '   install -o "$FIRSTUSER" -m 700 -d "$FIRSTUSERHOME/.ssh"\n'
        f"{write}"
        "   echo 'PasswordAuthentication no' >>/etc/ssh/sshd_config\n   systemctl enable ssh\n"
    )
    return _custom("enable_ssh -k " + " ".join(f"'{key}'" for key in keys), otherwise)


PASSWORD_LOGINS: Final = _custom("enable_ssh", "   systemctl enable ssh\n")


def _user(name: str, password: str, version: int) -> str:
    quoted = f"\"$FIRSTUSER:\"'{password}'" if version == 1 else f'"$FIRSTUSER:{password}"'
    change = f"   echo {quoted} | chpasswd -e\n" if password else ""
    return f"""\
if [ -f /usr/lib/userconf-pi/userconf ]; then
   /usr/lib/userconf-pi/userconf '{name}' '{password}'
else
{change}   if [ "$FIRSTUSER" != "{name}" ]; then
      usermod -l "{name}" "$FIRSTUSER"
      usermod -m -d "/home/{name}" "{name}"
      groupmod -n "{name}" "$FIRSTUSER"
      if grep -q "^autologin-user=" /etc/lightdm/lightdm.conf ; then
         sed /etc/lightdm/lightdm.conf -i -e "s/^autologin-user=.*/autologin-user={name}/"
      fi
      if [ -f /etc/systemd/system/getty@tty1.service.d/autologin.conf ]; then
         sed /etc/systemd/system/getty@tty1.service.d/autologin.conf -i -e "s/$FIRSTUSER/{name}/"
      fi
      if [ -f /etc/sudoers.d/010_pi-nopasswd ]; then
         sed -i "s/^$FIRSTUSER /{name} /" /etc/sudoers.d/010_pi-nopasswd
      fi
   fi
fi
"""


SUDO: Final = """\
echo 'anna ALL=(ALL) NOPASSWD:ALL' >'/etc/sudoers.d/010_anna-nopasswd'
chmod 0440 '/etc/sudoers.d/010_anna-nopasswd'
"""


def _wlan(arguments: str, ssid: str, psk: str, *, hidden: bool = False, can_call: str = "") -> str:
    """Return the lines of firstrun.sh for a network. `ssid` is written as in wpa_supplicant.conf."""
    secured = f"\tkey_mgmt=WPA-PSK SAE\n\tpsk={psk}\n\tieee80211w=1\n" if psk else "\tkey_mgmt=NONE\n"
    otherwise = (
        "cat >/etc/wpa_supplicant/wpa_supplicant.conf <<'WPAEOF'\ncountry=DE\n"
        "ctrl_interface=DIR=/var/run/wpa_supplicant GROUP=netdev\nap_scan=1\n\nupdate_config=1\nnetwork={\n"
        + ("\tscan_ssid=1\n" if hidden else "")
        + f"\tssid={ssid}\n{secured}}}\nWPAEOF\n"
        "   chmod 600 /etc/wpa_supplicant/wpa_supplicant.conf\n   rfkill unblock wifi\n"
        "   for filename in /var/lib/systemd/rfkill/*:wlan ; do\n       echo 0 > $filename\n   done\n"
    )
    if arguments:
        return _custom(f"set_wlan {arguments}", otherwise, can_call)
    return f"if [ -f {_SYS_MODS} ]{can_call}; then\nelse\n{otherwise}fi\n"


COUNTRY_ONLY: Final = (
    "rfkill unblock wifi\nfor filename in /var/lib/systemd/rfkill/*:wlan ; do\n  echo 0 > $filename\ndone\n"
)
LOCALE: Final = _custom(
    f"set_keymap 'de'\n   {_SYS_MODS} set_timezone 'Europe/Berlin'",
    '   rm -f /etc/localtime\n   echo "Europe/Berlin" >/etc/timezone\n'
    "   dpkg-reconfigure -f noninteractive tzdata\n"
    'cat >/etc/default/keyboard <<\'KBEOF\'\nXKBMODEL="pc105"\nXKBLAYOUT="de"\nXKBVARIANT=""\n'
    'XKBOPTIONS=""\n\nKBEOF\n   dpkg-reconfigure -f noninteractive keyboard-configuration\n',
)
_UNITS: Final = '"$SYSTEMD_USER_BASE'
_UNIT: Final = "/systemd/user/rpi-connect"
CONNECT: Final = (
    'TARGET_USER="anna"\nTARGET_HOME=$(getent passwd "$TARGET_USER" | cut -d: -f6)\n'
    'if [ -z "$TARGET_HOME" ] || [ ! -d "$TARGET_HOME" ]; then TARGET_HOME="/home/anna"; fi\n'
    'install -o "$TARGET_USER" -m 700 -d "$TARGET_HOME/.config/com.raspberrypi.connect"\n'
    "cat > \"$TARGET_HOME/.config/com.raspberrypi.connect/auth.key\" <<'EOF'\nrpuak_token\nEOF\n"
    'chown "$TARGET_USER:$TARGET_USER" "$TARGET_HOME/.config/com.raspberrypi.connect/auth.key"\n'
    'chmod 600 "$TARGET_HOME/.config/com.raspberrypi.connect/auth.key"\n'
    '# the units\nSYSTEMD_USER_BASE="$TARGET_HOME/.config/systemd/user"\n'
    f'install -o "$TARGET_USER" -m 700 -d {_UNITS}/default.target.wants" {_UNITS}/paths.target.wants"\n'
    + "".join(
        f'UNIT_SRC="/usr/lib{_UNIT}{unit}"; [ -f "$UNIT_SRC" ] || UNIT_SRC="/lib{_UNIT}{unit}"\n'
        f'ln -sf "$UNIT_SRC" {_UNITS}/{target}.target.wants/rpi-connect{unit}"\n'
        for unit, target in (
            (".service", "default"),
            ("-signin.path", "paths"),
            ("-wayvnc.service", "default"),
        )
    )
    + 'chown -R "$TARGET_USER:$TARGET_USER" "$TARGET_HOME/.config/systemd" || true\n'
    "install -d -m 0755 /var/lib/systemd/linger\n"
    'install -m 0644 /dev/null "/var/lib/systemd/linger/$TARGET_USER"\n'
    'loginctl enable-linger "$TARGET_USER" 2>/dev/null || true\nsleep 2\n'
    "systemctl --quiet --user --machine ${TARGET_USER}@.host daemon-reload\n"
    "systemctl --quiet --user --machine ${TARGET_USER}@.host start rpi-connect.service\n"
)


def script(*parts: str, version: int = 2) -> str:
    """Return a `firstrun.sh` as written by Imager 1 or 2."""
    first = "#!/bin/bash\n\nset +e\n\n" if version == 1 else "#!/bin/sh\n\nset +e\n\n"
    last = "rm -f /boot/firstrun.sh\nsed -i 's| systemd.run.*||g' /boot/cmdline.txt\nexit 0\n"
    return "".join([first, *parts, last])


def cmdline(country: str) -> str:
    """Return the text that Imager adds to `cmdline.txt`, which sets the country and runs its script."""
    return (
        f" cfg80211.ieee80211_regdom={country} systemd.run=/boot/firstrun.sh"
        " systemd.run_success_action=reboot systemd.unit=kernel-command-line.target"
    )


HOST_1: Final = """\
hostname: dinghy
manage_etc_hosts: true
packages:
- avahi-daemon
apt:
  conf: |
    Acquire {
      Check-Date "false";
    };

"""
USER_1: Final = """\
users:
- name: anna
  groups: users,adm,dialout,audio,netdev,video,plugdev,cdrom,games,input,gpio,spi,i2c,render,sudo
  shell: /bin/bash
"""
HOST_2: Final = HOST_1.replace("apt:\n", "apt:\n  preserve_sources_list: true\n")
LOCALE_2: Final = 'timezone: Europe/Berlin\nkeyboard:\n  model: pc105\n  layout: "de"\n'
CLOUD: Final = "#cloud-config\nmanage_resolv_conf: false\n\n"
USER_2: Final = f"""\
user:
  name: anna
  shell: /bin/bash
  lock_passwd: false
  passwd: "{YESCRYPT}"
"""
CONNECT_2: Final = r"""  - [ sh, -c, "install -o anna -m 700 -d /home/anna/.config/com.raspberrypi.connect" ]
  - [ sh, -c, "printf '%s\n' 'rpuak_token' > /home/anna/.config/com.raspberrypi.connect/auth.key && true" ]
  - [ sh, -c, "install -o anna -m 700 -d /home/anna/.config/systemd/a /home/anna/.config/systemd/b" ]
  - [ sh, -c, "UNIT_SRC=/usr/lib/systemd/user/rpi-connect.service; ln -sf $UNIT_SRC /home/anna/x" ]
  - [ sh, -c, "chown -R anna:anna /home/anna/.config/systemd" ]
  - [ sh, -c, "install -d -m 0755 /var/lib/systemd/linger" ]
  - [ sh, -c, "install -m 0644 /dev/null /var/lib/systemd/linger/anna" ]
  - [ sh, -c, "loginctl enable-linger anna 2>/dev/null || true" ]
  - [ sleep, "2" ]
  - [ sh, -c, "systemctl --quiet --user --machine=anna@.host daemon-reload || true" ]
  - [ sh, -c, "systemctl --quiet --user --machine=anna@.host start rpi-connect.service || true" ]
"""
SSH_COMMAND: Final = "\nruncmd:\n  - [ systemctl, enable, --now, ssh ]\n"
SUDO_COMMANDS: Final = """\
  - [ sh, -c, "echo 'anna ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/010_anna-nopasswd" ]
  - [ chmod, '0440', '/etc/sudoers.d/010_anna-nopasswd' ]
"""
WIFI_UNBLOCKED: Final = r"""
runcmd:
  - [ rfkill, unblock, wifi ]
  - [ sh, -c, "for f in /var/lib/systemd/rfkill/*:wlan; do echo 0 > \"$f\"; done" ]
"""
META: Final = "instance-id: rpi-imager-1764700000000\n"


def network_config(ssid: str, below: str, *, country: str = "DE") -> str:
    """Return a `network-config` as written by Imager 2. `ssid` is escaped as in that file."""
    return (
        "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      dhcp6: true\n"
        "      optional: true\n  wifis:\n    wlan0:\n      dhcp4: true\n"
        f'      regulatory-domain: "{country}"\n'
        f'      access-points:\n        "{ssid}":\n{below}      optional: true\n'
    )


OPEN_BELOW: Final = "          auth:\n            key-management: none\n"
SECURED_BELOW: Final = f'          password: "{PSK}"\n'
PRESEED_USER: Final = f"""\
[user]
name = "anna"
password = "{YESCRYPT}"
password_encrypted = true
groups = ["sudo"]
"""
BOTH_KEYS: Final = (KEY, OTHER_KEY)
MARINA: Final = RequestedWifi("marina", PSK)
CARDS: Final = (
    ImagerCard(
        "1.8, script, everything with a password",
        {
            "firstrun.sh": script(
                _host("dinghy", 1),
                _first_user(1),
                PASSWORD_LOGINS,
                _user("anna", HASH, 1),
                _wlan(f"'marina' '{PSK}' 'DE'", '"marina"', PSK),
                LOCALE,
                version=1,
            ),
            "cmdline.txt": cmdline("DE"),
        },
        Customisation("dinghy", "anna", HASH, (), (MARINA,), "DE", "Europe/Berlin"),
        ("set_keymap", "set_timezone"),
        ("enable_ssh",),
    ),
    ImagerCard(
        "1.8, script, keys and a hidden network",
        {
            "firstrun.sh": script(
                _first_user(1),
                _keys(1, *BOTH_KEYS),
                _user("anna", "", 1),
                _wlan(f" -h 'Bob'\"'\"'s harbour' '{PSK}' 'DE'", '"Bob\'s harbour"', PSK, hidden=True),
                version=1,
            ),
            "cmdline.txt": cmdline("DE"),
        },
        Customisation(
            user="anna",
            ssh_keys=BOTH_KEYS,
            wifi=(RequestedWifi("Bob's harbour", PSK, hidden=True),),
            country="DE",
        ),
    ),
    ImagerCard(
        "1.8, cloud-init",
        {
            "user-data": f"#cloud-config\n{HOST_1}{USER_1}  lock_passwd: true\n  ssh_authorized_keys:\n"
            f"    - {KEY}\n  sudo: ALL=(ALL) NOPASSWD:ALL\n\ntimezone: Europe/Berlin\nruncmd:\n"
            '- localectl set-x11-keymap "de" pc105\n- setupcon -k --force || true\n\n',
            "network-config": "version: 2\nwifis:\n"
            f'  wlan0:\n    dhcp4: true\n    optional: true\n    access-points:\n      "marina":\n'
            f'        password: "{PSK}"\n',
            "cmdline.txt": cmdline("GB"),
            "meta-data": META,
        },
        Customisation("dinghy", "anna", "", (KEY,), (MARINA,), "GB", "Europe/Berlin"),
        ("groups", "sudo", "timezone", "runcmd"),
    ),
    ImagerCard(
        "1.9, cloud-init, password",
        {
            "user-data": f"#cloud-config\n{HOST_1}{USER_1}  lock_passwd: false\n  passwd: {HASH}\n\n"
            f"ssh_pwauth: true\n\n{LOCALE_2}",
        },
        Customisation("dinghy", "anna", HASH, timezone="Europe/Berlin"),
        ("groups", "timezone", "keyboard"),
        ("ssh_pwauth",),
    ),
    ImagerCard(
        "1.9, script, user name of the system",
        {"firstrun.sh": script(_first_user(1), _user("skipper", HASH, 1), version=1)},
        Customisation(password_hash=HASH),
        problems=("userconf",),
    ),
    ImagerCard(
        "2.0, script, everything",
        {
            "firstrun.sh": script(
                _host("dinghy", 2),
                _first_user(2),
                _keys(2, *BOTH_KEYS),
                _user("anna", YESCRYPT, 2),
                SUDO,
                _wlan(f"'marina' '{PSK}' 'DE'", '"marina"', PSK, can_call=" && true"),
                CONNECT,
                LOCALE,
            ),
            "cmdline.txt": cmdline("DE"),
        },
        Customisation("dinghy", "anna", YESCRYPT, BOTH_KEYS, (MARINA,), "DE", "Europe/Berlin"),
        ("NOPASSWD", "auth.key", "set_keymap", "set_timezone"),
    ),
    ImagerCard(
        "2.0, script, network name that is not UTF-8",
        {
            "firstrun.sh": script(
                _first_user(2), _wlan("", "hex:486166e4", PSK, hidden=True, can_call=" && false")
            ),
            "cmdline.txt": cmdline("DE"),
        },
        Customisation(wifi=(RequestedWifi("Haf\udce4", PSK, hidden=True),), country="DE"),
    ),
    ImagerCard(
        "2.0, script, open network with quotes",
        {
            "firstrun.sh": script(
                _first_user(2),
                _wlan("'say \"hi\" \\ 🛵' '' 'US'", "hex:73617920", "", can_call=" && true"),
            ),
            "cmdline.txt": cmdline("US"),
        },
        Customisation(wifi=(RequestedWifi('say "hi" \\ 🛵'),), country="US"),
    ),
    ImagerCard(
        "2.0, script, country without a network",
        {"firstrun.sh": script(_first_user(2), COUNTRY_ONLY), "cmdline.txt": cmdline("NL")},
        Customisation(country="NL"),
    ),
    ImagerCard(
        "2.0, script, password logins only",
        {"firstrun.sh": script(_first_user(2), PASSWORD_LOGINS, _user("anna", YESCRYPT, 2))},
        Customisation(user="anna", password_hash=YESCRYPT),
        problems=("enable_ssh",),
    ),
    ImagerCard(
        "2.0, cloud-init, everything with keys",
        {
            "user-data": f"{CLOUD}{HOST_2}{LOCALE_2}{USER_2}  ssh_authorized_keys:\n"
            f'    - "{KEY}"\n    - "{OTHER_KEY}"\n  sudo: ALL=(ALL) NOPASSWD:ALL\n\nssh_pwauth: false\n'
            "rpi:\n  enable_usb_gadget: true\n  interfaces:\n    i2c: true\n    spi: true\n"
            f"    onewire: true\n    serial: true\n{SSH_COMMAND}{SUDO_COMMANDS}{CONNECT_2}",
            "network-config": network_config("marina", SECURED_BELOW),
            "meta-data": META,
            "cmdline.txt": " cfg80211.ieee80211_regdom=DE ds=nocloud;i=rpi-imager-1764700000000",
        },
        Customisation("dinghy", "anna", YESCRYPT, BOTH_KEYS, (MARINA,), "DE", "Europe/Berlin"),
        (
            "timezone",
            "keyboard",
            "sudo",
            "enable_usb_gadget",
            "i2c",
            "spi",
            "onewire",
            "serial",
            "runcmd",
        ),
    ),
    ImagerCard(
        "2.0, cloud-init, password logins and keys",
        {
            "user-data": f'{CLOUD}{USER_2}  ssh_authorized_keys:\n    - "{KEY}"\n  sudo: null\n\n'
            f"ssh_pwauth: true\n{SSH_COMMAND}"
        },
        Customisation(user="anna", password_hash=YESCRYPT, ssh_keys=(KEY,)),
        ("ssh_pwauth",),
    ),
    ImagerCard(
        "2.0, cloud-init, password logins without keys",
        {"user-data": f"{CLOUD}{USER_2}  sudo: null\n\nssh_pwauth: true\n{SSH_COMMAND}"},
        Customisation(user="anna", password_hash=YESCRYPT),
        problems=("ssh_pwauth",),
    ),
    ImagerCard(
        "2.0, cloud-init, serial console",
        {
            "user-data": f"{CLOUD}hostname: dinghy\nrpi:\n  interfaces:\n    serial:\n"
            "      console: true\n      hardware: false\n"
        },
        Customisation("dinghy"),
        ("console",),
    ),
    ImagerCard(
        "2.0, cloud-init, hidden open network with an accent",
        {"network-config": network_config(r"Hafenb\xc3\xbcro", f"          hidden: true\n{OPEN_BELOW}")},
        Customisation(wifi=(RequestedWifi("Hafenbüro", hidden=True),), country="DE"),
    ),
    ImagerCard(
        "2.0, cloud-init, network name that is not UTF-8",
        {"network-config": network_config(r"Haf\xe4 \\ \"", SECURED_BELOW)},
        Customisation(
            wifi=(RequestedWifi('Hafä \\ "', PSK), RequestedWifi('Haf\udce4 \\ "', PSK)), country="DE"
        ),
    ),
    ImagerCard(
        "2.0, cloud-init, country without a network",
        {"user-data": f"{CLOUD}{LOCALE_2}{WIFI_UNBLOCKED}", "cmdline.txt": " cfg80211.ieee80211_regdom=FR"},
        Customisation(country="FR", timezone="Europe/Berlin"),
        ("timezone", "keyboard"),
    ),
    ImagerCard(
        "2.0, preseed, everything",
        {
            "rpi-preseed.toml": 'config_version = "1.0"\n\n[system]\nhostname = "dinghy"\n\n'
            f"{PRESEED_USER}passwordless_sudo = true\n\n[ssh]\nenabled = true\n"
            f'password_authentication = false\nauthorized_keys = [\n  "{KEY}",\n  "{OTHER_KEY}",\n]\n\n'
            f'[wlan]\nssid = "marina"\npassword = "{PSK}"\npassword_encrypted = true\nhidden = false\n'
            'country = "DE"\n\n[locale]\nkeymap = "de"\ntimezone = "Europe/Berlin"\n\n[connect]\n'
            'enabled = true\nmode = "token"\ntoken = "rpuak_token"\n\n[interfaces]\ni2c = true\nspi = true\n'
            'onewire = true\nusb_gadget = true\nserial = "console_hardware"\n',
            "cmdline.txt": " cfg80211.ieee80211_regdom=DE",
        },
        Customisation("dinghy", "anna", YESCRYPT, BOTH_KEYS, (MARINA,), "DE", "Europe/Berlin"),
        (
            "timezone",
            "passwordless_sudo",
            "keymap",
            "enabled",
            "i2c",
            "spi",
            "onewire",
            "usb_gadget",
            "serial",
        ),
    ),
    ImagerCard(
        "2.0, preseed, network name that is not UTF-8, and password logins",
        {
            "rpi-preseed.toml": f'config_version = "1.0"\n\n{PRESEED_USER}\n[ssh]\nenabled = true\n'
            'password_authentication = true\n\n[wlan]\nssid_hex = "486166e4"\npassword = "correct horse"\n'
            'password_encrypted = false\nhidden = true\ncountry = "DE"\n'
        },
        Customisation(
            user="anna",
            password_hash=YESCRYPT,
            wifi=(RequestedWifi("Haf\udce4", "correct horse", hidden=True),),
            country="DE",
        ),
        problems=("password_authentication",),
    ),
    ImagerCard(
        "custom.toml, everything",
        {
            "custom.toml": 'config_version = 1\n[system]\nhostname = "dinghy"\n[user]\nname = "anna"\n'
            f'password = "{HASH}"\npassword_encrypted = true\n[ssh]\nenabled = true\n'
            f'password_authentication = true\nauthorized_keys = [ "{KEY}" ]\n[wlan]\nssid = "marina"\n'
            f'password = "{PSK}"\npassword_encrypted = true\nhidden = false\ncountry = "DE"\n'
            '[locale]\nkeymap = "de"\ntimezone = "Europe/Berlin"\n'
        },
        Customisation("dinghy", "anna", HASH, (KEY,), (MARINA,), "DE", "Europe/Berlin"),
        ("password_authentication", "timezone", "keymap"),
    ),
)
