"""Networks for the tests here."""

import os
import random
from collections.abc import Iterator

import pytest

from tests.namespaces import Network


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Chance that depends on the session's seed, which is printed, and on the test alone."""
    seed = os.environ["LOGBOAT_SEED"]
    print(f"LOGBOAT_SEED={seed}")
    return random.Random(f"{seed} {request.node.nodeid}")


@pytest.fixture
def network() -> Iterator[Network]:
    """Hosts and segments of this test's own."""
    with Network.for_test() as network:
        yield network
