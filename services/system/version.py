"""Logboat's version, for programs that cannot spend time on reading the installed package's metadata."""

from typing import Final

VERSION: Final = "0.1.0"
"""The version, which must be the same as in `pyproject.toml`."""
