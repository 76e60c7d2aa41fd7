"""A vessel for each test, and the two sizes of attacks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .siege import Siege, Size, besieged

_SIZES = [pytest.param(False, id="small"), pytest.param(True, id="full", marks=pytest.mark.torture)]


@pytest.fixture(params=_SIZES)
def size(request: pytest.FixtureRequest) -> Size:
    return Size(request.param)


@pytest.fixture
def siege(tmp_path: Path) -> Iterator[Siege]:
    with besieged(tmp_path) as vessel:
        yield vessel
