"""Fixtures for attacks: a vessel for each test, and an attack's size (small or full)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .siege import Siege, Size, besieged


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Increase the time limit of these tests, which run several processes on a machine that may be busy."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


_SIZES = [pytest.param(False, id="small"), pytest.param(True, id="full", marks=pytest.mark.torture)]


@pytest.fixture(params=_SIZES)
def size(request: pytest.FixtureRequest) -> Size:
    return Size(request.param)


@pytest.fixture
def siege(tmp_path: Path) -> Iterator[Siege]:
    with besieged(tmp_path) as vessel:
        yield vessel
