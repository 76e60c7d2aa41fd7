"""The scheduler's tables contain only existing files, and test runs end even if workers crash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scheduling import APART, TOGETHER

ROOT = Path(__file__).parents[1]
PYTEST = ("-m", "pytest", "-p", "xdist", "-p", "no:cacheprovider", "-v")


@pytest.mark.parametrize("file", [*TOGETHER, *APART])
def test_file_in_the_tables_exists(file: str) -> None:
    assert (ROOT / file).is_file()


def test_no_file_is_in_both_tables() -> None:
    assert set(TOGETHER).isdisjoint(APART)


def run(folder: Path, tests: dict[str, str], apart: list[str], *, workers: int) -> str:
    """Run test files with the scheduler under test and several workers, and return pytest's output."""
    for name, text in tests.items():
        (folder / name).write_text(text)
    (folder / "conftest.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests import scheduling\nscheduling.APART = {apart!r}\n"
        "def pytest_xdist_make_scheduler(config, log):\n    return scheduling.Scheduling(config, log)\n"
    )
    done = subprocess.run(
        [sys.executable, *PYTEST, "-n", str(workers), "."],
        cwd=folder,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # other plugins are slow to import
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.stdout + done.stderr


CRASHING = "import os\ndef test_crashes():\n    os._exit(1)\n"


def test_run_ends_when_a_worker_crashes_after_finishing_other_files(tmp_path: Path) -> None:
    quick = {f"test_{number:02}.py": "def test_it():\n    pass\n" for number in range(12)}
    said = run(tmp_path, quick | {"test_05_crash.py": CRASHING}, [], workers=1)
    assert "1 failed, 12 passed" in said


def test_last_single_test_runs_after_its_worker_crashed(tmp_path: Path) -> None:
    tests = {"test_a.py": CRASHING, "test_b.py": "def test_b():\n    pass\n"}
    said = run(tmp_path, tests, ["test_a.py", "test_b.py"], workers=1)
    assert "1 failed, 1 passed" in said


def test_test_that_crashes_its_worker_is_not_run_again(tmp_path: Path) -> None:
    tests = {"test_a.py": CRASHING + "def test_after():\n    pass\n", "test_b.py": CRASHING}
    tests |= {f"test_{name}.py": "def test_it():\n    pass\n" for name in "cdefgh"}
    said = run(tmp_path, tests, [], workers=2)
    assert "2 failed, 7 passed" in said
    assert said.count("replacing crashed worker") == 2
