"""Runs Couchbase Lite while tests need it. If it cannot run, the tests are skipped, or fail in CI."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.availability import or_skip
from tests.interop.couchbase_lite.client import CouchbaseLite
from tests.interop.couchbase_lite.runtime import prepare


@contextmanager
def running(directory: Path) -> Iterator[CouchbaseLite]:
    """Run the Java program with Couchbase Lite for the duration of the block. Its data is in `directory`.

    If the program cannot run on this machine, the test is skipped, or fails in CI.
    """
    with CouchbaseLite(or_skip(prepare), directory) as couchbase_lite:
        yield couchbase_lite
