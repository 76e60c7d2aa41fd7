"""The network shells of replication: sockets, TLS and time.

Applications use `replicator` (active side) with `endpoints`, `listener` (passive side), `authenticators` for
both sides, `tls_identity`, and `message` with `streams` (transports that are not IP networks). They are built
on:

- `link`: connects a peer to a transport; `watching`: wakes it when its store changes
- `retrying`: which problems are temporary, and how long to wait
- `transport`: the interface between sockets and everything else
- `ws_client`, `ws_server`, `handshake`, `connect`: opening a WebSocket
- `websocket`, `framing`, `heartbeat`, `endpoint_pipe`: an open WebSocket
- `guesses`: limits on guessing passwords
- `welcome`: the addresses from which users have logged in before
- `tls`, `tls_contexts`: checks of certificates; `tls_alerts`: reporting failures to the other side
- `faults`: errors of the operating system in words
"""
