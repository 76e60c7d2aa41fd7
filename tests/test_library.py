"""The replication library contains no names of Logboat's documents, because the appliance passes them in."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.documents import CHANNELS, DocumentType

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
(CONTRACT,) = (contract for contract in CONTRACTS if contract["type"] == "forbidden")
LIBRARY, FORBIDDEN = CONTRACT["source_modules"], CONTRACT["forbidden_modules"]
TYPES = "|".join(DocumentType)
ID = re.compile(rf"\b({TYPES})[:;](?!\s)|\bvessel\.(?:$|\w)")
"""Pattern for the prefix of a document id, the end of a range of ids, or the channel of a vessel."""
WORDS = {*DocumentType, *CHANNELS.values()}


def modules() -> Iterator[Any]:
    """Yield the path of each module of the replication library."""
    for name in LIBRARY:
        path = ROOT / name.replace(".", "/")
        for each in sorted(path.rglob("*.py")) or [path.with_suffix(".py")]:
            yield pytest.param(each, id=str(each.relative_to(ROOT)))


def known_documents(source: str) -> list[tuple[int, str]]:
    """Return the line number and the text of each string in a source that names a Logboat document."""
    return [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value in WORDS or ID.search(node.value)
    ]


@pytest.mark.parametrize("path", list(modules()))
def test_module_of_the_library_names_no_document_of_logboat(path: Path) -> None:
    assert known_documents(path.read_text()) == []


def test_every_module_of_sync_is_in_the_library_or_forbidden_to_it() -> None:
    stems = {path.stem for path in (ROOT / "sync").iterdir() if path.is_dir() or path.suffix == ".py"}
    names = {f"sync.{stem}" for stem in stems if not stem.startswith("__")}
    assert names == {*LIBRARY, *(name for name in FORBIDDEN if name.startswith("sync."))}


@pytest.mark.parametrize(
    "program",
    [
        'kind = "alarm"',
        'channel = "readings"',
        'prefix = f"vessel:{name}"',
        """query = "SELECT id FROM docs WHERE id < 'reading:'" """,
        """query = "SELECT id FROM docs WHERE id >= 'reading;'" """,
        'def resolve():\n    """Resolve note:argo:1."""',
        'channel = f"vessel.{name}"',
    ],
)
def test_a_document_of_logboat_is_found(program: str) -> None:
    assert len(known_documents(program)) == 1


@pytest.mark.parametrize(
    "program", ['text = "reading: it failed"', 'text = "an alarm"', "with engine.reading: pass"]
)
def test_other_texts_are_not_taken_for_documents(program: str) -> None:
    assert known_documents(program) == []
