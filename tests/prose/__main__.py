"""Checks all Python and Markdown files in the repository, and exits with status 1 if there are violations."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .rules import Fault, faults_of_python, faults_of_text

EXEMPT = ("tests/prose/rules.py", "tests/docs/test_prose.py")
"""Files that are not checked, because they must contain the words to avoid."""


def main() -> int:
    """Print the violations as `file:line: words`, and return the exit status."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md"], capture_output=True, text=True, check=True
    ).stdout.split()
    count = 0
    for name in listed:
        path = Path(name)
        if name in EXEMPT or not path.exists():
            continue
        for fault in _faults(path):
            print(f"{name}:{fault.line}: {fault.words}")
            count += 1
    print(f"prose: {count} faults" if count else f"prose: {len(listed)} files are clean")
    return 1 if count else 0


def _faults(path: Path) -> Iterator[Fault]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return faults_of_text(text)
    return faults_of_python(text, checks_strings=path.parts[0] != "tests")


if __name__ == "__main__":
    sys.exit(main())
