"""A real Couchbase Lite, Java Community Edition, as a peer to test against.

- `pom.xml`, `harness/`: what Maven fetches, and the Java program that drives it, one JSON line a command
- `icu_shim.c`: the ICU that its native library was linked to, made of the one that is installed
- `runtime`: fetches and builds these, once
- `client`: the program's commands as methods
- `running`: a fixture of it, skipped or failed where it cannot run
- `listening`: our listener in a thread, for Couchbase Lite to come to
- `scripted_peer`: a passive peer that answers as a test says, and keeps what it was asked
"""
