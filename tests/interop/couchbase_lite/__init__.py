"""A real Couchbase Lite, Java Community Edition, as a peer for tests.

The version is 3.0.0, which has no collections. Maven Central has none of the later versions (3.1.0, 3.1.9,
3.2.0 and 3.2.4 were tried), because Couchbase publishes them in a separate repository. Collections are tested
with Sync Gateway: see `tests/interop/test_sync_gateway_replicating_with_us.py`.

- `pom.xml`, `harness/`: the dependencies that Maven fetches, and a Java program that accepts one JSON command
  per line
- `icu_shim.c`: the ICU version that the native library requires, as a shim on the installed version
- `runtime`: fetches and builds these files once
- `client`: the program's commands as methods
- `running`: runs the program for tests; if it cannot run, tests are skipped or fail
- `listening`: Logboat's listener in a thread, to which Couchbase Lite connects
- `scripted_peer`: a passive peer that answers according to a script, and records requests
"""
