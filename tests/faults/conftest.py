"""Chance, from one seed that can be given again."""

import os
import random

import pytest


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Chance that depends on the session's seed and the test alone."""
    seed = os.environ["LOGBOAT_SEED"]
    print(f"LOGBOAT_SEED={seed}")
    return random.Random(f"{seed} {request.node.nodeid}")
