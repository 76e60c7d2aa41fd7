"""Logboat's version, as a constant, because reading the installed package's metadata takes too long."""

from typing import Final

VERSION: Final = "0.1.0"
"""Version of Logboat, which must be the same as in `pyproject.toml`."""
