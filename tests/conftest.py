"""One seed for all that tests leave to chance: printed at the head of each run, and given again by
`LOGBOAT_SEED`."""

import os
import random


def pytest_configure() -> None:
    """Before workers start, so that they have it too."""
    os.environ.setdefault("LOGBOAT_SEED", str(random.SystemRandom().randrange(1_000_000)))


def pytest_report_header() -> str:
    return f"chance: LOGBOAT_SEED={os.environ['LOGBOAT_SEED']}"
