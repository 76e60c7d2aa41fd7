"""The command `logboat config check FILE` finds the mistakes in `logboat.toml` and in `sensors.toml`."""

import json
import re
import time
from pathlib import Path

import pytest

from provisioning.starter_files import VESSEL, starter_file
from sensors.registry import all_kinds
from services.boot.check import check as boot_check
from services.cli.main import main
from services.config.check import check
from services.config.readiness import EXAMPLE_HASH, EXAMPLE_SSH_KEY

from .commands import logboat

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


def test_configuration_with_only_a_comment_is_valid_but_an_empty_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "logboat.toml"
    path.write_text("# empty on purpose\n")
    assert check(path).good
    path.write_text("\n")
    checked = check(path)
    assert (checked.problems, checked.good) == ((), False)
    assert "the file is empty, perhaps because of a power cut" in checked.text


@pytest.mark.parametrize("name", ["sensors.toml", "new.toml"])
def test_file_with_no_sensors_true_is_valid(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("no_sensors = true\n")
    assert check(path).text == f"{name}: good\nno sensors are configured, so nothing will be recorded"


SIREN = '[[output]]\nid = "siren"\nname = "Horn"\npin = 23\non = ["alarm"]\nwhen_silent = true\n'


def test_outputs_are_summarized_beside_the_sensors(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS.format(pin=17) + SIREN)
    lines = check(path).text.splitlines()
    row = "siren  output on pin 23  turned on by alarms of severity alarm; a recorder that stores nothing"
    assert lines[-2:] == [
        row,
        "1 sensor, 1 output; pins of lights and clock: defaults, because this folder has no vessel.toml",
    ]


def test_file_with_only_outputs_is_told_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    path.write_text(SIREN)
    assert "only outputs are described, so nothing would be recorded" in check(path).text
    path.write_text(f"no_sensors = true\n{SIREN}")
    lines = check(path).text.splitlines()
    assert lines[-2].startswith("1 output; pins of lights and clock: ")
    assert lines[-1] == "no sensors are configured, so nothing will be recorded"


def test_command_lists_outputs_as_understood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(f'no_sensors = true\n{SIREN}pattern = "slow"\nlongest = "15 min"\npause = "1 h"\n')
    assert main(["config", "check", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("sensors.toml, as understood:\nsiren (Horn), an output\n")
    for fact in (
        "header pin 16 = GPIO23, on at the high level",
        "slow (1 Hz)",
        "after 15 min; on again after 1 h",
    ):
        assert fact in shown
    assert main(["config", "check", "--json", str(path)]) == 0
    ((siren,),) = (file["outputs"] for file in json.loads(capsys.readouterr().out)["files"])
    assert (siren["output"], siren["pin"], siren["facts"][0]["subject"]) == ("siren", 23, "pin")


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
def test_pins_are_not_checked_beside_an_invalid_configuration_and_the_reason_is_told(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS.format(pin=17))
    (tmp_path / name).write_text("[lights]\npower = 99\n")
    expected = f"1 sensor; pins of lights and clock: not checked, because {name} contains mistakes"
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
    assert "which nobody can use to log in" in check(path).text
    (tmp_path / "logboat.toml").write_text(path.read_text())
    assert [problem.line for problem in boot_check(tmp_path).warnings] == [2, 5]


def test_numbers_of_keys_and_users_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "vessel.toml"
    path.write_text('[network]\nssh_keys = ["ssh-ed25519 AAAAC3Nza anna"]\n')
    assert "SSH keys   1\nusers      none" in check(path).text


UNDERSTOOD = """\
[[sensor]]
id = "fuel"
name = "Diesel"
kind = "analog"
chip = "mcp3008"
channel = 0
calibration = [[0.4, "300 l"], [1.65, 0]]
valid = [0.2, 2.0]
path = "tanks.fuel.main.currentVolume"
deadband = "500 ml"
every = "10 s"
alarm = { below = "50 l", hysteresis = "5 l", for = "5 min", severity = "warn", text = "Fuel is low" }

[[sensor]]
id = "level"
kind = "analog"
chip = "ads1115"
channel = 3
bus = 1
address = 0x49
calibration = [[0.6, 0], [3, 1]]
valid = [0.5, 3.1]
open_is_high = false
divider = 2
path = "tanks.freshWater.main.currentLevel"
alarm = [{ below = 0.15, severity = "warn" }, { above = "95 %", severity = "alert", clear_for = "1 min" }]

[[sensor]]
id = "coolant"
kind = "ds18b20"
path = "propulsion.main.coolantTemperature"
scale = 1.02
offset = "-0.9 °F"
deadband = "1 °F"
alarm = { above = "203 °F", severity = "alarm" }

[[sensor]]
id = "door"
kind = "switch"
pin = 23
normally_closed = true
noisy_above = "2 Hz"
path = "security.door.state"
alarm = { when = "active", severity = "alert" }

[[sensor]]
id = "flow"
kind = "pulse"
pin = 27
pull = "none"
pulses_per_unit = 3600000
max_pulse_rate = "2 kHz"
zero_after = "10 s"
average = "90 s"
path = "propulsion.main.fuel.rate"

[[sensor]]
id = "rpm"
kind = "pulse"
pin = 22
poles = 12
ratio = 2.5
path = "propulsion.main.revolutions"

[[sensor]]
id = "stroke"
kind = "derived"
value = "flow/rpm - '2 ml'"
path = "propulsion.main.fuel.perRevolution"
unit = "m3"
deadband = "1 ml"

[[sensor]]
id = "hours"
kind = "runtime"
pin = 24
start = "1234.5 h"
path = "propulsion.main.runTime"

[[sensor]]
id = "current"
kind = "ina226"
measure = "current"
shunt = "750 uohm"
invert = true
path = "electrical.batteries.house.current"

[[sensor]]
id = "air"
kind = "bme280"
measure = "pressure"
address = 0x77
path = "environment.inside.saloon.pressure"
window = "1 min"

[[sensor]]
id = "gas"
kind = "thermocouple"
bus = 1
path = "propulsion.main.exhaustTemperature"
"""
FACTS = {
    "fuel": {
        "path": "tanks.fuel.main.currentVolume, in m3",
        "wiring": "MCP3008, bus spi-0, chip select 0, channel 0; header pins 23 = GPIO11 (SCLK),"
        " 19 = GPIO10 (MOSI), 21 = GPIO9 (MISO), 24 = GPIO8 (CE0)",
        "calibration": "0.4 V -> 300 l, 1.65 V -> 0 l",
        "fault": "short below 0.2 V, open above 2 V",
        "converter": "0 to 3.3 V at the sender, in steps of 3.2 mV (at most 0.77 l each)",
        "sampled": "every 10 s",
        "recorded": "changes of 500 ml or more, in windows of 5 min",
        "alarm": 'warn below 50 l (until 55 l), for 5 min: "Fuel is low"',
    },
    "level": {
        "wiring": "ADS1115, bus i2c-1, address 0x49, channel 3; header pins 3 = GPIO2 (SDA), 5 = GPIO3 (SCL)",
        "calibration": "0.6 V -> 0 (0 %), 3 V -> 1 (100 %)",
        "fault": "open below 0.5 V, short above 3.1 V",
        "converter": "0 to 4.096 V at the sender (divider 2), in steps of 0.12 mV (at most 0.0052 % each)",
        "alarm": "alert above 95 %, clears after 1 min",
    },
    "coolant": {
        "wiring": "the only DS18B20 on the 1-wire bus; header pin 7 = GPIO4 (data)",
        "fault": "out-of-range below -55 °C, above 125 °C; failed after 30 s without a good reading",
        "correction": "the measured value is multiplied by 1.02, then lowered by 0.9 °F",
        "recorded": "changes of 1 °F or more, in windows of 5 min",
        "alarm": "alarm above 203 °F",
    },
    "door": {
        "path": "security.door.state, a contact",
        "wiring": "header pin 16 = GPIO23; pull up; active when high",
        "fault": "noisy above 2 changes/s",
        "alarm": "alert while active",
    },
    "flow": {
        "wiring": "header pin 13 = GPIO27; no pull resistor; active when low",
        "pulses": "100 pulses/s -> 100 l/h",
        "zero": "0 after 10 s without a pulse",
        "average": "the mean of the last 1 min 30 s",
        "fault": "noisy above 2000 pulses/s",
    },
    "rpm": {"pulses": "100 pulses/s -> 400 rpm"},
    "stroke": {
        "value": "flow / rpm - '2 ml'",
        "input": "rpm, in Hz, too old after 10 s",
        "fault": "failed if an input has a fault, stale if one is too old, out-of-range without a result",
        "sampled": "every 1 s",
        "recorded": "changes of 1 ml or more, in windows of 5 min",
    },
    "hours": {"start": "the count begins at 1234.5 h"},
    "current": {
        "wiring": "the only INA226 on bus i2c-1; header pins 3 = GPIO2 (SDA), 5 = GPIO3 (SCL)",
        "shunt": "0.75 mohm: 1 A causes 0.75 mV",
        "sign": "the current changes its sign, because the shunt is connected in reverse",
        "fault": "out-of-range from 81.9 mV across the shunt (109.2 A) in either direction",
    },
    "air": {
        "wiring": "BME280, bus i2c-1, address 0x77; header pins 3 = GPIO2 (SDA), 5 = GPIO3 (SCL)",
        "fault": "out-of-range below 300 hPa, above 1100 hPa",
        "recorded": "in windows of 1 min",
    },
    "gas": {
        "wiring": "the only MAX31855 or MAX31856 on bus spi-1; header pins 40 = GPIO21 (SCLK),"
        " 38 = GPIO20 (MOSI), 35 = GPIO19 (MISO), 12 = GPIO18 (CE0)",
        "fault": "out-of-range below -270 °C, above 1800 °C",
    },
}
"""Facts that must be shown, by sensor and subject."""


def test_what_was_understood_of_each_sensor_is_shown_in_the_units_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(UNDERSTOOD)
    (tmp_path / "vessel.toml").write_text("[lights]\nmesh = 0\nrecord = 0\ngateway = 0\n")
    done = logboat("config", "check", str(path))
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == ["sensors.toml, as understood:", "fuel (Diesel), kind analog"]
    assert "sensors.toml: good" in lines[-len(FACTS) - 3 :]
    found = json.loads(logboat("config", "check", str(path), "--json").stdout)["files"][0]["sensors"]
    assert [sensor["sensor"] for sensor in found] == list(FACTS)
    for sensor in found:
        facts = {fact["subject"]: fact["text"] for fact in sensor["facts"]}
        expected = FACTS[sensor["sensor"]]
        assert {subject: facts[subject] for subject in expected} == expected
        for subject, text in expected.items():
            assert any(line.split(maxsplit=1) == [subject, text] for line in lines)
    (water,) = (sensor for sensor in found if sensor["sensor"] == "level")
    assert [fact["text"] for fact in water["facts"] if fact["subject"] == "alarm"] == [
        "warn below 0.15 (15 %)",
        "alert above 95 %, clears after 1 min",
    ]


def test_sensors_of_a_file_with_mistakes_are_not_listed(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(UNDERSTOOD.replace('"50 l"', "50"))
    done = logboat("config", "check", str(path))
    assert done.returncode == 2
    assert "as understood" not in done.stdout
    assert json.loads(logboat("config", "check", str(path), "--json").stdout)["files"][0]["sensors"] == []


def test_verdict_follows_the_listings_of_all_files(tmp_path: Path) -> None:
    path, vessel = tmp_path / "sensors.toml", tmp_path / "vessel.toml"
    path.write_text(SENSORS.format(pin=17))
    vessel.write_text("# the defaults\n")
    told = logboat("config", "check", str(path), str(vessel)).stdout
    assert re.findall(r"^\S+: good$|^\S+, as understood:$", told, re.MULTILINE) == [
        "sensors.toml, as understood:",
        "sensors.toml: good",
        "vessel.toml: good",
    ]


def test_fifty_sensors_are_described_in_less_than_a_second(tmp_path: Path) -> None:
    table = UNDERSTOOD.partition("\n[[sensor]]")[0]
    chips = ("bus = 0\naddress = 0", "bus = 0\naddress = 1", *(f"bus = 1\naddress = {n}" for n in range(3)))
    path = tmp_path / "sensors.toml"
    path.write_text(
        "".join(
            table.replace('"fuel"', f'"fuel-{n}"').replace(
                "channel = 0", f"channel = {n % 8}\n{chips[n // 8]}"
            )
            for n in range(40)
        )
        + "".join(
            f'[[sensor]]\nid = "s{n}"\nkind = "simulated"\nmodel = "engine"\n'
            f'path = "propulsion.p{n}.revolutions"\nalarm = {{ above = "3600 rpm", severity = "warn" }}\n'
            for n in range(10)
        )
    )
    (tmp_path / "vessel.toml").write_text("[lights]\npower = 0\nrecord = 0\nmesh = 0\ngateway = 0\n")
    assert check(path).text.splitlines()[-1].startswith("50 sensors")
    start = time.process_time()
    logboat("config", "check", str(path))
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize("kind", all_kinds())
def test_example_of_every_kind_is_described(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(all_kinds()[kind].example)
    (tmp_path / "yacht-2014-08-15.csv").write_text("time,path,value\n0,electrical.batteries.1.voltage,12\n")
    told = logboat("config", "check", str(path)).stdout
    assert f", kind {kind}\n  path" in told
    assert ("\n  fault" in told) == (kind not in {"manual", "replay", "simulated"})
