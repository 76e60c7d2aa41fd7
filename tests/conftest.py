"""Selects the seed for all random numbers in tests, and prints the seed at the beginning of each run.

An ordinary run is reproducible, because its seed is fixed and Hypothesis derives its examples from the tests
themselves. A run that selects the torture tests uses a new seed. The environment variable `LOGBOAT_SEED`
overrides both.
"""

import gc
import os
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import compiling, scheduling, scratch

ORDINARY_SEED = "1"
ON_DISK = "/var/tmp"
"""Folder that is on a disk also where /tmp is in memory (Filesystem Hierarchy Standard 3.0, section 5.15)."""
_PASSED = pytest.StashKey[bool]()

for profile, repeats in (("ordinary", True), ("torture", False)):
    # How long an example takes depends on the machine's load, not on the code under test.
    settings.register_profile(
        profile, derandomize=repeats, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


def pytest_configure(config: pytest.Config) -> None:
    """Select the seed and Hypothesis's profile before the workers start, so that workers inherit both."""
    torture = asks_for_torture(str(config.getoption("markexpr") or ""))
    fresh = str(random.SystemRandom().randrange(1_000_000))
    os.environ.setdefault("LOGBOAT_SEED", fresh if torture else ORDINARY_SEED)
    if not hasattr(config, "workerinput"):
        _use_memory(config)
    if not config.getoption("--hypothesis-profile", None):
        settings.load_profile("torture" if torture else "ordinary")
    if len(getattr(config.option, "tx", None) or ()) > 1 and not sys.dont_write_bytecode:
        places = [config.rootpath / each.split("::")[0] for each in config.args]
        outdated = compiling.outdated(each for each in places if each.exists())
        compiling.compile_modules(outdated, config.rootpath)


def _use_memory(config: pytest.Config) -> None:
    """Put temporary files in memory if that is possible, and remove them at the end of a run that passed."""
    if config.option.basetemp or "TMPDIR" in os.environ or not scratch.leaves_out(config.option.markexpr):
        return
    if folder := scratch.make():
        scratch.use(folder)
        config.option.basetemp = str(folder / "t")
        # Later than `multiprocessing`, which removes its own folder at exit with priority -100.
        Finalize(None, _remove_if_passed, args=(folder, config.stash), exitpriority=-200)


def _remove_if_passed(folder: Path, stash: pytest.Stash) -> None:
    if stash.get(_PASSED, False):
        shutil.rmtree(folder, ignore_errors=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Note whether the files of tests that failed must be kept."""
    session.config.stash[_PASSED] = exitstatus == pytest.ExitCode.OK


def asks_for_torture(marks: str) -> bool:
    """Return True if the expression of pytest's `-m` option selects the torture tests."""
    return re.search(r"(?<!not )\btorture\b", marks) is not None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduling.Scheduling:
    """Return the scheduler of `tests.scheduling`, which assigns tests to workers."""
    return scheduling.Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests that a worker has collected. The order must be the same in all workers."""
    if hasattr(config, "workerinput"):
        scheduling.order(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests with garbage collection disabled.

    Each garbage collection would examine all test objects collected so far, although none can be freed.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Exempt the collected tests from garbage collection, because all of them are kept until the end.

    About 10 MB of garbage from the collection of tests are kept too. It would take half a second to find.
    """
    gc.freeze()


def pytest_report_header() -> str:
    return f"chance: LOGBOAT_SEED={os.environ['LOGBOAT_SEED']}"


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Yield a folder for the test's files, on a disk if the test is marked `disk`.

    The folder on a disk is removed if the test has passed.
    """
    if request.node.get_closest_marker("disk") is None:
        yield tmp_path
        return
    failed_before = request.session.testsfailed
    folder = Path(tempfile.mkdtemp(prefix="logboat-", dir=ON_DISK))
    yield folder
    if request.session.testsfailed == failed_before:
        shutil.rmtree(folder, ignore_errors=True)
