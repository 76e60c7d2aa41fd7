"""Every threat in docs/security-*.md refers to existing tests."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = "".join(page.read_text() for page in sorted((ROOT / "docs").glob("security*.md")))
_HEADS = ("| attempt", "| event", "| ---")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith(_HEADS)]
TEST = re.compile(r"(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)")


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@pytest.mark.parametrize("row", ROWS)
def test_threat_refers_to_existing_tests(row: str) -> None:
    threat, remedy, tests = (part.strip() for part in row.strip("|").split("|"))
    assert threat
    assert remedy
    named = TEST.findall(tests)
    assert named, f"no test holds this: {threat}"
    for path, name in named:
        assert name in names_in(path), f"{path} has no {name}"


def test_each_kind_of_attacker_has_a_section() -> None:
    for who in ("stranger", "guest", "crew", "vessel of the fleet", "thief of a card", "office"):
        assert re.search(rf"^## .*{who}", TEXT, re.MULTILINE), who
