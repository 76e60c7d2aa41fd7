"""The network shells of replication: sockets, TLS and time.

Applications use `replicator` (active side) with `endpoints`, `listener` (passive side), `authenticators` for
both sides, `tls_identity`, and `message` with `streams` (transports that are not IP networks). They are built
on:

- `link`: connects a peer to a transport; `store_watch`: wakes it when its store changes
- `backoff`: which problems are temporary, and how long to wait
- `transport`: the interface between sockets and everything else
- `ws_client`, `ws_server`, `handshake`, `happy_eyeballs`, `upgrade_handlers`: opening a WebSocket
- `websocket`, `framing`, `heartbeat`, `message_transport`: an open WebSocket
- `login_rate_limit`: limits on guessing passwords
- `welcome`: the addresses from which users have logged in before
- `certificates`, `tls_contexts`: checks of certificates; `tls_alerts`: reporting failures to the other side
- `error_mapping`: errors of the operating system in words
"""
