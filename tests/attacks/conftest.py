"""Fixtures of the attack tests: a vessel to attack, and the size of the attack (small or full)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .siege import Siege, Size, besieged


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set a longer time limit for these tests, because they run several processes at the same time."""
    for item in items:
        if item.nodeid.startswith("tests/attacks/") and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


_SIZES = [pytest.param(False, id="small"), pytest.param(True, id="full", marks=pytest.mark.torture)]


@pytest.fixture(params=_SIZES)
def size(request: pytest.FixtureRequest) -> Size:
    return Size(request.param)


@pytest.fixture
def siege(tmp_path: Path) -> Iterator[Siege]:
    with besieged(tmp_path) as vessel:
        yield vessel
