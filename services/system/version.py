"""Logboat's version, for programs that have no time to read the installed package's metadata."""

from typing import Final

VERSION: Final = "0.1.0"
"""The same version as in `pyproject.toml`."""
