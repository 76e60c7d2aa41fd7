"""Temporary files are in memory where that is possible, and those of earlier runs do not stay there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import scratch


@pytest.fixture(autouse=True)
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "NEEDED", 0)


@pytest.mark.parametrize(
    ("marks", "out"),
    [
        ("not torture and not image and not assistant", True),
        ("not image and not torture", True),
        ("", False),
        ("not torture", False),
        ("torture and not image", False),
        ("image and not torture", False),
    ],
)
def test_only_a_run_without_torture_and_image_tests_uses_memory(marks: str, out: bool) -> None:
    assert scratch.leaves_out(marks) is out


def test_folder_belongs_to_the_process(tmp_path: Path) -> None:
    folder = scratch.make(tmp_path)
    assert folder is not None
    assert list(tmp_path.iterdir()) == [folder]
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "file").write_text("of an earlier process with the same id")
    assert scratch.make(tmp_path) == folder
    assert list(folder.iterdir()) == []


def test_too_little_memory_or_none_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scratch.make(tmp_path / "missing") is None
    monkeypatch.setattr(scratch, "NEEDED", 10**18)
    assert scratch.make(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_folders_of_runs_that_ended_long_ago_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    old, other = tmp_path / f"logboat-{ended.pid}", tmp_path / "logboat-test-1-gnss"
    running = tmp_path / f"logboat-{os.getppid()}"
    for folder in (old, other, running):
        folder.mkdir()
        (folder / "file").write_text("")
    assert scratch.make(tmp_path)
    assert old.exists()
    for folder in (old, other, running):
        os.utime(folder, (0, 0))
    assert scratch.make(tmp_path)
    assert not old.exists()
    assert other.exists()
    assert running.exists()
