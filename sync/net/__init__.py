"""The network layer of replication: sockets, TLS and timers.

Applications use `replicator` with `endpoints` for the active side, `listener` for the passive side, and
`authenticators` and `tls_identity` for both. Over transports that are not IP networks, they use
`message_endpoint` with `byte_streams`. These modules use the following ones:

- `peer_driver`: connects a peer to a transport; `store_watch`: wakes the peer when its store changes
- `backoff`: classification of temporary problems, and the time to wait before a retry
- `transport`: the interface between sockets and everything else
- `ws_client`, `ws_server`, `handshake`, `happy_eyeballs`, `upgrade_handlers`: opening a WebSocket
- `websocket`, `framing`, `heartbeat`, `endpoint_pipe`: an open WebSocket
- `login_rate_limit`: limits on the number of wrong passwords
- `known_addresses`: the addresses from which users have logged in before
- `certificates`, `tls_contexts`: verification of certificates; `tls_alerts`: TLS alerts to the other side
- `error_mapping`: conversion of operating system errors to `Problem` objects
"""
