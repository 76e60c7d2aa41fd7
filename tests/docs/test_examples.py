"""`logboat config check` accepts the files in `examples/`, and the list of examples is complete."""

import re
from pathlib import Path

import pytest

from services.cli.main import main

from .pages import ROOT

VESSELS = sorted(path.parent for path in (ROOT / "examples").glob("*/vessel.toml"))


def test_there_are_four_vessels_with_both_files() -> None:
    assert [vessel.name for vessel in VESSELS] == ["day-sailer", "launch", "trawler", "workboat"]


@pytest.mark.parametrize("vessel", VESSELS, ids=lambda vessel: vessel.name)
def test_config_check_finds_no_mistake(vessel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(vessel / "vessel.toml"), str(vessel / "sensors.toml")]) == 0
    shown = capsys.readouterr()
    assert re.findall(r"^(\w+\.toml): good$", shown.out, re.MULTILINE) == ["vessel.toml", "sensors.toml"]
    assert shown.err == ""


def test_the_list_of_examples_is_complete() -> None:
    listed = re.findall(r"^\| \[`([\w-]+)/`\]", (ROOT / "examples/README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [vessel.name for vessel in VESSELS]
