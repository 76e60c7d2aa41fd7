"""The starter files for vessels are valid, and remain valid when users enable the examples in them."""

import re
from pathlib import Path

import pytest

from provisioning.bundle import contents
from provisioning.starter_files import SENSORS, VESSEL, starter_file, vessel_file
from sensors.config.loader import load_sensors
from services.config.loader import load
from tests.docs import starter

_EXAMPLE = re.compile(r"^#(?=[^ \n])", re.MULTILINE)


@pytest.mark.parametrize("name", [VESSEL, SENSORS])
def test_template_is_made_from_the_declarations(name: str) -> None:
    assert starter_file(name) == starter.templates()[name], "run: python -m tests.docs.starter"


def test_vessel_file_has_the_given_values(tmp_path: Path) -> None:
    (tmp_path / VESSEL).write_text(vessel_file("argo", name='SY "Argo"\x7f', mmsi=211234560))
    vessel = load(tmp_path / VESSEL).vessel
    assert (vessel.id, vessel.name, vessel.mmsi) == ("argo", 'SY "Argo"', 211234560)


def test_values_that_were_not_given_remain_examples(tmp_path: Path) -> None:
    (tmp_path / VESSEL).write_text(vessel_file("argo", name=None, mmsi=None))
    vessel = load(tmp_path / VESSEL).vessel
    assert (vessel.name, vessel.mmsi) == ("argo", None)


def test_all_examples_in_the_vessel_file_can_be_enabled(tmp_path: Path) -> None:
    (tmp_path / VESSEL).write_text(_EXAMPLE.sub("", vessel_file("argo", name=None, mmsi=None)))
    configuration = load(tmp_path / VESSEL)
    assert [gateway.kind for gateway in configuration.gateways] == ["couchbase", "mqtt"]
    assert configuration.network.ssh_keys
    assert configuration.users
    assert configuration.clock.rtc == "ds3231"


def test_sensors_file_states_that_there_are_no_sensors(tmp_path: Path) -> None:
    (tmp_path / SENSORS).write_text(starter_file(SENSORS))
    assert load_sensors(tmp_path / SENSORS) == ()


def test_all_examples_in_the_sensors_file_can_be_enabled(tmp_path: Path) -> None:
    text = re.sub(r"^no_sensors.*\n", "", starter_file(SENSORS), flags=re.MULTILINE)
    (tmp_path / SENSORS).write_text(_EXAMPLE.sub("", text))
    assert len(load_sensors(tmp_path / SENSORS)) == text.count("#[[sensor]]") > 5


@pytest.mark.parametrize("name", [VESSEL, SENSORS])
def test_example_on_the_card_is_not_mistaken_for_the_vessels_own_file(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.example").write_text(starter_file(name))
    (tmp_path / "README.txt").write_text("hello")
    assert contents.read(tmp_path).files == {}
