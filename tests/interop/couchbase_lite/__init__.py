"""A real Couchbase Lite, Java Community Edition, as a peer to test against.

It is version 3.0.0, which has no collections. Maven Central has none of the later versions (3.1.0, 3.1.9,
3.2.0 and 3.2.4 were tried), because Couchbase publishes them in a repository of its own. Collections are
tested with the other real implementation: see `tests/interop/test_sync_gateway_replicating_with_us.py`.

- `pom.xml`, `harness/`: what Maven fetches, and the Java program that drives it, one JSON line per command
- `icu_shim.c`: the ICU version to which its native library was linked, made from the installed one
- `runtime`: fetches and builds these once
- `client`: the program's commands as methods
- `running`: a fixture for the program; where it cannot run, tests are skipped or fail
- `listening`: our listener in a thread, to which Couchbase Lite connects
- `scripted_peer`: a passive peer that answers as the test says, and records requests
"""
