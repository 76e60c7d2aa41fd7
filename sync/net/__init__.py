"""The network shells of replication: sockets, TLS and time.

Applications use `replicator` (active side) with `endpoints`, `listener` (passive side), `authenticators` for
both sides, `tls_identity`, and `message_endpoint` with `byte_streams` (transports that are not IP networks).
They are built on:

- `peer_driver`: connects a peer to a transport; `store_watch`: wakes it when its store changes
- `backoff`: which problems are temporary, and how long to wait
- `transport`: the interface between sockets and everything else
- `ws_client`, `ws_server`, `handshake`, `happy_eyeballs`, `upgrade_handlers`: opening a WebSocket
- `websocket`, `framing`, `heartbeat`, `endpoint_pipe`: an open WebSocket
- `login_rate_limit`: limits on guessing passwords
- `known_addresses`: the addresses from which users have logged in before
- `certificates`, `tls_contexts`: checks of certificates; `tls_alerts`: reporting failures to the other side
- `error_mapping`: errors of the operating system in words
"""
