"""Every configuration in docs/mesh.md is valid."""

import re
from pathlib import Path

import pytest

from services.config.loader import load

TEXT = (Path(__file__).parents[2] / "docs" / "mesh.md").read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == TEXT.count("```toml") > 0


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_a_configuration(example: str, tmp_path: Path) -> None:
    (tmp_path / "logboat.toml").write_text(example)
    load(tmp_path / "logboat.toml")
