"""The pages about sensor kinds match the modules of the kinds, and all example configurations are valid."""

import ast
import shutil
import tomllib
from pathlib import Path

import pytest

from sensors.chips import fault_tables
from sensors.config.loader import examine_sensors
from sensors.driver_context import DriverContext
from sensors.registry import all_kinds, make_driver
from sensors.toml import toml_file
from sensors.toml.declarations import declarations
from tests.sensors.fakes import RECORDING, FakeClock

from . import kinds
from .pages import DOCS, ROOT
from .wiring import PINS

KINDS = all_kinds()


@pytest.mark.parametrize("path", kinds.files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_file_is_made_from_the_kinds(path: Path) -> None:
    assert path.read_text() == kinds.files()[path], "run: python -m tests.docs.kinds"


def test_no_page_or_picture_shows_a_kind_that_does_not_exist() -> None:
    found = {*(DOCS / "kinds").iterdir(), *(DOCS / "pictures/kinds").iterdir()}
    assert found <= kinds.files().keys()


@pytest.mark.parametrize("name", KINDS)
def test_example_of_a_kind_is_valid_and_makes_its_driver(name: str, tmp_path: Path) -> None:
    shutil.copy(RECORDING, tmp_path)
    (tmp_path / "sensors.toml").write_text(KINDS[name].example)
    examined = examine_sensors(toml_file.read(tmp_path / "sensors.toml"))
    assert not examined.warnings
    settings = examined.sensors[-1]
    assert settings.kind == name
    assert len(examined.sensors) == 1 or name == "derived"  # includes its source sensors
    make_driver(settings, context=DriverContext(FakeClock(), root=tmp_path)).close()


def messages_of_sensors() -> set[str]:
    """Return all strings in the source of `sensors/`, with `…` for each value that is filled in."""
    files = set((ROOT / "sensors").rglob("*.py")) - {Path(fault_tables.__file__)}
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    tables = {
        part
        for node in nodes
        if isinstance(node, ast.keyword) and node.arg == "faults"
        for part in ast.walk(node)
    }
    return {
        "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…"
            for part in (node.values if isinstance(node, ast.JoinedStr) else [node])
        )
        for node in nodes
        if isinstance(node, ast.JoinedStr | ast.Constant) and node not in tables
    }


def test_each_fault_on_a_page_is_a_message_of_a_driver() -> None:
    messages = messages_of_sensors()
    faults = {message.strip("… ") for kind in KINDS.values() for message, _remedy in kind.faults}
    assert faults
    assert {fault for fault in faults if not any(fault in message for message in messages)} == set()


KEYS = [(name, key) for name, kind in KINDS.items() for key in declarations(kind.options)]


@pytest.mark.parametrize(("name", "key"), KEYS, ids="-".join)
def test_example_of_a_key_is_valid(name: str, key: str) -> None:
    _field, declaration, _default = declarations(KINDS[name].options)[key]
    declaration.parse(tomllib.loads(f"value = {declaration.example}")["value"])


def test_the_module_of_a_kind_has_its_name() -> None:
    assert {kind.name for kind in KINDS.values()} == set(KINDS)
    assert all(kind.name == name for name, kind in KINDS.items())


def test_the_header_has_each_position_once() -> None:
    positions = list(PINS.values())
    assert len(positions) == len(set(positions)) == 31
    assert max(positions) == 40
