"""Changed test modules are compiled once, before pytest's workers import them."""

import os
from pathlib import Path

from tests import compiling


def test_only_modules_changed_since_they_were_compiled_are_compiled_again(tmp_path: Path) -> None:
    first, second = tmp_path / "test_first.py", tmp_path / "inner" / "test_second.py"
    second.parent.mkdir()
    for file in (first, second, tmp_path / "conftest.py"):
        file.write_text("def test_it():\n    assert True\n")
    (tmp_path / "helper.py").write_text("")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    assert compiling.outdated([tmp_path]) == sorted([tmp_path / "conftest.py", first, second])
    compiling.compile_modules(compiling.outdated([tmp_path]), tmp_path)
    assert compiling.outdated([tmp_path]) == []
    later = first.stat().st_mtime + 10
    os.utime(first, (later, later))
    assert compiling.outdated([tmp_path]) == [first]
    assert compiling.outdated([second]) == []


def test_module_that_cannot_be_imported_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_wrong.py").write_text("import nothing_of_this_name\n")
    compiling.compile_modules(compiling.outdated([tmp_path]), tmp_path)
    compiling.compile_modules([], tmp_path)
