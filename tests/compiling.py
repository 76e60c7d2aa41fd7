"""Compiles test modules before several workers import them.

Pytest compiles each test module when it is first imported, which takes most of the time of the first
collection. Workers that start together would each compile every module. Instead, the modules are compiled in
advance, once each, by one process per processor.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

PATTERNS: Final = ("test_*.py", "conftest.py")


def outdated(places: Iterable[Path]) -> list[Path]:
    """Return the test modules at or below these paths that have changed since pytest compiled them."""
    found: set[Path] = set()
    for place in places:
        if place.is_file():
            found.add(place)
        for pattern in PATTERNS:
            found.update(place.rglob(pattern))
    return sorted(file for file in found if not _is_compiled(file))


def compile_modules(files: Sequence[Path], root: Path) -> None:
    """Compile test modules by importing them in other processes, which run no tests.

    Errors in a module are not reported, because the following test run imports the module again.
    """
    count = min(os.cpu_count() or 1, len(files))
    command = (sys.executable, "-m", "pytest", "-n", "0", "--collect-only", "-qq", "-p", "no:cacheprovider")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    running = [
        subprocess.Popen(
            [*command, *map(str, files[first::count])],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for first in range(count)
    ]
    for process in running:
        process.wait()


def _is_compiled(file: Path) -> bool:
    """Return True if pytest's compiled file for a test module is not older than the module."""
    changed = file.stat().st_mtime
    name = f"{file.stem}.{sys.implementation.cache_tag}-pytest-*.pyc"
    return any(each.stat().st_mtime >= changed for each in (file.parent / "__pycache__").glob(name))
