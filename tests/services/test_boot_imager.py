"""The boot applies Raspberry Pi Imager's settings from the card, or reports them in PROBLEMS.txt."""

import json
import os
from pathlib import Path

import pytest

from services.boot import system
from tests.provisioning.bundles import bundle, put

from .test_boot import Pi, pi

__all__ = ["pi"]  # a fixture

NETWORK_CONFIG = """\
network:
  version: 2
  wifis:
    wlan0:
      dhcp4: true
      regulatory-domain: "DE"
      access-points:
        "Hafenb\\xc3\\xbcro":
          hidden: true
          password: "0123456789abcdef"
        bare name:
          password: other secret
      optional: true
"""
USER_DATA = """\
#cloud-config
hostname: dinghy
users:
- name: {}
  passwd: "$5$hQzYe$Kv8OjdcPj"
  ssh_authorized_keys:
    - ssh-ed25519 AAAAC3Nza anna
"""


@pytest.fixture
def board(pi: Pi) -> Pi:
    """Return an appliance with a radio, a vessel's identity, and the image's own users and their homes."""
    put(pi.places.inbox, bundle())
    pi.radio("wlan0", "phy0")
    pi.file("etc/passwd", "root:x:0:0::/root:/bin/sh\nskipper:x:1000:1000::/home/skipper:/bin/bash\n")
    pi.file("etc/group", "root:x:0:\ngpio:x:994:skipper\n")
    return pi


def left(pi: Pi, name: str, text: str) -> Path:
    path = pi.places.firmware / name
    path.write_text(text)
    return path


def problems(pi: Pi) -> str:
    path = pi.places.card / "PROBLEMS.txt"
    return path.read_text() if path.exists() else ""


def joined(pi: Pi) -> dict[str, str]:
    """Return the keyfiles of the Wi-Fi networks to join, by network name."""
    found = {}
    for path in pi.places.profiles.glob("logboat-join-*"):
        text = path.read_text()
        octets = text.partition("ssid=")[2].partition("\n")[0].rstrip(";").split(";")
        found[bytes(int(octet) for octet in octets).decode()] = text
    return found


def test_networks_with_accents_or_hidden_names_are_joined_with_their_passwords(board: Pi) -> None:
    path = left(board, "network-config", NETWORK_CONFIG)
    for _ in range(2):  # the second time, without the file, nothing changes
        assert board.start().problems == ()
        found = joined(board)
        assert found.keys() == {"Hafenbüro", "bare name"}
        assert "\nhidden=true\n" in found["Hafenbüro"]
        assert "\npsk=0123456789abcdef\n" in found["Hafenbüro"]
        assert "hidden" not in found["bare name"]
        assert "\npsk=other secret\n" in found["bare name"]
        assert "iw reg set DE" in board.ran
        assert not path.exists()


def test_answers_stay_in_problems_txt_until_it_is_deleted_and_turn_on_no_light(board: Pi) -> None:
    path = left(
        board, "user-data", USER_DATA.format("anna") + "timezone: Europe/Berlin\nkeyboard: {layout: de}\n"
    )
    for _ in range(3):
        found = board.start()
        assert (found.problems, found.unused) == ((), ())
        assert not path.exists()
        assert "user-data, line 8, timezone" in problems(board)
        assert 'timezone = "Europe/Berlin"' in problems(board)
        assert "user-data, line 9, keyboard" in problems(board)
    (board.places.card / "PROBLEMS.txt").unlink()
    for _ in range(2):
        assert board.start().problems == ()
        assert problems(board) == ""
    left(board, "user-data", "#cloud-config\nlocale: de_DE\n")
    board.start()
    assert "user-data, line 2, locale" in problems(board)
    assert "keyboard" not in problems(board)


def test_time_zone_that_is_already_set_needs_no_answer(board: Pi) -> None:
    config = board.places.card / "vessel.toml"
    board.start()
    config.write_text(config.read_text().replace("[vessel]", '[vessel]\ntimezone = "Europe/Berlin"'))
    left(board, "user-data", "#cloud-config\ntimezone: Europe/Berlin\n")
    board.start()
    assert problems(board) == ""


def test_country_alone_is_read_from_the_command_line(board: Pi) -> None:
    path = left(
        board, "cmdline.txt", "console=tty1 cfg80211.ieee80211_regdom=NL systemd.run=/boot/firstrun.sh"
    )
    for _ in range(2):
        assert board.start().problems == ()
        assert "iw reg set NL" in board.ran
        assert path.exists()


def test_network_whose_name_is_not_utf_8_is_joined(board: Pi) -> None:
    text = '[wlan]\nssid_hex = "486166e4"\npassword = "correct horse"\nhidden = true\ncountry = "DE"\n'
    left(board, "rpi-preseed.toml", f'config_version = "1.0"\n\n{text}')
    for _ in range(2):
        assert board.start().problems == ()
        [profile] = board.places.profiles.glob("logboat-join-*")
        assert "\nssid=72;97;102;228;\n" in profile.read_text()
        assert not (board.places.firmware / "rpi-preseed.toml").exists()


def test_unsupported_settings_remain_on_the_card_and_are_named_until_removed(board: Pi) -> None:
    text = USER_DATA.format("anna") + "write_files:\n- path: /etc/x\n"
    users = left(board, "user-data", text)
    networks = left(
        board, "network-config", NETWORK_CONFIG.replace("bare name:", "bare name:\n          band: 5GHz")
    )
    before = (users.read_bytes(), networks.read_bytes())
    for _ in range(2):
        found = board.start()
        assert (users.read_bytes(), networks.read_bytes()) == before
        assert len(found.problems) == 2
        assert "user-data, line 8, write_files" in problems(board)
        assert "network-config, line 12, band" in problems(board)
        assert "hostname dinghy" in board.ran  # the supported settings are applied
        assert (board.places.users / "anna.user").exists()
        assert joined(board).keys() == {"Hafenbüro", "bare name"}
    users.write_text(USER_DATA.format("anna"))
    networks.write_text(NETWORK_CONFIG)
    assert board.start().problems == ()
    assert problems(board) == ""
    assert not users.exists()
    assert not networks.exists()


def test_earlier_settings_remain_while_another_file_has_problems(board: Pi) -> None:
    left(board, "network-config", NETWORK_CONFIG)
    left(board, "user-data", USER_DATA.format("anna") + "snap: {}\n")
    board.start()
    assert not (board.places.firmware / "network-config").exists()
    board.start()
    assert joined(board).keys() == {"Hafenbüro", "bare name"}


@pytest.mark.parametrize("name", ["skipper", "root", "logboat", "gpio", "../elsewhere"])
def test_user_name_of_the_system_takes_over_no_home(board: Pi, name: str) -> None:
    home = board.places.homes / name
    home.mkdir(parents=True, exist_ok=True)
    (home / ".profile").write_text("theirs")
    os.chown(home, 4711, 4711)
    path = left(board, "user-data", USER_DATA.format(name))
    found = board.start()
    assert home.stat().st_uid == 4711
    assert not board.places.users.exists()
    assert path.exists()
    assert "user-data, line 4, name" in problems(board)
    assert len(found.problems) == 1
    assert "hostname dinghy" in board.ran
    assert "ssh-ed25519 AAAAC3Nza anna" in (board.places.ssh / "authorized_keys").read_text()


def test_home_of_another_user_is_not_taken_over(board: Pi) -> None:
    home = board.places.homes / "anna"
    home.mkdir(parents=True)
    os.chown(home, 4711, 4711)
    left(board, "user-data", USER_DATA.format("anna"))
    found = board.start()
    assert home.stat().st_uid == 4711
    assert "anna: the folder belongs to another user, and was not changed" in found.problems[0]


def test_stored_user_with_a_reserved_name_is_no_longer_created(board: Pi) -> None:
    board.start()
    kept = board.places.etc / ".imager.json"
    old = {"host_name": "dinghy", "user": "skipper", "password_hash": "$5$a$b", "ssh_keys": []}
    kept.write_text(json.dumps({**old, "ssid": "marina", "wifi_password": "correct horse", "country": "DE"}))
    home = board.places.homes / "skipper"
    home.mkdir(parents=True)
    os.chown(home, 1000, 1000)
    found = board.start()
    assert home.stat().st_uid == 1000
    assert '"skipper" is reserved by the system' in found.problems[0]
    assert joined(board).keys() == {"marina"}
    assert board.start().problems == ()
    assert joined(board).keys() == {"marina"}


def test_interrupted_wipe_is_completed_and_not_reported(board: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    from provisioning import files

    path = left(board, "network-config", NETWORK_CONFIG)
    remove = files.remove

    def cut(target: Path) -> None:
        if target == path:
            raise KeyboardInterrupt
        remove(target)

    with monkeypatch.context() as patch:
        patch.setattr(files, "remove", cut)
        with pytest.raises(KeyboardInterrupt):
            board.start()
    assert path.read_bytes() == bytes(len(path.read_bytes()))
    assert board.start().problems == ()
    assert not path.exists()
    assert joined(board).keys() == {"Hafenbüro", "bare name"}


def test_utf_16_file_from_windows_is_not_mistaken_for_a_partly_wiped_one(board: Pi) -> None:
    path = left(board, "network-config", NETWORK_CONFIG)
    board.start()
    path.write_bytes(NETWORK_CONFIG.encode("utf-16"))
    before = path.read_bytes()
    [problem] = board.start().problems
    assert problem.startswith("network-config:1: the file is not UTF-8 text")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "name", ["../../..", "../../../etc/cron.d", "a/b", "/etc", ".", "..", "a\\0", "-rf", "a b", "x" * 300]
)
@pytest.mark.parametrize("file", ["user-data", "custom.toml", "firstrun.sh", ".imager.json"])
def test_user_name_cannot_lead_out_of_its_folder(board: Pi, name: str, file: str) -> None:
    """Names are checked in every file, even in an older release's record, as root creates the folders."""
    board.start()
    around = [*board.root.parents, *board.root.rglob("*")]
    before = {path: path.lstat().st_uid for path in around}
    if file == "user-data":
        left(board, file, USER_DATA.format(json.dumps(name)))
    elif file == "custom.toml":
        left(board, file, f"config_version = 1\n[user]\nname = {json.dumps(name)}\n")
    elif file == "firstrun.sh":
        left(board, file, f"#!/bin/bash\n/usr/lib/userconf-pi/userconf '{name}' '$5$hQzYe$Kv8OjdcPj'\n")
    else:
        kept = {"user": name, "password_hash": "$5$hQzYe$Kv8OjdcPj"}
        (board.places.etc / file).write_text(json.dumps(kept))
    board.start()
    assert {path: path.lstat().st_uid for path in around if path.exists()} == before
    assert not any(board.places.homes.rglob("*"))
    assert not any(board.places.users.rglob("*"))


def test_imagers_file_that_is_too_long_is_not_read(board: Pi) -> None:
    left(board, "user-data", "#cloud-config\n" + "- a\n" * 100_000)
    board.start()
    assert "too long" in problems(board)


def test_user_record_with_a_path_outside_its_folder_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="this user name is not allowed"):
        system.make_user({"../x.user": "{}"}, folder=tmp_path / "db", home=tmp_path / "homes", uid=1100)
    assert list(tmp_path.iterdir()) == []
