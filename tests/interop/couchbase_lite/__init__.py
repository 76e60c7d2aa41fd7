"""A real Couchbase Lite, Java Community Edition, as a peer to test against.

It is version 3.0.0, which has no collections: Maven Central has none of the later versions (3.1.0, 3.1.9,
3.2.0 and 3.2.4 were tried), because Couchbase publishes them in a repository of its own. Collections are
tested with the other real implementation: see `tests/interop/test_sync_gateway_replicating_with_us.py`.

- `pom.xml`, `harness/`: what Maven fetches, and the Java program that drives it, one JSON line a command
- `icu_shim.c`: the ICU that its native library was linked to, made from the installed one
- `runtime`: fetches and builds these, once
- `client`: the program's commands as methods
- `running`: a fixture for it, skipped or failed where it cannot run
- `listening`: our listener in a thread, for Couchbase Lite to connect to
- `scripted_peer`: a passive peer that answers as a test sets it, and records its requests
"""
