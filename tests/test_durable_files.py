"""After a durable change, a file has either its old or its new content and the right mode.

No temporary files are left.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import durable_files
from sync.durable_files import NewFile


@pytest.fixture(autouse=True)
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_a_file_is_replaced_with_its_exact_mode(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    durable_files.write(path, b"new", mode=0o644)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_created_file_has_at_most_its_mode(tmp_path: Path) -> None:
    durable_files.create(tmp_path / "note", b"content", mode=0o660)
    assert (tmp_path / "note").stat().st_mode & 0o777 == 0o600


def test_file_is_synchronised_before_its_renaming_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    steps: list[tuple[bool, bytes]] = []

    def synchronise(descriptor: int) -> None:
        steps.append((Path(f"/proc/self/fd/{descriptor}").resolve() == tmp_path, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", synchronise)
    durable_files.write(path, b"new")
    assert steps == [(False, b"old"), (True, b"new")]


def test_no_file_is_replaced_if_one_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"old")
    new = [NewFile(tmp_path / "key", b"new", 0o600), NewFile(tmp_path / "missing" / "chain", b"new", 0o644)]
    with pytest.raises(FileNotFoundError):
        durable_files.write_all(new)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("key", b"old")]
