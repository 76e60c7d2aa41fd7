"""Every example of a resistive sender has the keys that `logboat config sender` prints."""

import re
from pathlib import Path

import pytest

from services.cli.main import main

from .pages import ROOT, blocks, name_of

CALL = "logboat config sender --ohms 240 33 --pull-up 240"
EXAMPLES = [
    ROOT / name
    for name in (
        "docs/kinds/analog.md",
        "docs/sensors.md",
        "examples/launch/sensors.toml",
        "examples/trawler/sensors.toml",
    )
]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(CALL.split()[1:]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_example_of_a_sender_has_the_keys_that_the_command_prints(example: Path, printed: str) -> None:
    assert f"# printed by: {CALL}\n{printed}" in example.read_text()


def test_template_has_the_keys_that_the_command_prints_each_on_one_line(printed: str) -> None:
    lines = re.sub(r"\n +", " ", printed).splitlines()
    text = "".join(f"#{line}\n" for line in (f" printed by: {CALL}", *lines))
    assert text in (ROOT / "provisioning/templates/sensors.toml").read_text()


def test_page_of_the_kind_shows_the_command_and_its_output(printed: str) -> None:
    (shown,) = [block.text for block in blocks(ROOT / "docs/kinds/analog.md") if CALL in block.text][:1]
    assert shown == f"$ {CALL}\n{printed}"


def test_output_fits_into_80_columns(printed: str) -> None:
    assert max(map(len, printed.splitlines())) <= 80
