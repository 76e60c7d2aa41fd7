"""Every configuration in docs/gateways.md and in README is valid."""

import re
from pathlib import Path

import pytest

from services.config.loader import load

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "gateways.md").read_text()
EXAMPLES = re.findall(
    r"^```toml\n(.*?)^```", TEXT + (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)
GATEWAY = '[[gateway]]\nname = "office"\nkind = "couchbase"\nurl = "wss://host/fleet"\n'


def test_there_are_examples() -> None:
    assert sum("[[gateway]]" in example for example in EXAMPLES) == 3


@pytest.mark.parametrize("example", [each for each in EXAMPLES if "gateway" in each or "policy" in each])
def test_example_is_a_configuration(example: str, tmp_path: Path) -> None:
    text = example if "[[gateway]]" in example else GATEWAY + example
    (tmp_path / "logboat.toml").write_text(text)
    assert load(tmp_path / "logboat.toml").gateways
