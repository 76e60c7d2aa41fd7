"""Changes in a folder are reported as soon as copying into it has ended."""

import os
from pathlib import Path

from services.system.folder_poller import FolderWatch


def test_change_is_reported_one_poll_after_the_last_file(tmp_path: Path) -> None:
    (tmp_path / "vessel.pem").write_text("old")
    watch = FolderWatch(tmp_path)
    assert not watch.has_changed()
    (tmp_path / "vessel.pem").write_text("newer")
    assert not watch.has_changed()  # more files may follow
    (tmp_path / "vessel.key").write_text("key")
    assert not watch.has_changed()
    assert watch.has_changed()
    watch.accept()
    assert not watch.has_changed()


def test_replacement_by_a_file_of_equal_length_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "vessel.pem"
    path.write_text("old")
    stamp = path.stat()
    watch = FolderWatch(tmp_path)
    (tmp_path / "new").write_text("new")
    os.utime(tmp_path / "new", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (tmp_path / "new").replace(path)
    assert [watch.has_changed(), watch.has_changed()] == [False, True]


def test_restored_folder_is_not_a_change(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path / "identity")
    assert not watch.has_changed()
    (tmp_path / "identity").mkdir()
    (tmp_path / "identity" / "x").write_text("x")
    assert not watch.has_changed()
    (tmp_path / "identity" / "x").unlink()
    assert [watch.has_changed(), watch.has_changed()] == [False, False]
