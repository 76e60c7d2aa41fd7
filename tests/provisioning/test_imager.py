"""What Raspberry Pi Imager leaves on a card is understood, in the three shapes that there are."""

import pytest

from provisioning.imager import Customisation, read

SCRIPT = """\
#!/bin/bash
set +e
CURRENT_HOSTNAME=$(cat /etc/hostname | tr -d " \\t\\n\\r")
if [ -f /usr/lib/raspberrypi-sys-mods/imager_custom ]; then
   /usr/lib/raspberrypi-sys-mods/imager_custom set_hostname dinghy
else
   echo dinghy >/etc/hostname
fi
if [ -f /usr/lib/raspberrypi-sys-mods/imager_custom ]; then
   /usr/lib/raspberrypi-sys-mods/imager_custom enable_ssh -k 'ssh-ed25519 AAAAC3Nza anna' 'ssh-rsa AAAAB3 bob'
else
cat > "$FIRSTUSERHOME/.ssh/authorized_keys" <<'EOF'
it's no whole line of a shell
EOF
fi
   /usr/lib/userconf-pi/userconf 'anna' '$5$hQzYe$Kv8OjdcPj'
   /usr/lib/raspberrypi-sys-mods/imager_custom set_wlan  -h 'Bob'"'"'s harbour' '0123456789abcdef' 'DE'
   /usr/lib/raspberrypi-sys-mods/imager_custom set_timezone 'Europe/Berlin'
rm -f /boot/firstrun.sh
"""
USER_DATA = """\
hostname: dinghy
manage_etc_hosts: true
packages:
- avahi-daemon
apt:
  conf: |
    Acquire {
      Check-Date "false";
    };
timezone: Europe/Berlin
enable_ssh: true
users:
- name: anna
  groups: users,adm,sudo
  shell: /bin/bash
  lock_passwd: false
  passwd: $5$hQzYe$Kv8OjdcPj
  ssh_authorized_keys:
    - ssh-ed25519 AAAAC3Nza anna
    - ssh-rsa AAAAB3 bob
  sudo: ALL=(ALL) NOPASSWD:ALL
runcmd:
  - [ rfkill, unblock, wifi ]
"""
NETWORK_CONFIG = """\
network:
  version: 2
  wifis:
    wlan0:
      dhcp4: true
      regulatory-domain: "DE"
      access-points:
        "Bob's harbour":
          hidden: true
          password: "0123456789abcdef"
      optional: true
"""
TOML = """\
config_version = 1
[system]
hostname = "dinghy"
[user]
name = "anna"
password = "$5$hQzYe$Kv8OjdcPj"
password_encrypted = true
[ssh]
enabled = true
authorized_keys = [ "ssh-ed25519 AAAAC3Nza anna", "ssh-rsa AAAAB3 bob" ]
[wlan]
ssid = "Bob's harbour"
password = "0123456789abcdef"
country = "DE"
[locale]
timezone = "Europe/Berlin"
"""
ASKED = Customisation(
    host_name="dinghy",
    user="anna",
    password_hash="$5$hQzYe$Kv8OjdcPj",
    ssh_keys=("ssh-ed25519 AAAAC3Nza anna", "ssh-rsa AAAAB3 bob"),
    ssid="Bob's harbour",
    wifi_password="0123456789abcdef",
    country="DE",
    timezone="Europe/Berlin",
)


@pytest.mark.parametrize(
    "files",
    [
        {"firstrun.sh": SCRIPT},
        {"user-data": f"#cloud-config\n{USER_DATA}", "network-config": NETWORK_CONFIG},
        {"custom.toml": TOML},
    ],
    ids=["script", "cloud-init", "toml"],
)
def test_what_was_asked_for_is_read(files: dict[str, str]) -> None:
    assert read(files) == ASKED


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"firstrun.sh": "#!/bin/sh\nexit 0\n"},
        {"user-data": "#cloud-config\n", "network-config": "# nothing\n"},
        {"custom.toml": "broken ["},
        {"custom.toml": "system = 1\n"},
    ],
)
def test_where_nothing_was_asked_for_nothing_is_read(files: dict[str, str]) -> None:
    assert read(files) is None


def test_nothing_of_a_script_is_run_and_no_variable_is_taken_for_a_name() -> None:
    assert read({"firstrun.sh": '   /usr/lib/userconf-pi/userconf "$USER" "$HASH"\n'}) is None


def test_a_password_in_clear_is_not_kept() -> None:
    assert read({"custom.toml": '[user]\nname = "anna"\npassword = "secret"\n'}) == Customisation(user="anna")
