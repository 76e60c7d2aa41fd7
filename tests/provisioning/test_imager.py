"""Raspberry Pi Imager's settings are read from all three file formats that it writes to a card."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.imager.reader import FILES, ImagerReading
from provisioning.imager.reader import read as read_files
from provisioning.imager.requested_settings import Customisation, RequestedWifi
from provisioning.networks.ssid import octets_of
from services.boot.imager import checks

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
hidden = true
country = "DE"
[locale]
timezone = "Europe/Berlin"
"""
ASKED = Customisation(
    host_name="dinghy",
    user="anna",
    password_hash="$5$hQzYe$Kv8OjdcPj",
    ssh_keys=("ssh-ed25519 AAAAC3Nza anna", "ssh-rsa AAAAB3 bob"),
    wifi=(RequestedWifi("Bob's harbour", "0123456789abcdef", hidden=True),),
    country="DE",
    timezone="Europe/Berlin",
)
NEWEST_USER_DATA = """\
manage_resolv_conf: false

hostname: dinghy
manage_etc_hosts: true
packages:
- avahi-daemon
apt:
  preserve_sources_list: true
  conf: |
    Acquire {
      Check-Date "false";
    };
timezone: Europe/Berlin
keyboard:
  model: pc105
  layout: "de"
user:
  name: anna
  shell: /bin/bash
  lock_passwd: false
  passwd: "$5$hQzYe$Kv8OjdcPj"
  ssh_authorized_keys:
    - "ssh-ed25519 AAAAC3Nza anna"
    - "ssh-rsa AAAAB3 bob"
  sudo: null
ssh_pwauth: false
rpi:
  interfaces:
    i2c: true
runcmd:
  - [ systemctl, enable, --now, ssh ]
  - [ sh, -c, "echo 'anna ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/010_anna-nopasswd" ]
  - [ chmod, '0440', '/etc/sudoers.d/010_anna-nopasswd' ]
"""
"""Content of `user-data` as Imager 2.0.10 writes it."""
NEWEST_NETWORK_CONFIG = """\
network:
  version: 2
  ethernets:
    eth0:
      dhcp4: true
      dhcp6: true
      optional: true
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


def read(files: Mapping[str, str]) -> ImagerReading:
    """Read Imager's files as an appliance with two system users does."""
    return read_files({name: text.encode() for name, text in files.items()}, checks({"root", "skipper"}))


def told(files: Mapping[str, str]) -> list[str]:
    return [str(problem) for problem in read(files).problems]


def points(text: str) -> str:
    """Return a `network-config` file that contains these lines below `access-points`."""
    below = "".join(f"        {line}\n" for line in text.splitlines())
    return f"network:\n  version: 2\n  wifis:\n    wlan0:\n      access-points:\n{below}"


@pytest.mark.parametrize(
    "files",
    [
        {"firstrun.sh": SCRIPT},
        {"user-data": f"#cloud-config\n{USER_DATA}", "network-config": NETWORK_CONFIG},
        {"user-data": NEWEST_USER_DATA, "network-config": NEWEST_NETWORK_CONFIG},
        {"custom.toml": TOML},
    ],
    ids=["script", "cloud-init", "cloud-init of 2.0.10", "toml"],
)
def test_settings_of_imager_are_read(files: dict[str, str]) -> None:
    found = read(files)
    assert (found.asked, found.problems, found.understood) == (ASKED, (), tuple(files))


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"firstrun.sh": "#!/bin/sh\nexit 0\n"},
        {"user-data": "#cloud-config\n", "network-config": "# nothing\n"},
        {"user-data": "", "network-config": "---\n"},
        {"custom.toml": "[system]\n"},
    ],
)
def test_files_without_settings_yield_nothing(files: dict[str, str]) -> None:
    assert read(files) == ImagerReading(Customisation(), (), ())


def test_scripts_are_not_executed_and_variables_are_not_used_as_names() -> None:
    found = read({"firstrun.sh": '   /usr/lib/userconf-pi/userconf "$USER" "$HASH"\n'})
    assert found.asked == Customisation()
    assert [(problem.line, problem.key) for problem in found.problems] == [(1, "userconf")]


def test_plaintext_password_is_not_stored_and_is_reported() -> None:
    found = read({"custom.toml": '[user]\nname = "anna"\npassword = "secret"\n'})
    assert found.asked == Customisation(user="anna")
    assert [(problem.line, problem.text) for problem in found.problems] == [
        (3, "a plain-text password is not accepted")
    ]
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("written", "ssid"),
    [
        ('"Hafenb\\xc3\\xbcro"', "Hafenbüro"),
        ('"Hafenbüro"', "Hafenbüro"),
        ("Hafenbüro", "Hafenbüro"),
        ("'Hafenbüro'", "Hafenbüro"),
        ('"Hafenb\\u00fcro"', "Hafenbüro"),
        ('"\\xf0\\x9f\\x9b\\xb5 deck"', "🛵 deck"),
        ('"Ã¼"', "Ã¼"),
        ("no", "no"),
        ("0755", "0755"),
        ("12:30", "12:30"),
        ("~", "~"),
        ('"a: b # c"', "a: b # c"),
        ("'it''s'", "it's"),
        ('"say \\"hi\\""', 'say "hi"'),
    ],
)
def test_network_names_are_decoded(written: str, ssid: str) -> None:
    found = read({"network-config": points(f"{written}:\n  password: 12345678")})
    assert (found.asked.wifi, found.problems) == ((RequestedWifi(ssid, "12345678"),), ())


def test_name_that_can_be_text_or_bytes_is_used_as_both() -> None:
    found = read({"network-config": points('"Hafenb\\xfcro":\n  password: 12345678')})
    assert [octets_of(point.ssid) for point in found.asked.wifi] == ["Hafenbüro".encode(), b"Hafenb\xfcro"]
    assert found.problems == ()


def test_wpa3_network_of_netplan_is_joined() -> None:
    text = "a:\n  auth:\n    key-management: sae\n    password: secretpass"
    assert read({"network-config": points(text)}).asked.wifi == (
        RequestedWifi("a", "secretpass", security="wpa3"),
    )


def test_settings_of_several_networks_are_kept_apart() -> None:
    text = 'marina:\n  password: "correct horse"\n  hidden: yes\n"open sea": {}\nfree:\nhome:\n  auth:\n'
    text += '    key-management: psk\n    password: "battery staple"\nmarket:\n  auth: {key-management: none}'
    assert read({"network-config": points(text)}) == ImagerReading(
        Customisation(
            wifi=(
                RequestedWifi("marina", "correct horse", hidden=True),
                RequestedWifi("open sea"),
                RequestedWifi("free"),
                RequestedWifi("home", "battery staple"),
                RequestedWifi("market"),
            )
        ),
        (),
        ("network-config",),
    )


@pytest.mark.parametrize(
    ("text", "line", "joined"),
    [
        ("a:\n  auth:\n    key-management: eap\n    identity: anna\n    password: secretpass", 8, ()),
        ("a:\n  mode: adhoc", 7, ()),
        ("a:\n  password: short", 6, ()),
        ("a:\n  password: [secretpass]", 7, ()),
        ("a:\n  hidden: perhaps", 7, ("a",)),
        ("a:\n  bssid: 00:11:22:33:44:55", 7, ("a",)),
        ("a: {}\na: {password: secretpass}", 7, ()),
        ("? [a]\n: {}", 6, ()),
        ("!ssid a: {}", 6, ()),
        (f"{'a' * 33}: {{}}", 6, ()),
    ],
)
def test_unsupported_network_is_reported_and_the_file_is_kept(
    text: str, line: int, joined: tuple[str, ...]
) -> None:
    found = read({"network-config": points(text)})
    assert [problem.line for problem in found.problems][:1] == [line]
    assert tuple(point.ssid for point in found.asked.wifi) == joined
    assert found.understood == ()
    assert "secretpass" not in str(found)


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"user-data": "hostname: dinghy\nwrite_files: []\n"}, "user-data:2: write_files"),
        ({"user-data": "users:\n- name: anna\n  uid: 1000\n"}, "user-data:3: uid"),
        ({"user-data": "users:\n- default\n- anna\n- bob\n"}, "user-data:4: users"),
        ({"user-data": "user:\n  name: anna\n  plain_text_passwd: x\n"}, "user-data:3: plain_text_passwd"),
        ({"user-data": "user: skipper\n"}, "user-data:1: user"),
        ({"user-data": "user: Anna\n"}, "user-data:1: user"),
        ({"user-data": "user: ../../etc/logboat\n"}, "user-data:1: user"),
        ({"user-data": "user: {name: anna, passwd: secret}\n"}, "user-data:1: passwd"),
        ({"user-data": "hostname: two words\n"}, "user-data:1: hostname"),
        ({"user-data": 'hostname: "dinghy\\nroot"\n'}, "user-data:1: hostname"),
        ({"user-data": "hostname: [a]\n"}, "user-data:1: hostname"),
        ({"user-data": "packages: [avahi-daemon, htop]\n"}, "user-data:1: packages"),
        ({"user-data": "runcmd:\n- rfkill unblock wifi\n- reboot\n"}, "user-data:3: runcmd"),
        ({"user-data": "rpi:\n  interfaces:\n    ssh: true\n"}, "user-data:3: ssh"),
        ({"user-data": "user: anna\nssh_pwauth: true\n"}, "user-data:2: ssh_pwauth"),
        ({"user-data": "ssh_authorized_keys:\n- ssh-ed25519\n"}, "user-data:2: ssh_authorized_keys"),
        ({"user-data": "#!/bin/sh\nreboot\n"}, "user-data:1"),
        ({"user-data": "- a\n"}, "user-data:1"),
        ({"user-data": "a: [\n"}, "user-data:2"),
        ({"user-data": "a: 1\n\tb: 2\n"}, "user-data:2"),
        ({"user-data": "a: 1\n---\nb: 2\n"}, "user-data:2"),
        ({"user-data": "hostname: a\nhostname: b\n"}, "user-data:2"),
        ({"user-data": "hostname: !!binary ZGluZ2h5\n"}, "user-data:1"),
        ({"user-data": "a: &a [*a]\n"}, "user-data"),
        ({"user-data": "hostname: a\0b\n"}, "user-data"),
        ({"user-data": "[" * 5000}, "user-data"),
        ({"network-config": "version: 1\n"}, "network-config:1: version"),
        (
            {"network-config": "network:\n  ethernets:\n    eth0:\n      addresses: [10.0.0.2/24]\n"},
            "network-config:4: addresses",
        ),
        (
            {"network-config": "network:\n  ethernets:\n    eth0:\n      dhcp4: false\n"},
            "network-config:4: dhcp4",
        ),
        (
            {"network-config": 'network:\n  wifis:\n    w:\n      regulatory-domain: "Germany"\n'},
            "network-config:4: regulatory-domain",
        ),
        ({"network-config": "network:\n  bridges: {}\n"}, "network-config:2: bridges"),
        ({"firstrun.sh": "set +e\napt-get install -y htop\n"}, "firstrun.sh:2: apt-get"),
        (
            {"firstrun.sh": "   /usr/lib/x/imager_custom import_ssh_id gh:anna\n"},
            "firstrun.sh:1: import_ssh_id",
        ),
        ({"firstrun.sh": "   imager_custom set_wlan 'it\n"}, "firstrun.sh:1: imager_custom"),
        ({"firstrun.sh": "   imager_custom set_wlan net short DE\n"}, "firstrun.sh:1: set_wlan"),
        ({"custom.toml": "broken ["}, "custom.toml:1:8: broken"),
        ({"custom.toml": "system = 1\n"}, "custom.toml:1: system"),
        ({"custom.toml": '[ssh]\nssh_import_id = "gh:anna"\n'}, "custom.toml:2: [ssh], ssh_import_id"),
        ({"custom.toml": '[user]\nname = "root"\n'}, "custom.toml:2: name"),
        ({"custom.toml": '[wlan]\nssid = "a"\nhidden = "yes"\n'}, "custom.toml:3: [wlan], hidden"),
    ],
)
def test_unsupported_setting_is_reported_with_its_place(files: dict[str, str], place: str) -> None:
    found = read(files)
    assert any(str(problem).startswith(f"{place}: ") for problem in found.problems), told(files)
    assert found.understood == ()
    assert not any("please report" in str(problem) for problem in found.problems)


def test_file_that_is_not_text_is_reported() -> None:
    found = read_files({"user-data": b"hostname: dinghy\n\xff\n", "network-config": b"x" * 1_000_001})
    assert [(problem.file.name, problem.line) for problem in found.problems] == [
        ("user-data", 2),
        ("network-config", None),
    ]


def test_unreadable_file_does_not_prevent_reading_the_other() -> None:
    found = read({"user-data": "snap: {}\nhostname: dinghy\n", "network-config": points("a: {}")})
    assert found.asked == Customisation(host_name="dinghy", wifi=(RequestedWifi("a"),))
    assert found.understood == ("network-config",)


def test_locked_password_counts_as_no_password() -> None:
    text = 'user:\n  name: anna\n  passwd: "$5$a$b"\n  lock_passwd: true\n'
    assert read({"user-data": text}).asked == Customisation(user="anna")


@given(st.dictionaries(st.sampled_from(FILES), st.binary(max_size=200) | st.text().map(str.encode)))
def test_any_files_can_be_read(files: Mapping[str, bytes]) -> None:
    found = read_files(files, checks(()))
    assert not set(found.understood) & {problem.file.name for problem in found.problems}
    assert not any("please report" in str(problem) for problem in found.problems)
