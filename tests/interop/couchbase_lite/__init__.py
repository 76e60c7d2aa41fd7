"""A real Couchbase Lite, Java Community Edition, as a peer to test against.

It is 3.0.0, which knows no collections: of the versions after it (3.1.0, 3.1.9, 3.2.0, 3.2.4 were asked for)
Maven Central has none; Couchbase publishes those in a repository of its own. Collections are tested with the
other real implementation: see `tests/interop/test_sync_gateway_replicating_with_us.py`.

- `pom.xml`, `harness/`: what Maven fetches, and the Java program that drives it, one JSON line a command
- `icu_shim.c`: the ICU that its native library was linked to, made of the one that is installed
- `runtime`: fetches and builds these, once
- `client`: the program's commands as methods
- `running`: a fixture of it, skipped or failed where it cannot run
- `listening`: our listener in a thread, for Couchbase Lite to come to
- `scripted_peer`: a passive peer that answers as a test says, and keeps what it was asked
"""
