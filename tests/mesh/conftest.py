"""Random numbers and networks for the tests in this folder."""

import os
import random
from collections.abc import Iterator

import pytest

from tests.namespaces import Network


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Return a random generator that depends only on the session's printed seed and the test."""
    seed = os.environ["LOGBOAT_SEED"]
    print(f"LOGBOAT_SEED={seed}")
    return random.Random(f"{seed} {request.node.nodeid}")


@pytest.fixture
def network() -> Iterator[Network]:
    """Yield a network with hosts and segments that only this test uses."""
    with Network.for_test() as network:
        yield network
