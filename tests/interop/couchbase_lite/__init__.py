"""A real Couchbase Lite (Java Community Edition) as a peer for tests.

The version is 3.0.0, which does not support collections. Later versions are not in Maven Central (3.1.0,
3.1.9, 3.2.0 and 3.2.4 were tried), because Couchbase publishes them in a separate repository. Collections are
tested with Sync Gateway, in `tests/interop/test_sync_gateway_replicating_with_us.py`.

- `pom.xml`: the dependencies that Maven downloads
- `harness/`: a Java program that runs Couchbase Lite and accepts one JSON command per line
- `icu_shim.c`: a shim that provides the ICU version that the native library requires
- `runtime`: downloads and builds these files once
- `client`: remote control of the Java program, with its commands as methods
- `running`: runs the Java program for tests, which are skipped or fail if it cannot run
- `listening`: Logboat's listener in a thread, to which Couchbase Lite connects
- `scripted_peer`: a passive peer that answers according to a script, and records requests
"""
