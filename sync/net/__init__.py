"""The shells that carry replication over networks and other lines: sockets, TLS, time.

What applications use: `replicator` (active) with `endpoints`, `listener` (passive), `authenticators` of both
sides, `tls_identity`, `message` and `streams` (transports that are no IP networks). Beneath them:

- `link`: a peer on a transport; `watching`: waking it when its store changes
- `retrying`: which problems pass, and how long to wait
- `transport`: the seam between sockets and everything else
- `ws_client`, `ws_server`, `handshake`, `connect`: how a WebSocket comes to be
- `websocket`, `framing`, `heartbeat`, `endpoint_pipe`: one that is open
- `guesses`: how often a password may be guessed
- `welcome`: from where users have come in before
- `tls`, `tls_contexts`: what certificates must say; `tls_alerts`: telling the other side
- `faults`: what the operating system's errors mean, in words
"""
