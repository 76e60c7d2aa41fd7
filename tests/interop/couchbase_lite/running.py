"""Runs Couchbase Lite while the tests in a module need it; where it cannot run, the tests are skipped."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.availability import or_skip
from tests.interop.couchbase_lite.client import CouchbaseLite
from tests.interop.couchbase_lite.runtime import prepare


@contextmanager
def running(directory: Path) -> Iterator[CouchbaseLite]:
    """Yield the running program, whose databases are in `directory`.

    If a run may not skip tests, a missing program fails the test.
    """
    with CouchbaseLite(or_skip(prepare), directory) as couchbase_lite:
        yield couchbase_lite
