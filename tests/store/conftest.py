"""Fixtures of the store tests, which provide document stores in a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.store import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def store(path: Path) -> Iterator[Database]:
    with Database.open(path) as database:
        yield database
