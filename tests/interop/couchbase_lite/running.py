"""Couchbase Lite, running while a module's tests need it; they are skipped where it cannot run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.availability import or_skip
from tests.interop.couchbase_lite.client import CouchbaseLite
from tests.interop.couchbase_lite.runtime import prepare


@contextmanager
def running(directory: Path) -> Iterator[CouchbaseLite]:
    """Yield the running program, with its databases in `directory`.

    Where a run may skip nothing, a missing program fails the test.
    """
    with CouchbaseLite(or_skip(prepare), directory) as couchbase_lite:
        yield couchbase_lite
