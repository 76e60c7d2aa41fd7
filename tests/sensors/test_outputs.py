"""Outputs in `sensors.toml` are read, and each wrong one is reported with its line and a remedy."""

from pathlib import Path

import pytest

from sensors.config.loader import examine_sensors
from sensors.severity import Severity
from sensors.toml import toml_file
from sensors.toml.toml_file import ConfigurationError

SENSOR = """\
[[sensor]]
id = "bilge-float"
kind = "switch"
pin = 17
path = "bilge.main.highWater"
[[sensor]]
id = "exhaust"
kind = "ds18b20"
path = "propulsion.main.exhaustTemperature"
[[output]]
"""
FIRST = SENSOR.count("\n")
SIREN = 'id = "siren"\npin = 23\non = ["alarm"]\n'


def examined(folder: Path, text: str) -> object:
    path = folder / "sensors.toml"
    path.write_text(SENSOR + text)
    return examine_sensors(toml_file.read(path), reserved={26: "fault", 18: "pps", 2: "rtc"})


def test_output_with_all_keys(tmp_path: Path) -> None:
    text = (
        SIREN + 'name = "Horn"\nactive = "low"\npattern = "3 flashes"\nlongest = "15 min"\npause = "1 min"\n'
    )
    found = examined(tmp_path, text + "neighbours = true\nwhen_silent = true\n")
    [output] = found.outputs  # type: ignore[attr-defined]
    assert (output.id, output.name, output.pin, output.active) == ("siren", "Horn", 23, "low")
    assert (output.on, output.pattern) == ((Severity.ALARM,), "3 flashes")
    assert (output.longest_s, output.pause_s) == (900.0, 60.0)
    assert output.neighbours
    assert output.when_silent


WRONG = {
    "no id": ('pin = 23\non = ["alarm"]\n', 0, "id"),
    "id with a capital": ('id = "Siren"\npin = 23\non = ["alarm"]\n', 1, "not a valid id"),
    "no pin": ('id = "siren"\non = ["alarm"]\n', 0, "pin"),
    "pin of the EEPROM": ('id = "siren"\npin = 1\non = ["alarm"]\n', 2, "1 is"),
    "pin off the header": ('id = "siren"\npin = 28\non = ["alarm"]\n', 2, "28 is"),
    "pin of a sensor": ('id = "siren"\npin = 17\non = ["alarm"]\n', 2, '17 is used by sensor "bilge-float"'),
    "pin of a light": ('id = "siren"\npin = 26\non = ["alarm"]\n', 2, "26 is used by the fault light"),
    "pin of the pulse": ('id = "siren"\npin = 18\non = ["alarm"]\n', 2, "18 is used by the satellite"),
    "pin of the clock chip": ('id = "siren"\npin = 2\non = ["alarm"]\n', 2, "2 is used by the clock chip"),
    "pin of a bus": ('id = "siren"\npin = 4\non = ["alarm"]\n', 2, "4 belongs to bus w1"),
    "nothing turns it on": ('id = "siren"\npin = 23\n', 0, "nothing turns this output on"),
    "unknown severity": ('id = "siren"\npin = 23\non = ["alrm"]\n', 3, 'Did you mean "alarm"?'),
    "severity that is no alarm": ('id = "siren"\npin = 23\non = ["normal"]\n', 3, "not an allowed value"),
    "severity twice": ('id = "siren"\npin = 23\non = ["alarm", "alarm"]\n', 3, "written twice"),
    "severity without brackets": ('id = "siren"\npin = 23\non = "alarm"\n', 3, "not a list"),
    "unknown sensor": ('id = "siren"\npin = 23\nsensors = ["bilge"]\n', 3, 'no sensor "bilge"'),
    "on and sensors": (SIREN + 'sensors = ["bilge-float"]\n', 4, "both are set"),
    "neighbours of sensors": (
        'id = "siren"\npin = 23\nsensors = ["bilge-float"]\nneighbours = true\n',
        4,
        "needs on",
    ),
    "unknown pattern": (SIREN + 'pattern = "blink"\n', 4, "not a pattern"),
    "no flashes": (SIREN + 'pattern = "0 flashes"\n', 4, "not a pattern"),
    "wrong level": (SIREN + 'active = "on"\n', 4, "not an allowed value"),
    "longest without a unit": (SIREN + "longest = true\n", 4, "longest"),
    "longest of a week": (SIREN + 'longest = "168 h"\n', 4, "longest"),
    "longest shorter than the pattern": (SIREN + 'pattern = "9 flashes"\nlongest = "2 s"\n', 5, "too short"),
    "pause without longest": (SIREN + 'pause = "1 min"\n', 4, "needs longest"),
    "key of a sensor": (SIREN + 'kind = "relay"\n', 4, "an output has no kind"),
    "misspelt key": (SIREN + 'patern = "slow"\n', 4, "pattern"),
}


@pytest.mark.parametrize(("text", "line", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_output_is_reported_with_line_and_remedy(
    text: str, line: int, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        examined(tmp_path, text)
    [problem] = raised.value.problems
    assert problem.line == FIRST + line
    assert words in str(problem)
    assert problem.remedy


def test_second_output_with_the_same_id_and_pin_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        examined(tmp_path, f"{SIREN}[[output]]\n{SIREN}")
    assert [problem.key for problem in raised.value.problems] == ["id", "pin"]


def test_pins_of_outputs_are_not_proposed_for_sensors(tmp_path: Path) -> None:
    text = SENSOR.replace("pin = 17", "pin = 26") + SIREN.replace("23", "5")
    path = tmp_path / "sensors.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        examine_sensors(toml_file.read(path), reserved={26: "fault"})
    assert "Choose another pin (free: 6, 12, 13 …)" in str(error.value)


def test_pins_of_sensors_and_other_outputs_are_not_proposed_for_an_output(tmp_path: Path) -> None:
    sensor = SENSOR.replace("pin = 17", "pin = 5")
    horn = '[[output]]\nid = "horn"\npin = 6\non = ["alarm"]\n'
    path = tmp_path / "sensors.toml"
    path.write_text(f"{sensor}{SIREN.replace('23', '5')}{horn}")
    with pytest.raises(ConfigurationError) as error:
        examine_sensors(toml_file.read(path))
    assert "Choose another pin (free: 12, 13, 16 …)" in str(error.value)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ('on = ["alarm", "emergency"]', "no alarm in this file has the severity alarm or emergency"),
        ('sensors = ["exhaust"]', "no alarm is described for exhaust"),
    ],
)
def test_output_that_nothing_turns_on_is_reported_in_new_files(tmp_path: Path, keys: str, text: str) -> None:
    found = examined(tmp_path, f'id = "siren"\npin = 23\n{keys}\n')
    [warning] = found.warnings  # type: ignore[attr-defined]
    assert warning.line == FIRST + 3
    assert warning.text == f"{text}, so nothing turns this output on"
    assert not examined(tmp_path, f'id = "siren"\npin = 23\n{keys}\nwhen_silent = true\n').warnings  # type: ignore[attr-defined]
