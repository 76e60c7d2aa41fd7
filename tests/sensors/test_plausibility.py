"""A new file with a number whose unit is unclear is rejected, and each remedy that is offered is accepted."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sensors.plausibility import is_far
from sensors.toml.toml_file import FileProblem
from services.config.check import check

SENSOR = '[[sensor]]\nid = "a"\nkind = "manual"\npath = "{path}"\n{more}\n'
ALARM = 'alarm = {{ {key} = {value}, severity = "warn" }}'
ANALOG = """\
[[sensor]]
id = "a"
kind = "analog"
chip = "mcp3008"
channel = 0
path = "{path}"
calibration = {calibration}
valid = [0.2, 3.0]
"""

COOLANT = "propulsion.main.coolantTemperature"
OIL = "propulsion.main.oilPressure"
VOLUME = "tanks.fuel.main.currentVolume"
LEVEL = "tanks.fuel.main.currentLevel"


def problems(tmp_path: Path, text: str) -> tuple[FileProblem, ...]:
    path = tmp_path / "sensors.toml"
    path.write_text(text)
    checked = check(path)
    assert not checked.problems
    assert checked.good is not bool(checked.warnings)
    return checked.warnings


def alarm(path: str, key: str, value: str) -> str:
    return SENSOR.format(path=path, more=ALARM.format(key=key, value=value))


@pytest.mark.parametrize(
    ("path", "value", "meaning", "remedies"),
    [
        (COOLANT, "95", "95 K (-178.15 °C)", ['"95 °C"', '"95 K"']),
        (COOLANT, "0", "0 K (-273.15 °C)", ['"0 °C"', '"0 K"']),
        (OIL, "10", "10 Pa (0.0001 bar)", ['"10 bar"', '"10 Pa"']),
        ("environment.outside.pressure", "990", "990 Pa (9.9 hPa)", ['"990 hPa"', '"990 Pa"']),
        (VOLUME, "50", "50 m3 (50000 l)", ['"50 l"', '"50 m3"']),
        ("propulsion.main.fuel.rate", "2.5", "2.5 m3/s (9e+06 l/h)", ['"2.5 l/h"', '"2.5 m3/s"']),
        ("steering.rudderAngle", "30", "30 rad (1718.87 °)", ['"30 °"', '"30 rad"']),
        ("navigation.speedOverGround", "6", "6 m/s (11.6631 kn)", ['"6 kn"', '"6 m/s"']),
        ("propulsion.main.revolutions", "3600", "3600 Hz (216000 rpm)", ['"3600 rpm"', '"3600 Hz"']),
        ("propulsion.main.runTime", "250", "250 s (0.0694444 h)", ['"250 h"', '"250 s"']),
        (LEVEL, "15", "1500 %", ['"15 %"']),
    ],
)
def test_limit_without_a_unit_is_refused_and_each_remedy_is_accepted(
    tmp_path: Path, path: str, value: str, meaning: str, remedies: list[str]
) -> None:
    [problem] = problems(tmp_path, alarm(path, "above", value))
    assert (problem.line, problem.key) == (5, "above")
    assert problem.text == f"{value} without a unit means {meaning}"
    named = re.findall('"[^"]+"', problem.remedy)
    assert named[: len(remedies)] == remedies
    for remedy in named:
        assert problems(tmp_path, alarm(path, "above", remedy)) == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (LEVEL, "0.15"),
        (OIL, "0"),
        ("electrical.batteries.1.voltage", "11.8"),
        ("electrical.batteries.1.current", "-40"),
        ("electrical.ac.frequency", "49"),
        ("propulsion.main.transmission.gearRatio", "2.5"),
    ],
)
def test_number_in_a_unit_that_people_use_too_needs_no_unit(tmp_path: Path, path: str, value: str) -> None:
    text = alarm(path, "below", value)
    if "frequency" in path:
        text = text.replace("kind", 'unit = "Hz"\nkind')
    assert problems(tmp_path, text) == ()


def test_difference_without_a_unit_is_refused_but_not_a_difference_of_0(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, SENSOR.format(path=COOLANT, more="deadband = 0.5"))
    assert problem.text == "0.5 without a unit means 0.5 K (0.5 °C)"
    assert problem.remedy == 'Write "0.5 °C" or "0.5 K".'
    for written in ('"0.5 °C"', '"0.5 K"', "0", "0.0"):
        assert problems(tmp_path, SENSOR.format(path=COOLANT, more=f"deadband = {written}")) == ()


@pytest.mark.parametrize(
    ("calibration", "good", "bad", "said"),
    [
        (
            "[[0.2, 0], [2.5, 15]]",
            "14.9",
            "20",
            "no change of the value can reach 20 V, so nothing would be recorded. Set deadband below 15 V.",
        ),
        ("[[0.2, 9], [2.5, 15]]", '"5.9 V"', '"6 V"', "Set deadband below 6 V."),
    ],
)
def test_deadband_wider_than_the_calibration_is_refused(
    tmp_path: Path, calibration: str, good: str, bad: str, said: str
) -> None:
    text = ANALOG.format(path="electrical.batteries.1.voltage", calibration=calibration)
    [problem] = problems(tmp_path, f"{text}deadband = {bad}\n")
    assert str(problem).endswith(said)
    assert problems(tmp_path, f"{text}deadband = {good}\n") == ()


@pytest.mark.parametrize("written", ["1", "1.0"])
def test_deadband_of_a_whole_level_without_a_unit_is_refused(tmp_path: Path, written: str) -> None:
    [problem] = problems(tmp_path, SENSOR.format(path=LEVEL, more=f"deadband = {written}"))
    assert problem.text == f"{written} without a unit means 100 %"
    assert problem.remedy == f'Write "{written} %".'
    assert problems(tmp_path, SENSOR.format(path=LEVEL, more=f'deadband = "{written} %"')) == ()


def test_deadband_wider_than_the_quantity_is_refused(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, SENSOR.format(path=LEVEL, more='deadband = "100 %"'))
    assert problem.remedy == "Set deadband below 100 %."
    wide = 'deadband = "200 °C"'
    assert problems(tmp_path, SENSOR.format(path=COOLANT, more=wide)) == ()


def test_calibration_without_units_is_reported_once_and_each_remedy_is_accepted(tmp_path: Path) -> None:
    text = ANALOG.format(path=VOLUME, calibration="[[0.4, 300], [1.0, 150], [1.65, 0]]")
    [problem] = problems(tmp_path, text)
    assert problem.text == "300 without a unit means 300 m3 (300000 l)"
    assert problem.remedy == 'Write "300 l" or "300 m3". Do so with every value of the calibration.'
    for unit in ("l", "m3"):
        points = f'[[0.4, "300 {unit}"], [1.0, "150 {unit}"], [1.65, 0]]'
        assert problems(tmp_path, ANALOG.format(path=VOLUME, calibration=points)) == ()


def test_calibration_of_a_level_in_percent_needs_the_unit(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, ANALOG.format(path=LEVEL, calibration="[[0.4, 100], [1.65, 0]]"))
    assert problem.text == "100 without a unit means 10000 %"
    assert problems(tmp_path, ANALOG.format(path=LEVEL, calibration='[[0.4, "100 %"], [1.65, 0]]')) == ()
    assert problems(tmp_path, ANALOG.format(path=LEVEL, calibration="[[0.4, 1], [1.65, 0]]")) == ()


@pytest.mark.parametrize(
    ("points", "line", "words"),
    [
        ("[\n[0.4, 1],\n[1.0, 0.4],\n[1.3, 0.5],\n[1.65, 0]]", 10, "0.5 at 1.3 V follows 0.4 at 1 V"),
        ('[\n[0.4, "0 %"],\n[1.0, "50 %"],\n[1.65, 0.1]]', 10, '0.1 at 1.65 V follows "50 %" at 1 V'),
        ("[\n[0.4, 0],\n[1.0, 1],\n[1.65, 0]]", 10, "0 at 1.65 V follows 1 at 1 V"),
    ],
)
def test_calibration_that_changes_direction_is_refused_with_its_line(
    tmp_path: Path, points: str, line: int, words: str
) -> None:
    [problem] = problems(tmp_path, ANALOG.format(path=LEVEL, calibration=points))
    assert (problem.line, problem.key) == (line, "calibration")
    assert problem.text == f"the values change direction: {words}"
    assert problem.remedy == (
        "Correct the pairs: as the voltage rises, the values must only rise, or only fall."
    )


def test_calibration_may_repeat_a_value(tmp_path: Path) -> None:
    points = "[[0.4, 1], [0.6, 1], [1.0, 0.5], [1.2, 0.5], [1.65, 0]]"
    assert problems(tmp_path, ANALOG.format(path=LEVEL, calibration=points)) == ()


@pytest.mark.parametrize(
    "points", ["[\n[0, 0.4], [1, 1.65]]", "[\n[0, 1.65], [1, 0.4]]", "[\n[0.0, 0.4], [0.5, 0.7], [1, 0.9]]"]
)
def test_calibration_whose_pairs_look_swapped_is_refused(tmp_path: Path, points: str) -> None:
    [problem] = problems(tmp_path, ANALOG.format(path=LEVEL, calibration=points))
    assert (problem.line, problem.key) == (8, "calibration")
    assert problem.text.startswith("the pairs look swapped")
    assert problem.remedy == "Write [volts, value]. If the pairs are right, write each value with its unit."


def test_values_with_their_unit_do_not_look_swapped(tmp_path: Path) -> None:
    points = '[[0.0, "30 %"], [3.3, "100 %"]]'
    assert problems(tmp_path, ANALOG.format(path=LEVEL, calibration=points)) == ()
    volts = ANALOG.format(path="electrical.batteries.1.voltage", calibration="[[0.1, 0.5], [2.0, 2.4]]")
    assert problems(tmp_path, volts) == ()


@pytest.mark.parametrize("pair", ['["0 %", "1.65 V"]', '["0 %", 1.65]'])
def test_remedy_for_a_swapped_pair_with_units_is_to_swap_it(tmp_path: Path, pair: str) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(ANALOG.format(path=LEVEL, calibration=f"[[0.4, 1],\n{pair}]"))
    [problem] = check(path).problems
    assert (problem.line, problem.remedy) == (8, "Write [volts, value].")


def test_unit_of_people_is_answered_with_the_si_unit_and_the_unit_for_each_value(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    text = SENSOR.format(
        path="galley.gas", more='unit = "{unit}"\nalarm = {{ above = {limit}, severity = "warn" }}'
    )
    path.write_text(text.format(unit="bar", limit=10))
    [problem] = check(path).problems
    assert problem.remedy == (
        'Values are stored in SI units. Write unit = "Pa", and the unit with each value: "10 bar".'
    )
    assert len(problems(tmp_path, text.format(unit="Pa", limit=10))) == 1
    assert problems(tmp_path, text.format(unit="Pa", limit='"10 bar"')) == ()


@pytest.mark.parametrize(
    ("path", "value", "remedy", "corrected"),
    [
        (LEVEL, '"130 %"', "Write a value from 0 % to 100 %.", ('"0 %"', '"100 %"')),
        (LEVEL, "-0.2", "Write a value from 0 % to 100 %.", ("0", "1")),
        ("electrical.batteries.1.capacity.stateOfCharge", "95", 'Write "95 %".', ('"95 %"',)),
        (COOLANT, '"-300 °C"', "Write -273.15 °C or more.", ('"-273.15 °C"',)),
        (COOLANT, "-5", 'Write "-5 °C".', ('"-5 °C"',)),
    ],
)
def test_impossible_value_is_refused_in_a_limit_and_in_a_calibration_and_the_remedy_is_accepted(
    tmp_path: Path, path: str, value: str, remedy: str, corrected: tuple[str, ...]
) -> None:
    texts: list[Callable[[str], str]] = [
        lambda written: alarm(path, "below", written),
        lambda written: ANALOG.format(path=path, calibration=f"[[0.4, {written}], [1.65, {corrected[0]}]]"),
    ]
    for text in texts:
        [problem] = problems(tmp_path, text(value))
        assert problem.remedy.startswith(remedy)
        for each in corrected:
            assert problems(tmp_path, text(each)) == ()


@pytest.mark.parametrize(("chip", "highest", "accepted"), [("mcp3008", 3.3, 3.28), ("mcp3208", 3.2995, 3.28)])
def test_valid_range_that_reaches_the_last_code_is_refused(
    tmp_path: Path, chip: str, highest: float, accepted: float
) -> None:
    text = ANALOG.format(path=LEVEL, calibration="[[0.4, 1], [1.65, 0]]").replace("mcp3008", chip)
    [problem] = problems(tmp_path, text.replace("3.0]", f"{highest}]"))
    assert (problem.key, problem.remedy) == ("valid", "Write less than 3.29 V as the upper voltage.")
    assert problems(tmp_path, text.replace("3.0]", f"{accepted}]")) == ()


def test_valid_range_that_no_gain_of_an_ads1115_covers_is_refused(tmp_path: Path) -> None:
    text = ANALOG.format(path=LEVEL, calibration="[[0.4, 1], [1.65, 0]]").replace("mcp3008", "ads1115")
    [problem] = problems(tmp_path, text.replace("3.0]", "10.0]"))
    assert (problem.key, problem.text) == (
        "valid",
        "10 V is more than the chip can measure at any gain (6.144 V)",
    )
    assert problems(tmp_path, text.replace("3.0]", "10.0]\ndivider = 2.0")) == ()
    assert problems(tmp_path, text) == ()


def test_ratio_of_a_gear_is_not_limited_to_1(tmp_path: Path) -> None:
    assert problems(tmp_path, alarm("propulsion.main.transmission.gearRatio", "above", "2.5")) == ()


@pytest.mark.parametrize(
    ("unit", "path", "before", "far", "near"),
    [
        ("s", "propulsion.main.runTime", [1190.0, 1200.0], [12_000.0, 2401.0], [1210.0, 0.0, 2400.0]),
        ("Pa", OIL, [3e5, 3.2e5], [32e5, -4e5], [0.0, 5e5]),
        ("K", COOLANT, [293.0, 298.0], [1223.0, 192.0], [368.0, 273.0]),
        ("ratio", LEVEL, [0.1, 0.2], [], [0.0, 1.0]),
        ("", "galley.count", [5.0], [51.0], [0.0, 10.0]),
        ("V", "electrical.batteries.1.voltage", [], [], [1e9]),
        ("m", "anchor.chain", [0.0], [], [60.0]),
    ],
)
def test_value_is_far_if_no_earlier_value_is_comparable(
    unit: str, path: str, before: list[float], far: list[float], near: list[float]
) -> None:
    assert [value for value in far + near if is_far(value, before, unit, path=path)] == far


def thermometers(number: int, more: str = "") -> str:
    sensor = '[[sensor]]\nid = "t{0}"\nkind = "ds18b20"\naddress = "28-0316a27900{0:02}"\nunit = "K"\n'
    return "".join(f'{sensor.format(each)}path = "galley.t{each}"\n{more}' for each in range(number))


@pytest.mark.parametrize(
    ("number", "more", "needed", "available", "least"),
    [
        (13, "", "10.4 s", "10 s", 11),
        (20, "", "16 s", "10 s", 16),
        (2, 'rate = "1 Hz"\n', "1.6 s", "1 s", 2),
        (5, 'every = "3 s"\n', "4 s", "3 s", 4),
    ],
)
def test_one_wire_bus_that_cannot_keep_up_is_reported_and_the_remedy_is_accepted(
    tmp_path: Path, number: int, more: str, needed: str, available: str, least: int
) -> None:
    [problem] = problems(tmp_path, thermometers(number, more))
    assert problem.table == f'sensor "t{number - 1}"'
    assert problem.text == (
        f"1-wire bus w1 is too slow. It reads its {number} sensors one after another (0.8 s each),"
        f" so the readings that are due every {available} would take {needed}"
    )
    assert problem.remedy.startswith(f'Write every = "{least} s" or more')
    assert problems(tmp_path, thermometers(number, f'every = "{least} s"\n')) == ()


def test_one_wire_bus_with_different_intervals_is_busy_for_the_sum_of_their_shares(tmp_path: Path) -> None:
    slow = thermometers(20, 'every = "100 s"\n')
    fast = slow.replace('every = "100 s"', 'every = "1 s"', 1)
    assert problems(tmp_path, slow) == ()
    assert problems(tmp_path, fast) == ()
    [problem] = problems(tmp_path, slow.replace('every = "100 s"', 'every = "1 s"', 2))
    assert "the readings that are due every 100 s would take 174.4 s" in problem.text


def test_one_wire_bus_with_twelve_thermometers_keeps_up(tmp_path: Path) -> None:
    assert problems(tmp_path, thermometers(12)) == ()


def test_offset_without_a_unit_is_refused_and_the_remedy_is_accepted(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, thermometers(1, "offset = -0.5\n"))
    assert (problem.key, problem.remedy) == ("offset", 'Write "-0.5 °C" or "-0.5 K".')
    for written in ('"-0.5 °C"', '"-0.5 K"', "0"):
        assert problems(tmp_path, thermometers(1, f"offset = {written}\n")) == ()


@pytest.mark.parametrize(
    ("path", "written", "remedy"),
    [
        ("environment.inside.pressure", "-300", 'Write "-300 hPa" or "-300 Pa".'),
        ("environment.inside.relativeHumidity", "-5", 'Write "-5 %".'),
        ("environment.inside.relativeHumidity", "150", "Write a smaller difference."),
        ("environment.inside.relativeHumidity", "1e308", "Write a smaller difference."),
    ],
)
def test_remedy_for_an_offset_is_a_difference(tmp_path: Path, path: str, written: str, remedy: str) -> None:
    measure = path.rpartition(".")[2]
    text = f'[[sensor]]\nid = "a"\nkind = "bme280"\nmeasure = "{measure}"\npath = "{path}"\n'
    [problem] = problems(tmp_path, f"{text}offset = {written}\n")
    assert (problem.key, problem.remedy) == ("offset", remedy)
    for each in re.findall('"[^"]+"', remedy):
        assert problems(tmp_path, f"{text}offset = {each}\n") == ()
