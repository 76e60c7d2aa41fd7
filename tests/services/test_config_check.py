"""The command `logboat config check FILE` finds the mistakes in `logboat.toml` and in `sensors.toml`."""

from pathlib import Path

import pytest

from provisioning.starter_files import VESSEL, starter_file
from services.boot.check import check as boot_check
from services.config.check import check
from services.config.readiness import EXAMPLE_HASH, EXAMPLE_SSH_KEY

SENSORS = """\
[[sensor]]
id = "bilge-float"
kind = "switch"
pin = {pin}
path = "bilge.main.highWater"
alarm = {{ when = "active", severity = "alarm" }}
"""


@pytest.mark.parametrize("name", ["sensors.toml", "my-sensors.toml", "new.toml"])
def test_file_of_sensors_is_recognised_by_its_name_or_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(SENSORS.format(pin=17))
    checked = check(path)
    assert checked.good
    assert checked.text.startswith(f"{name}: good\n")
    assert (
        "bilge-float  switch on pin 17  bilge.main.highWater  on and off  window 5 min  1 alarm"
        in checked.text
    )


@pytest.mark.parametrize("name", ["logboat.toml", "vessel.toml", "argo.toml"])
def test_configuration_is_recognised_by_its_name_or_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text('[vessel]\nid = "argo"\nname = "SY Argo"\nmmsi = 211234560\n')
    checked = check(path)
    assert checked.good
    assert "argo (SY Argo), MMSI 211234560" in checked.text
    assert "time zone  UTC" in checked.text
    assert "power 5, record 6" in checked.text


def test_empty_configuration_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "logboat.toml"
    path.write_text("")
    assert check(path).good


@pytest.mark.parametrize("name", ["sensors.toml", "new.toml"])
def test_file_with_no_sensors_true_is_valid(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("no_sensors = true\n")
    assert check(path).text == f"{name}: good\nno sensors are configured, so nothing will be recorded"


def test_empty_file_of_sensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text("")
    checked = check(path)
    assert not checked.good
    assert "no sensor is described, so nothing would be recorded" in checked.text
    assert "write no_sensors = true if nothing is wired" in checked.text


@pytest.mark.parametrize("content", ["", "colour = 'blue'\n"])
def test_file_of_neither_kind_is_reported(tmp_path: Path, content: str) -> None:
    path = tmp_path / "new.toml"
    path.write_text(content)
    checked = check(path)
    assert not checked.good
    assert "neither sensors.toml nor the vessel's configuration" in checked.text


@pytest.mark.parametrize("beside", ["logboat.toml", "vessel.toml"])
def test_pin_of_the_receivers_pulse_is_refused_for_a_sensor(tmp_path: Path, beside: str) -> None:
    (tmp_path / beside).write_text("[clock]\npps = 17\n")
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS.format(pin=17))
    checked = check(path)
    assert not checked.good
    assert (
        "pin: 17 is used by the satellite receiver's pulse ([clock] pps). Choose another pin" in checked.text
    )
    assert (
        "or set pps to another pin under [clock] in vessel.toml (logboat.toml on the appliance)"
        in checked.text
    )
    path.write_text(SENSORS.format(pin=27))
    assert check(path).good
    assert "17" not in check(tmp_path / beside).text


def test_problems_are_printed_one_per_line_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS.format(pin=5).replace("bilge-float", "Float"))
    checked = check(path)
    lines = checked.text.splitlines()
    assert [problem.line for problem in checked.problems] == [2, 4]
    assert lines[:2] == [str(problem) for problem in checked.problems]
    assert lines[2] == "sensors.toml: 2 problems"


@pytest.mark.parametrize("name", ["logboat.toml", "vessel.toml"])
def test_pins_of_the_lights_are_read_from_the_configuration_beside(tmp_path: Path, name: str) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS.format(pin=5))
    assert not check(path).good
    (tmp_path / name).write_text("[lights]\npower = 20\n")
    checked = check(path)
    assert checked.good
    assert f"from {name}" in checked.text


def test_default_pins_are_used_without_a_configuration_beside_and_the_reason_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS.format(pin=17))
    expected = "1 sensor; pins of lights and clock: defaults, because this folder has no vessel.toml"
    assert check(path).text.splitlines()[-1] == expected


@pytest.mark.parametrize("name", ["logboat.toml", "vessel.toml"])
def test_default_pins_are_used_beside_an_invalid_configuration_and_the_reason_is_told(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS.format(pin=17))
    (tmp_path / name).write_text("[lights]\npower = 99\n")
    expected = f"1 sensor; pins of lights and clock: defaults, because {name} contains mistakes"
    assert check(path).text.splitlines()[-1] == expected


def test_missing_file_is_reported(tmp_path: Path) -> None:
    checked = check(tmp_path / "sensors.toml")
    assert not checked.good
    assert "does not exist" in checked.text


GATEWAY = '[[gateway]]\nname = "o"\nkind = "couchbase"\nurl = "wss://a.example:4984/x"\nuser = "a"\n'


@pytest.mark.parametrize("name", ["logboat.toml", "vessel.toml"])
def test_missing_file_of_a_password_is_reported(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(f'{GATEWAY}password_file = "o.password"\n')
    checked = check(path)
    assert not checked.good
    assert 'password_file: there is no file "o.password" in the same folder. Add the file' in checked.text
    (tmp_path / "o.password").write_text("hunter-two\n")
    assert check(path).good


def test_examples_of_the_template_must_be_replaced(tmp_path: Path) -> None:
    template = starter_file(VESSEL)
    assert EXAMPLE_SSH_KEY in template
    assert EXAMPLE_HASH in template
    path = tmp_path / "vessel.toml"
    path.write_text(
        f'[network]\nssh_keys = ["ssh-ed25519 {EXAMPLE_SSH_KEY} crew@argo"]\n'
        f'[[user]]\nname = "bridge"\npassword_hash = "{EXAMPLE_HASH}"\n'
    )
    assert [problem.key for problem in check(path).warnings] == ["ssh_keys", "password_hash"]
    assert "with which nobody can log in" in check(path).text
    (tmp_path / "logboat.toml").write_text(path.read_text())
    assert [problem.line for problem in boot_check(tmp_path).warnings] == [2, 5]


def test_numbers_of_keys_and_users_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "vessel.toml"
    path.write_text('[network]\nssh_keys = ["ssh-ed25519 AAAAC3Nza anna"]\n')
    assert "SSH keys   1\nusers      none" in check(path).text
