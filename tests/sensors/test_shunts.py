"""Shunts are parsed from a resistance or a rating, and checked against the chip."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sensors.config.loader import examine_sensors
from sensors.kinds.ina219 import PowerOptions
from sensors.shunts import Rating, Shunt, parse_shunt, parse_shunt_ohm
from sensors.toml import toml_file
from sensors.units import InputError
from services.config.understood import understood

Facts = Callable[..., dict[str, str]]
Warnings = Callable[..., list[str]]


@pytest.mark.parametrize(
    "written",
    [
        "500 A / 50 mV",
        "500A/50mV",
        "50mV/500A",
        "50 mV / 500 A",
        "500A 50mV",
        "500 A at 50 mV",
        "0.5 kA / 0.05 V",
        " 500 A/50 mV ",
    ],
)
def test_rating_is_read_as_it_is_printed_on_the_part(written: str) -> None:
    assert parse_shunt(written) == Shunt(1e-4, Rating(500.0, 0.05))


@pytest.mark.parametrize("written", ["100 uohm", "0.1 mohm", "100 µΩ"])
def test_resistance_is_a_shunt_without_a_rating(written: str) -> None:
    assert parse_shunt(written) == Shunt(1e-4)
    assert parse_shunt_ohm(written) == parse_shunt_ohm("500 A / 50 mV") == 1e-4


@pytest.mark.parametrize(
    ("written", "text", "remedy"),
    [
        ("500 A", "is only the current of a shunt's rating", 'such as "500 A / 50 mV"'),
        ("50mV", "is only the voltage of a shunt's rating", 'such as "500 A / 50 mV"'),
        ("500/50", "is not a current and a voltage", "with their units"),
        ("500 A / 75", "is not a current and a voltage", "with their units"),
        ("500 A / 50 A", "is not a current and a voltage", 'such as "500 A / 50 mV"'),
        ("500 A / 50 mohm", "is not a current and a voltage", 'such as "500 A / 50 mV"'),
        ("60mV,500A", "is not the rating of a shunt", 'Write "500A / 60mV".'),
        ("500 A = 50 mV", "is not the rating of a shunt", 'Write "500 A / 50 mV".'),
        ("-500 A / 50 mV", "is not the rating of a shunt", 'Write "500 A / 50 mV".'),
        ("500 a / 50 mV", '"a" is not a unit for a current', 'Did you mean "500 A"?'),
        ("1,5 A / 60 mV", '"1,5 A" is not a current', 'Write "1.5 A", with a decimal point'),
        ("500 A / 50 V", "50 V is too high for a shunt", 'Did you mean "50 mV"?'),
        ("0 A / 50 mV", "contains 0", "as printed"),
        ("50 uA / 50 mV", "is a resistance of 1000 ohm", "A shunt has 10 uohm to 100 ohm"),
        ("500 A / 3 mV", "is a resistance of 6 uohm", "A shunt has 10 uohm to 100 ohm"),
        (0.0001, "has no unit", 'Write "0.0001 ohm"'),
        ("1 uohm", "is too small", "10 uohm or more"),
        ("", "is not a resistance", "Write, for example"),
        (True, "is not a resistance", "Write, for example"),
        (["500 A", "50 mV"], "is not a resistance", "Write, for example"),
    ],
)
def test_mistake_in_a_shunt_is_explained(written: object, text: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_shunt(written)
    assert text in caught.value.text
    assert remedy in caught.value.remedy


def power(shunt: str, kind: str, measure: str) -> str:
    path = "electrical.batteries.house." + measure
    return f"""\
[[sensor]]
id = "house"
kind = "{kind}"
measure = "{measure}"
{shunt}
path = "{path if measure != "power" else "electrical.solar.1.panelPower"}"
"""


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    def of(shunt: str, kind: str = "ina226", measure: str = "current") -> dict[str, str]:
        path = tmp_path / "sensors.toml"
        path.write_text(power(f'shunt = "{shunt}"', kind, measure))
        (sensor,) = understood(examine_sensors(toml_file.read(path)))
        return dict(sensor.facts)

    return of


@pytest.fixture
def warnings(tmp_path: Path) -> Warnings:
    def of(shunt: str, kind: str = "ina226", measure: str = "current") -> list[str]:
        path = tmp_path / "sensors.toml"
        path.write_text(power(f'shunt = "{shunt}"', kind, measure))
        examined = examine_sensors(toml_file.read(path))
        assert all(problem.line == 5 and problem.key == "shunt" for problem in examined.warnings)
        options = examined.sensors[0].options
        assert isinstance(options, PowerOptions)
        assert options.shunt_ohm == parse_shunt(shunt).ohm
        return [f"{problem.text}. {problem.remedy}" for problem in examined.warnings]

    return of


@pytest.mark.parametrize(
    ("kind", "written", "shunt", "measured"),
    [
        (
            "ina226",
            "500A/50mV",
            "500 A / 50 mV = 0.1 mohm: 1 A causes 0.1 mV",
            "at most 819 A in either direction, in steps of 100 mA",
        ),
        (
            "ina219",
            "50 mV / 500 A",
            "500 A / 50 mV = 0.1 mohm: 1 A causes 0.1 mV",
            "at most 3200 A in either direction, in steps of 100 mA",
        ),
        (
            "ina226",
            "750 uohm",
            "0.75 mohm: 1 A causes 0.75 mV",
            "at most 109.2 A in either direction, in steps of 13.3 mA",
        ),
    ],
)
def test_facts_show_the_resistance_and_the_largest_current(
    facts: Facts, kind: str, written: str, shunt: str, measured: str
) -> None:
    shown = facts(written, kind)
    assert (shown["shunt"], shown["range"]) == (shunt, measured)


@pytest.mark.parametrize("measure", ["current", "power"])
def test_rated_voltage_beyond_the_chips_range_is_a_warning(warnings: Warnings, measure: str) -> None:
    (warning,) = warnings("500 A / 100 mV", measure=measure)
    assert warning == (
        "the shunt has 100 mV at 500 A, but the INA226 measures only up to 81.9 mV (409.5 A). If the current"
        ' never reaches 409.5 A, write shunt = "0.2 mohm". Otherwise use a shunt with a lower rated voltage.'
    )
    remedy = re.search(r'shunt = "([^"]+)"', warning)
    assert remedy is not None
    assert warnings(remedy[1]) == []


def test_rated_voltage_below_one_percent_of_the_range_is_a_warning(warnings: Warnings) -> None:
    (warning,) = warnings("100 A / 3 mV", "ina219")
    assert "the shunt has only 3 mV at 100 A, so the INA219 measures in steps of 333 mA" in warning
    assert warnings("100 A / 3 mV", "ina226") == []


@pytest.mark.parametrize(
    ("shunt", "kind", "measure"),
    [
        ("500 A / 75 mV", "ina226", "current"),
        ("500 A / 100 mV", "ina219", "current"),
        ("100 A / 3.2 mV", "ina219", "current"),
        ("500 A / 100 mV", "ina226", "voltage"),
        ("0.2 mohm", "ina226", "current"),
    ],
)
def test_suitable_shunt_is_no_warning(warnings: Warnings, shunt: str, kind: str, measure: str) -> None:
    assert warnings(shunt, kind, measure) == []
