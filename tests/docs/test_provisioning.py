"""Every configuration in docs/provisioning.md is valid, and Logboat reads every bundle version in it."""

import re
from pathlib import Path

import pytest

from provisioning.bundle.contents import VERSION
from services.config.loader import load

TEXT = (Path(__file__).parents[2] / "docs" / "provisioning.md").read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == TEXT.count("```toml") > 0


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_a_configuration(example: str, tmp_path: Path) -> None:
    (tmp_path / "logboat.toml").write_text(example.replace("…", "a password"))
    load(tmp_path / "logboat.toml")


def test_the_newest_version_of_a_bundle_is_told() -> None:
    assert re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE) == [str(each) for each in range(1, VERSION + 1)]
