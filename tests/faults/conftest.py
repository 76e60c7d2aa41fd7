"""Random numbers for fault tests. They derive from a single seed, so that a run can be repeated."""

import os
import random

import pytest


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Return a random generator that depends only on the session's seed and the test."""
    seed = os.environ["LOGBOAT_SEED"]
    print(f"LOGBOAT_SEED={seed}")
    return random.Random(f"{seed} {request.node.nodeid}")
