"""Signal K's paths and Logboat's additional paths are checked, and have units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors import signalk_paths
from sensors.units import DIMENSIONS


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("propulsion.main.revolutions", "Hz"),
        ("propulsion.port-aft.oilPressure", "Pa"),
        ("propulsion.main.fuel.rate", "m3/s"),
        ("electrical.batteries.1.voltage", "V"),
        ("electrical.batteries.house.capacity.stateOfCharge", "ratio"),
        ("electrical.alternators.1.current", "A"),
        ("electrical.inverters.1.ac.frequency", "Hz"),
        ("tanks.freshWater.0.currentLevel", "ratio"),
        ("tanks.fuel.main.currentVolume", "m3"),
        ("environment.inside.temperature", "K"),
        ("environment.inside.engineRoom.temperature", "K"),
        ("environment.water.temperature", "K"),
        ("navigation.speedThroughWater", "m/s"),
        ("steering.rudderAngle", "rad"),
        ("bilge.main.highWater", "bool"),
        ("bilge.main.pump.state", "bool"),
        ("bilge.main.pump.runTime", "s"),
        ("bilge.main.pump.starts", ""),
        ("security.companionway.state", "bool"),
        ("electrical.ac.shore.available", "bool"),
        ("propulsion.main.state", "bool"),
        ("propulsion.main.runTime", "s"),
    ],
)
def test_path_determines_the_unit(path: str, unit: str) -> None:
    assert signalk_paths.unit_of(path) == unit
    found = signalk_paths.meta(path)
    assert found is not None
    assert found.description


@pytest.mark.parametrize(
    "path",
    ["propulsion.main", "propulsion.main.revolutions.x", "bilge.highWater", "a.b", "propulsion..revolutions"],
)
def test_path_that_is_not_in_the_table_has_no_unit(path: str) -> None:
    assert signalk_paths.unit_of(path) is None
    assert signalk_paths.meta(path) is None


@pytest.mark.parametrize("path", ["a.b", "tanks.fuel.0.currentLevel", "x-1.Y.z-2"])
def test_names_separated_by_dots_are_well_formed(path: str) -> None:
    assert signalk_paths.is_well_formed(path)


@pytest.mark.parametrize("path", ["", "a", ".a", "a.", "a..b", "a b.c", "a.b\n", "ä.b", "a/b.c", "a.*"])
def test_other_text_is_not_well_formed(path: str) -> None:
    assert not signalk_paths.is_well_formed(path)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("propulsion.main.revolution", "propulsion.main.revolutions"),
        ("propulsion.main.oilpressure", "propulsion.main.oilPressure"),
        ("tanks.fule.main.currentLevel", "tanks.fuel.main.currentLevel"),
        ("tanks.fuel.level", "tanks.fuel.main.currentLevel"),
        ("propulsion.oilPressure", "propulsion.main.oilPressure"),
        ("engine.main.level", ""),
        ("qqq.zzz", ""),
    ],
)
def test_intended_path_is_suggested_with_the_vessels_own_names(path: str, meant: str) -> None:
    assert signalk_paths.similar(path) == meant


@given(st.sampled_from(sorted(signalk_paths.TABLE)), st.from_regex(r"[A-Za-z0-9-]{1,12}", fullmatch=True))
def test_every_pattern_matches_any_name(pattern: str, name: str) -> None:
    path = pattern.replace("*", name)
    assert signalk_paths.is_well_formed(path)
    assert signalk_paths.unit_of(path) is not None


def test_every_unit_can_be_parsed_or_needs_no_parsing() -> None:
    assert {meta.units for meta in signalk_paths.TABLE.values()} <= {*DIMENSIONS, "bool", "", "kg/m3", "Lux"}
