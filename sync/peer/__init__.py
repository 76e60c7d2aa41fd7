"""Replication between the local store and a peer: the data to send, the data to accept, and the progress.

The package does no network I/O and reads no clock. Its caller (`sync.net.peer_driver`) transports the frames
and passes in the time. The modules, in the order in which a connection uses them:

- `active`, `passive`: the two roles; `peer_base`: the interface through which a caller drives either role
- `session`: passes requests and replies to their handlers, and ends a connection
- `checkpoints`: the position from which a replication continues, stored on both sides
- `selection`: the documents that are replicated
- `sender`: sends the changes feed; `deliveries`: sends the revisions that the peer requests
- `push_conflicts`: changes that the peer rejects as conflicts; `attempts`: the solutions tried for them
- `missing_revision_fetch`: requests for single documents that the feed does not contain
- `echo_suppression`: changes received from the peer, which are not sent back
- `receiver`: receives changes and stores them in transactions
- `quotas`: the amount of data that a peer may send per day
- `received_deltas`: applies received deltas
- `pull_dedup`: selects one peer from which to request a revision that several peers offer
- `blob_traffic`: transfer of blobs; `blob_access`: permission to fetch a blob
- `wire_bodies`: the form of document bodies on the wire
- `work`: long-running jobs, which run in slices and within a rate limit per connection
- `conflicts`: resolution of conflicts
- `progress`, `problems`: events for observers; `failed_documents`: documents that could not be replicated
- `limits`: the maximum amounts in flight and in memory
"""
