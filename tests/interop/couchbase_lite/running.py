"""Couchbase Lite, running for as long as a module's tests need it; they are skipped where it cannot run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.availability import or_skip
from tests.interop.couchbase_lite.client import CouchbaseLite
from tests.interop.couchbase_lite.runtime import prepare


@contextmanager
def running(directory: Path) -> Iterator[CouchbaseLite]:
    """The program, with its databases in `directory`; where a run may skip nothing, it must be there."""
    with CouchbaseLite(or_skip(prepare), directory) as couchbase_lite:
        yield couchbase_lite
