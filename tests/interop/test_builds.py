"""A peer program is built once for the same inputs, by the first process that needs the program.

An interrupted build leaves no partial result.
"""

import multiprocessing
from pathlib import Path

import pytest

from tests.interop import builds


def _write(folder: Path) -> None:
    (folder / "program").write_text("built")


def _build_noting(cache: Path, notes: Path) -> None:
    def make(folder: Path) -> None:
        with notes.open("a") as file:
            file.write("built\n")
        _write(folder)

    builds.built("peer", b"source", make, cache=cache)


def test_processes_that_need_a_build_at_the_same_time_build_once(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_build_noting, args=(tmp_path / "cache", notes)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert notes.read_text() == "built\n"


def test_changed_source_is_built_again_next_to_the_old_build(tmp_path: Path) -> None:
    first = builds.built("peer", b"source", _write, cache=tmp_path)
    second = builds.built("peer", b"changed source", _write, cache=tmp_path)
    assert first != second
    assert builds.built("peer", b"source", lambda _: pytest.fail("built again"), cache=tmp_path) == first


def test_interrupted_build_is_not_used_as_a_finished_one(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        _write(folder)
        raise builds.MissingError("no compiler")

    with pytest.raises(builds.MissingError, match="no compiler"):
        builds.built("peer", b"source", fail, cache=tmp_path)
    made: list[Path] = []
    folder = builds.built("peer", b"source", made.append, cache=tmp_path)
    assert len(made) == 1
    assert list(folder.iterdir()) == []


def test_failed_step_reports_its_output(tmp_path: Path) -> None:
    with pytest.raises(builds.MissingError, match="sh failed: no such module"):
        builds.run(["sh", "-c", "echo no such module; exit 1"], seconds=10)


def test_a_tool_that_is_not_installed_is_named_with_the_remedy() -> None:
    with pytest.raises(builds.MissingError, match="no-such-tool is not installed; install it"):
        builds.tool("no-such-tool", hint="install it")
