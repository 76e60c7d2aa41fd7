"""Fixtures of the mesh tests: random number generators and simulated networks."""

import os
import random
from collections.abc import Iterator

import pytest

from tests.namespaces import Network


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Return a random number generator that depends only on the test and the session's printed seed."""
    seed = os.environ["LOGBOAT_SEED"]
    print(f"LOGBOAT_SEED={seed}")
    return random.Random(f"{seed} {request.node.nodeid}")


@pytest.fixture
def network() -> Iterator[Network]:
    """Yield a simulated network without hosts, for this test only."""
    with Network.for_test() as network:
        yield network
