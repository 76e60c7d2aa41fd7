"""Tests that every configuration in the documentation is valid."""

import shutil
import tomllib
from pathlib import Path

import pytest

from sensors.config.loader import examine_sensors
from sensors.toml import toml_file
from services.config.loader import load

from .pages import PAGES, ROOT, Block, blocks

EXAMPLES = list(blocks(*PAGES, language="toml"))
GATEWAY = '[[gateway]]\nname = "office"\nkind = "couchbase"\nurl = "wss://host/fleet"\n'
"""Configuration of a gateway, to which the tests add the examples of single keys."""


def test_there_are_examples_of_every_file() -> None:
    texts = [example.text for example in EXAMPLES]
    assert len(texts) > 15
    for table in ("[[sensor]]", "[[gateway]]", "[[user]]", "[network]", "[mesh]", "[lights]", "[clock]"):
        assert any(table in text for text in texts), table


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.place)
def test_example_is_a_configuration(example: Block, tmp_path: Path) -> None:
    text = example.text.replace('"…"', '"a password"')
    if "sensor" in tomllib.loads(text):
        for recording in (ROOT / "sensors/recordings").glob("*.csv"):
            shutil.copy(recording, tmp_path)
        (tmp_path / "sensors.toml").write_text(text)
        examined = examine_sensors(toml_file.read(tmp_path / "sensors.toml"))
        assert examined.sensors
        assert not examined.warnings
        return
    if text.startswith("policy"):
        text = GATEWAY + text
    (tmp_path / "logboat.toml").write_text(text)
    load(tmp_path / "logboat.toml")
