"""Measures the replication rates of Couchbase Lite for Java with Logboat's listener, for comparison."""

import time
from pathlib import Path
from typing import Final

from tests.interop.couchbase_lite.client import PULL, PUSH, WAIT, CouchbaseLite, Database, Kind
from tests.interop.couchbase_lite.runtime import Runtime

from .serving import LOOK_EVERY, Steady, reading_id, served
from .store import body

AT_ONCE: Final = 1_000
"""Number of documents that are passed to the Java program in one line of input."""
WARM_UP: Final = 500
"""Number of documents transferred each way before the measurement, so that Java compiles its hot code."""


def measure(runtime: Runtime, folder: Path, source: Path, count: int) -> dict[Kind, Steady]:
    """Push `count` documents, and then pull as many from the store `source`. Return both measurements."""
    found = {}
    with CouchbaseLite(runtime, folder / "couchbase-lite", log_level="ERROR") as program:
        with served(folder / "lite-warm.db") as other:
            app = program.open("warm")
            _fill(app, WARM_UP)
            app.replicator(other.url, kind=PUSH, certificate=other.certificate).run()
            app.close()
            app = program.open("cold")
            app.replicator(other.url, kind=PULL, certificate=other.certificate).run()
            app.close()
        for kind in (PUSH, PULL):
            app = program.open(kind.lower())
            if kind is PUSH:
                _fill(app, count)
            with served(folder / "lite-pushed.db" if kind is PUSH else source) as other:
                steady = Steady(count, active=program._process.pid, passive=other.pid)
                replicator = app.replicator(other.url, kind=kind, certificate=other.certificate)
                replicator.start()
                deadline = time.monotonic() + WAIT
                while not steady.look(len(replicator.documents)):
                    if time.monotonic() > deadline or replicator.status().level == "stopped":
                        msg = f"Couchbase Lite's {kind} did not get through: {replicator.status()}"
                        raise RuntimeError(msg)
                    time.sleep(LOOK_EVERY)
                ended = replicator.wait("stopped")
                assert ended.error is None, ended.error
                assert not replicator.failed()
            app.close()
            found[kind] = steady
    return found


def _fill(app: Database, count: int) -> None:
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, count))
        app.put_many({reading_id(number): body(number) for number in numbers})
