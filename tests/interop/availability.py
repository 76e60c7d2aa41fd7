"""Skips a test whose real peer cannot run on this machine. In CI, the test fails instead."""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.interop.builds import MissingError

T = TypeVar("T")


def or_skip(prepare: Callable[[], T]) -> T:
    """Return the result of `prepare`. If it raises MissingError, skip the test, or fail the test in CI."""
    try:
        return prepare()
    except MissingError as missing:
        if os.environ.get("CI"):
            pytest.fail(f"{missing} (and CI skips nothing)")
        pytest.skip(str(missing))
